/**
 * The past of a stopped cluster, read from its folder. Nothing can be closed there: what the folder holds is all there
 * is, and entries that are not known to be committed are marked so.
 */

import { shardOfKey } from '../../src/client/shard-of-key.js'
import type { TimeAddress } from '../../src/client/time-address.js'
import type { Entry } from '../../src/log/entry.js'
import { horizonText } from '../../src/log/horizon.js'
import { isSystemKey } from '../../src/log/system-key.js'
import { type LogLine, lineOfEntry } from '../log-line.js'
import type { SilentNode } from '../orphan-source.js'
import type { NodeOrphan } from '../orphan-units.js'
import { named } from './horizon-error.js'
import { keyOrphansOf } from './key-orphans.js'
import { mergeByKey } from './merge-keys.js'
import { resolveOffline } from './offline-moment.js'
import { type OfflineShards, openOfflineShards } from './offline-shards.js'
import { readOfflineTags } from './offline-tags.js'
import {
  cutOf,
  type KeyOrphan,
  type KeyRange,
  type PastDifference,
  type PastHistoryOptions,
  type PastMoment,
  type PastSource,
  type PastTag,
  type PastValue,
} from './past-source.js'

/** A page of keys and values. */
const PAGE_ENTRIES = 1_000
const PAGE_SIZE_BYTES = 1_048_576

/** Opens a stopped cluster's folder or one node's; `replica` says whose copy to read. */
export async function openOfflinePast(folder: string, replica: string | undefined): Promise<PastSource> {
  return new OfflinePast(await openOfflineShards(folder, replica))
}

class OfflinePast implements PastSource {
  readonly shards: readonly string[]
  readonly missing: readonly string[]
  readonly #folder: OfflineShards

  constructor(folder: OfflineShards) {
    this.#folder = folder
    this.shards = folder.shards
    this.missing = folder.shards.filter(name => !folder.held.includes(name))
  }

  shardsOf(key: Buffer): readonly string[] {
    const { shardCount, shards } = this.#folder
    return shardCount === undefined ? shards : [shards[shardOfKey(key, shardCount)]!]
  }

  async resolve(address: TimeAddress, option: string, shards?: readonly string[]): Promise<PastMoment> {
    if (address.kind !== 'tag') return resolveOffline(this.#folder, address, option, shards)
    return resolveOffline(this.#folder, address, option, shards, await this.tags())
  }

  async get(key: Buffer, at: PastMoment): Promise<PastValue> {
    for (const [shard, { index }] of this.#cutsOf(key, at)) {
      const { past, projection } = await this.#folder.open(shard)
      const entry = await named(shard, past.get(key, index))
      if (entry === undefined) continue
      const { operation, value, ...line } = lineOfEntry(shard, entry, projection.committedIndex)
      return { ...line, value: operation === 'set' ? value : undefined }
    }
    return nothingIn(this.shardsOf(key)[0] ?? '')
  }

  scan(at: PastMoment, range: KeyRange, reverse = false): AsyncIterable<LogLine> {
    return mergeByKey(
      Object.entries(at.cuts).map(([shard, { index }]) => this.#scanShard(shard, index, range, reverse)),
      reverse,
    )
  }

  async *history(key: Buffer, at: PastMoment, options: PastHistoryOptions = {}): AsyncGenerator<LogLine> {
    for (const [shard, { index }] of this.#cutsOf(key, at)) {
      const { past, projection } = await this.#folder.open(shard)
      const { horizons, committedIndex } = projection
      await named(
        shard,
        Promise.resolve().then(() => horizons.checkKey(key, index)),
      )
      let older = 0
      // From the newest on: even where nothing is left up to the moment it shows that something was.
      for (const entry of past.history(key, projection.appliedIndex)) {
        older = entry.previous
        if (entry.index <= index) yield lineOfEntry(shard, entry, committedIndex)
      }
      if (older !== 0) options.onDropped?.(horizonText(shard, horizons.ofKey(key)))
    }
  }

  async orphans(key: Buffer): Promise<{ orphans: readonly KeyOrphan[]; silent: readonly SilentNode[] }> {
    const found: NodeOrphan[] = []
    for (const shard of this.shardsOf(key)) {
      for await (const { node, record } of this.#folder.orphans(shard)) {
        for (let slot = 0; slot < record.count; slot++) {
          if (record.key(slot).equals(key))
            found.push({ node, line: lineOfEntry(shard, record.entry(slot), 0) })
        }
      }
    }
    return { orphans: keyOrphansOf(found), silent: [] }
  }

  diff(from: PastMoment, to: PastMoment, range: KeyRange): AsyncIterable<PastDifference> {
    return mergeByKey(Object.keys(from.cuts).map(shard => this.#diffShard(shard, from, to, range)))
  }

  blame(at: PastMoment, range: KeyRange): AsyncIterable<LogLine> {
    return this.scan(at, range)
  }

  tags(): Promise<readonly PastTag[]> {
    return readOfflineTags(this.#folder)
  }

  close(): Promise<void> {
    return this.#folder.close()
  }

  #cutsOf(key: Buffer, at: PastMoment) {
    const shards = this.shardsOf(key)
    return Object.entries(at.cuts).filter(([shard]) => shards.includes(shard))
  }

  async *#scanShard(
    shard: string,
    index: number,
    { start, end }: KeyRange,
    reverse: boolean,
  ): AsyncGenerator<LogLine> {
    const { past, projection } = await this.#folder.open(shard)
    let range = { start, end: end.length === 0 ? undefined : end }
    for (;;) {
      const page = { ...range, index, reverse, limit: PAGE_ENTRIES, sizeBytesMax: PAGE_SIZE_BYTES }
      const { entries, next } = await named(shard, past.scan(page))
      for (const entry of entries) {
        if (!isSystemKey(entry.key)) yield lineOfEntry(shard, entry, projection.committedIndex)
      }
      if (next === undefined) return
      range = reverse ? { ...range, end: next } : { ...range, start: next }
    }
  }

  async *#diffShard(
    shard: string,
    from: PastMoment,
    to: PastMoment,
    { start, end }: KeyRange,
  ): AsyncGenerator<PastDifference> {
    const { past, projection } = await this.#folder.open(shard)
    const indexes = { fromIndex: cutOf(from, shard).index, toIndex: cutOf(to, shard).index }
    const range = { ...indexes, start, end: end.length === 0 ? undefined : end }
    const line = (entry: Entry | undefined) =>
      entry === undefined ? undefined : lineOfEntry(shard, entry, projection.committedIndex)
    const batches = past.diff(range)
    for (;;) {
      const batch = await named(shard, batches.next())
      if (batch.done) return
      for (const { key, before, after } of batch.value) {
        if (!isSystemKey(key)) yield { key, before: line(before), after: line(after) }
      }
    }
  }
}

/** What a key holds that was never written. */
function nothingIn(shard: string): PastValue {
  return { value: undefined, shard, epoch: 0, index: 0, lamport: 0, wallMs: 0, committed: false }
}
