/** How far replicas are from their head, key by key: at a moment, and over the time of the load. */

import type { RecordedEntry, RecordedRun } from '../record/recorded-run.js'
import { heldOver } from './hold-over.js'
import { loadTime, type TimeSpan } from './load-time.js'
import { placeAt, type ReplicaTrack, replicaTracks } from './replica-track.js'
import { type ShardLog, shardLogs } from './shard-log.js'
import { countUpTo } from './sorted.js'

/** Keys by replicas of one shard; the rows are the keys, in the order of `keys`. */
export interface ShardDivergence {
  readonly shard: string
  /** The most written first. */
  readonly keys: readonly string[]
  readonly nodes: readonly string[]
  /** Versions of the key that the head held at the moment and the replica did not; null where it was never sampled. */
  readonly behind: readonly (readonly (number | null)[])[]
  /** Share (0 to 1) of the replica's samples under load that lacked the key's newest version; null without samples. */
  readonly staleShare: readonly (readonly (number | null)[])[]
}

/**
 * The divergence of each shard's most written keys, `keysMax` of them, at a moment (the load's end where none is given).
 * A replica is compared with what the head held when the replica was sampled, as else what came between the sample and
 * the moment would count against it; a silent replica is compared with the moment itself.
 */
export function divergence(run: RecordedRun, keysMax: number, momentMs?: number): ShardDivergence[] {
  const load = loadTime(run)
  const atMs = momentMs ?? load.toMs
  const tracks = replicaTracks(run)
  return [...shardLogs(run)].map(([shard, log]) => {
    const replicas = tracks.filter(track => track.shard === shard)
    const versions = [...versionsByKey(log)].sort(byWrites).slice(0, keysMax)
    return {
      shard,
      keys: versions.map(([key]) => key),
      nodes: replicas.map(({ node }) => node),
      behind: versions.map(([, entries]) => replicas.map(track => versionsBehind(entries, track, log, atMs))),
      staleShare: versions.map(([, entries]) => replicas.map(track => shareStale(entries, track, log, load))),
    }
  })
}

/** Of each key the indexes of its versions, ascending. */
function versionsByKey(log: ShardLog): Map<string, number[]> {
  const found = new Map<string, number[]>()
  for (const { type, key, index } of log.entries) {
    if (type === 'other') continue
    const indexes = found.get(key)
    if (indexes === undefined) found.set(key, [index])
    else indexes.push(index)
  }
  return found
}

function byWrites(a: [string, number[]], b: [string, number[]]): number {
  return b[1].length - a[1].length || (a[0] < b[0] ? -1 : 1)
}

function versionsBehind(
  indexes: readonly number[],
  track: ReplicaTrack,
  log: ShardLog,
  ms: number,
): number | null {
  const place = placeAt(track, ms)
  if (place < 0) return null
  const sampledMs = track.atMs[place]!
  const headIndex = log.indexAt(ms - sampledMs > track.silentAfterMs ? ms : sampledMs)
  const held = countUpTo(indexes, track.samples[place]!.lastIndex)
  return Math.max(0, countUpTo(indexes, headIndex) - held)
}

function shareStale(
  indexes: readonly number[],
  track: ReplicaTrack,
  log: ShardLog,
  { fromMs, toMs }: TimeSpan,
): number | null {
  const first = countUpTo(track.atMs, fromMs)
  const end = countUpTo(track.atMs, toMs)
  if (end <= first) return null
  let stale = 0
  for (let place = first; place < end; place++) {
    const newest = indexes[countUpTo(indexes, log.indexAt(track.atMs[place]!)) - 1] ?? 0
    if (newest > track.samples[place]!.lastIndex) stale++
  }
  return stale / (end - first)
}

/** One replica's row of a picture over time: a value for each bucket, null where the replica was silent. */
export interface StaleKeysRow {
  readonly shard: string
  readonly node: string
  /** Keys whose newest version the replica lacked, the mean over the bucket's samples. */
  readonly staleKeys: readonly (number | null)[]
}

/** For each replica how many keys it was behind with, in `count` equal parts of the time span. */
export function staleKeysOverTime(run: RecordedRun, span: TimeSpan, count: number): StaleKeysRow[] {
  const logs = shardLogs(run)
  const numbers = new Map([...logs].map(([shard, log]) => [shard, new DistinctKeys(log.entries)]))
  return replicaTracks(run).map(track => {
    const log = logs.get(track.shard)!
    const keys = numbers.get(track.shard)!
    const sums = new Array<number>(count).fill(0)
    const counts = new Array<number>(count).fill(0)
    track.atMs.forEach((ms, place) => {
      const bucket = Math.floor(((ms - span.fromMs) / (span.toMs - span.fromMs)) * count)
      if (bucket < 0 || bucket >= count) return
      sums[bucket]! += keys.within(log.placeAfter(track.samples[place]!.lastIndex), log.countAt(ms))
      counts[bucket]!++
    })
    const staleKeys = sums.map((sum, bucket) => (counts[bucket] === 0 ? null : sum / counts[bucket]!))
    const stepMs = (span.toMs - span.fromMs) / count
    return { shard: track.shard, node: track.node, staleKeys: heldOver(staleKeys, track.atMs, stepMs) }
  })
}

/** Counts the different keys in stretches of a log without making a set for each. */
class DistinctKeys {
  readonly #keyNumbers: Int32Array
  readonly #seenIn: Int32Array
  #round = 0

  constructor(entries: readonly RecordedEntry[]) {
    const numbers = new Map<string, number>()
    this.#keyNumbers = Int32Array.from(entries, ({ type, key }) => {
      if (type === 'other') return -1
      const known = numbers.get(key)
      if (known !== undefined) return known
      numbers.set(key, numbers.size)
      return numbers.size - 1
    })
    this.#seenIn = new Int32Array(numbers.size)
  }

  /** In the entries from place `from` up to, not including, `to`. */
  within(from: number, to: number): number {
    this.#round++
    let found = 0
    for (let place = from; place < to; place++) {
      const number = this.#keyNumbers[place]!
      if (number < 0 || this.#seenIn[number] === this.#round) continue
      this.#seenIn[number] = this.#round
      found++
    }
    return found
  }
}
