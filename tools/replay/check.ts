/**
 * Whether what was replayed is what the projection says, and what a checkpoint holds. Three comparisons: the keys that have a
 * value at the moment, with the entry that each has it from, against a read of the past; all keys that the projection holds
 * now, by its digest where a process is asked; all keys of the newest checkpoint in the folder, against a replay to its index.
 */

import { indexOf } from '../../src/log/entry.js'
import { nullLogger } from '../../src/log/logger.js'
import { isSystemKey } from '../../src/log/system-key.js'
import { loadCheckpoint } from '../../src/projection/checkpoint.js'
import type { KeyIndex } from '../../src/projection/key-index.js'
import type { ReplayedState } from '../../src/projection/replay.js'
import { type ReplaySource, replaySource } from '../../src/projection/replay-source.js'
import { findShardMap, withInspector } from '../connect.js'
import type { LogOptions } from '../log-source.js'
import { mergeByKey } from '../past/merge-keys.js'
import { type PastMoment, withPast } from '../past/past-source.js'
import type { ReplayTarget } from './replay-logs.js'

/** Differing keys that are kept of one comparison. */
export const DIFFERENCES_MAX = 20

/** Where a key's newest entry is, on either side; 0 where there is none. A DELETE is negative. */
export interface CheckDifference {
  readonly key: Buffer
  readonly replayed: number
  readonly found: number
}

/** One comparison. */
export interface Comparison {
  readonly shard: string
  readonly what: 'projection' | 'digest' | 'checkpoint'
  /** Where in the log. */
  readonly index: number
  readonly same: boolean
  /** Keys that were compared. */
  readonly keys: number
  /** The first of them, in key order; of digests none. */
  readonly differences: readonly CheckDifference[]
}

/** A target and the state that it came to. */
export interface ReplayedTarget extends ReplayTarget {
  readonly state: ReplayedState
}

/** Makes all comparisons that can be made. Rejects as the sources do. */
export async function checkReplay(
  targets: readonly ReplayedTarget[],
  moment: PastMoment,
  options: LogOptions,
): Promise<Comparison[]> {
  const found = await compareKeys(targets, moment, options)
  if (options.data === undefined) return [...found, ...(await compareDigests(targets, options))]
  return [...found, ...(await compareWithFolder(targets, options.data, options.replica))]
}

/** The live keys of each shard, against what a read of the past says. */
async function compareKeys(
  targets: readonly ReplayedTarget[],
  moment: PastMoment,
  options: LogOptions,
): Promise<Comparison[]> {
  const comparisons = new Map(targets.map(({ shard }) => [shard, new KeyComparison()]))
  await withPast(options, async past => {
    const found = past.blame(moment, { start: Buffer.alloc(0), end: Buffer.alloc(0) })
    const replayed = mergeByKey(targets.map(({ shard, state }) => liveKeys(shard, state)))
    for await (const { shard, key, mine, theirs } of inStep(replayed, found)) {
      comparisons.get(shard)?.add(key, mine, theirs)
    }
  })
  return targets.map(({ shard, state }) => comparisons.get(shard)!.of(shard, 'projection', state.index))
}

interface KeyAt {
  readonly shard: string
  readonly key: Buffer
  readonly index: number
}

/** Two lists in the order of their keys, key by key; 0 where a list does not have it. */
async function* inStep(left: AsyncGenerator<KeyAt>, right: AsyncIterable<KeyAt>) {
  let mine = await left.next()
  for await (const { shard, key, index } of right) {
    for (; !mine.done && mine.value.key.compare(key) < 0; mine = await left.next()) {
      yield { ...mine.value, mine: mine.value.index, theirs: 0 }
    }
    const isBoth = !mine.done && mine.value.key.equals(key)
    yield { shard, key, mine: isBoth ? mine.value.index : 0, theirs: index }
    if (isBoth) mine = await left.next()
  }
  for (; !mine.done; mine = await left.next()) yield { ...mine.value, mine: mine.value.index, theirs: 0 }
}

/** The keys that users see, in order. */
async function* liveKeys(shard: string, state: ReplayedState): AsyncGenerator<KeyAt> {
  const { ids, positions } = await state.ordered()
  for (let at = 0; at < ids.length; at++) {
    if (positions[at]! <= 0) continue
    const key = state.keys.keys.copy(ids[at]!)
    if (!isSystemKey(key)) yield { shard, key, index: indexOf(positions[at]!) }
  }
}

/** The heads' own digests, of as much as they have committed now. */
async function compareDigests(
  targets: readonly ReplayedTarget[],
  options: LogOptions,
): Promise<Comparison[]> {
  return await withInspector(options, async inspector => {
    const { shards } = await findShardMap(inspector, options.endpoints)
    const comparisons: Comparison[] = []
    for (const { shard, source, state } of targets) {
      const address = options.replica ?? shards.find(each => each.name === shard)?.head ?? ''
      if (address === '') continue
      const theirs = await inspector.digest(address, shard)
      const then = await stateAt(source, state, theirs.commitIndex)
      const same = (await then.digest()).state.equals(theirs.state)
      const { index, keyCount: keys } = then
      comparisons.push({ shard, what: 'digest', index, same, keys, differences: [] })
    }
    return comparisons
  })
}

/** A folder's projection, as a node builds it when it starts, and its newest checkpoint. */
async function compareWithFolder(
  targets: readonly ReplayedTarget[],
  folder: string,
  replica: string | undefined,
): Promise<Comparison[]> {
  const { openOfflineShards } = await import('../past/offline-shards.js')
  const shards = await openOfflineShards(folder, replica)
  try {
    const comparisons: Comparison[] = []
    for (const { shard, source, state } of targets) {
      const { projection } = await shards.open(shard)
      const { keys: now } = projection.capture()
      const committed = await stateAt(source, state, projection.committedIndex)
      const theirs = (each: KeyBytes) => now.positionOf(...each)
      comparisons.push(await compareStates(shard, 'digest', committed, theirs, now.keyCount))
      const context = { log: shards.log(shard), blobs: shards.blobs(shard), logger: nullLogger }
      const checkpoint = await loadCheckpoint(context)
      if (checkpoint === undefined) continue
      const { keys, index } = checkpoint
      const then = await stateAt(source, state, index)
      comparisons.push(
        await compareStates(shard, 'checkpoint', then, each => positionIn(keys, each), keys.keyCount),
      )
    }
    return comparisons
  } finally {
    await shards.close()
  }
}

/** The state at another index, which may be the same. */
async function stateAt(source: ReplaySource, state: ReplayedState, index: number): Promise<ReplayedState> {
  return index === state.index ? state : await replaySource(source, { toIndex: index })
}

type KeyBytes = readonly [bytes: Buffer, start: number, length: number]

function positionIn(keys: KeyIndex, [bytes, start, length]: KeyBytes): number {
  const id = keys.find(bytes, start, length)
  return id === -1 ? 0 : keys.keys.newest(id)
}

/** All keys of a replayed state, deleted ones too, against another one that says where each key's newest entry is. */
async function compareStates(
  shard: string,
  what: Comparison['what'],
  state: ReplayedState,
  theirs: (key: KeyBytes) => number,
  theirCount: number,
): Promise<Comparison> {
  const comparison = new KeyComparison()
  const { ids, positions } = await state.ordered()
  for (let at = 0; at < ids.length; at++) {
    const key = state.keys.keys.copy(ids[at]!)
    comparison.add(key, signedIndex(positions[at]!), signedIndex(theirs([key, 0, key.length])))
  }
  // Keys that the replay has not are not met on this walk.
  const found = comparison.of(shard, what, state.index)
  return { ...found, same: found.same && theirCount === ids.length }
}

function signedIndex(position: number): number {
  return position < 0 ? -indexOf(-position) : indexOf(position)
}

class KeyComparison {
  readonly #differences: CheckDifference[] = []
  #keys = 0
  #different = 0

  add(key: Buffer, replayed: number, found: number): void {
    this.#keys += 1
    if (replayed === found) return
    this.#different += 1
    if (this.#differences.length < DIFFERENCES_MAX) {
      this.#differences.push({ key: Buffer.from(key), replayed, found })
    }
  }

  of(shard: string, what: Comparison['what'], index: number): Comparison {
    const differences = this.#differences
    return { shard, what, index, same: this.#different === 0, keys: this.#keys, differences }
  }
}
