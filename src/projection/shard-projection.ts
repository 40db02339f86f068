/**
 * What one shard's log means: the state that its entries add up to, in memory, built by applying records in order.
 * Followers apply a record when they append it; a head stages entry by entry while it builds one. Either way entries
 * are tentative until `commit`, and `truncate` undoes those that were cut off (Normal work, rule 4).
 */

import { type Entry, Operation, type Position, positionOf } from '../log/entry.js'
import type { Log } from '../log/log.js'
import type { LogRecord } from '../log/record-codec.js'
import type { BaseEntries } from './base-entries.js'
import type { CommittedRequests } from './committed-requests.js'
import { type Digest, digestOf } from './digest.js'
import { EntryReader, type EntryView } from './entry-reader.js'
import { ProjectionError } from './errors.js'
import { Horizons } from './horizons.js'
import { type CommittedKeys, KeyIndex } from './key-index.js'
import { nextTurn } from './next-turn.js'
import { type KeyBlocks, OrderedKeys } from './ordered-keys.js'
import { RequestTable, type RequestTableLimits } from './request-table.js'
import { type ScanOptions, type ScanPage, type StateView, scanKeys } from './scan.js'
import { type WatchBatch, Watches, type WatchOptions } from './watch.js'

export interface ShardProjectionOptions {
  readonly log: Log
  /** Values read lately are kept in so many bytes; 0 for none. Default 64 MiB, made at the first read, touched as it fills. */
  readonly valueCacheSizeBytes?: number
  /** The same on all replicas of a cluster. */
  readonly requestLimits?: Partial<RequestTableLimits>
  /** Awaited between the slices of long work, so that others get their turn. Default: the next event-loop turn. */
  readonly pause?: () => Promise<void>
}

/** The committed state at one index, unharmed by what happens later: what a checkpoint holds. */
export interface CommittedState {
  readonly index: number
  readonly keys: CommittedKeys
  readonly requests: CommittedRequests
}

/** A committed state that was read back, with the base that its log is kept from, if it has one. */
export interface ProjectionStart {
  readonly index: number
  readonly keys: KeyIndex
  readonly requests: RequestTable
}

const VALUE_CACHE_SIZE_BYTES = 67_108_864

export class ShardProjection {
  readonly log: Log
  readonly pause: () => Promise<void>
  readonly requestLimits: Partial<RequestTableLimits>
  /** What can still be read of each key. */
  readonly horizons: Horizons
  #keys: KeyIndex
  #requests: RequestTable
  #ordered: OrderedKeys
  readonly #reader: EntryReader
  readonly #watches: Watches
  readonly #read = (position: Position): EntryView => this.#reader.readOnce(position)
  #appliedIndex: number
  #committedIndex: number
  #lastWasDelete = false

  /**
   * Empty, or with the committed state that `restore` brings; `restore`'s parts then belong to the projection. `base` is
   * what the log is kept from, and must be given where it is.
   */
  constructor(options: ShardProjectionOptions, restore?: ProjectionStart, base?: BaseEntries) {
    this.log = options.log
    this.requestLimits = options.requestLimits ?? {}
    this.pause = options.pause ?? nextTurn
    this.#keys = restore?.keys ?? new KeyIndex()
    this.#requests = restore?.requests ?? new RequestTable(options.requestLimits)
    this.#appliedIndex = restore?.index ?? 0
    this.#committedIndex = restore?.index ?? 0
    this.#ordered = new OrderedKeys(this.#keys.keys)
    this.#reader = new EntryReader(options.log, options.valueCacheSizeBytes ?? VALUE_CACHE_SIZE_BYTES)
    this.#reader.useBase(base)
    this.horizons = new Horizons(options.log)
    this.horizons.useBase(base?.kept ?? [])
    this.#watches = new Watches(this)
  }

  /** All keys that were ever seen; another object after `install`. Nobody else may write to it. */
  get keys(): KeyIndex {
    return this.#keys
  }

  /** What stands for the entries that the log does not hold any more; undefined where it holds all. */
  get base(): BaseEntries | undefined {
    return this.#reader.base
  }

  /** Entries up to here are in the newest state. */
  get appliedIndex(): number {
    return this.#appliedIndex
  }

  /** Entries up to here are in the committed state. */
  get committedIndex(): number {
    return this.#committedIndex
  }

  /** Keys with a committed entry, deleted ones too. */
  get keyCount(): number {
    return this.#keys.keyCount
  }

  /** Keys whose newest committed entry is a SET. */
  get liveKeyCount(): number {
    return this.#keys.liveKeyCount
  }

  /** Applied entries that are not committed and concern a key. */
  get tentativeCount(): number {
    return this.#keys.tentativeCount
  }

  /** Keys that the next scan has to bring in order first; from some 100,000 on, await `orderKeys` before it. */
  get unorderedCount(): number {
    return this.#ordered.unorderedCount
  }

  /** Watches that have begun and not ended. */
  get watchCount(): number {
    return this.#watches.count
  }

  /** Whether the entry that the last `locate` found is a DELETE. */
  get lastWasDelete(): boolean {
    return this.#lastWasDelete
  }

  /**
   * Applies the next record: a follower after appending it, or replay. All its entries are tentative until committed.
   * @throws ProjectionError PROJECTION_DIVERGED when it is not the next, or its previous-links are not what the
   *   projection knows: then this replica's state is not what its head's was.
   */
  apply(record: LogRecord): void {
    const { firstIndex, count, bytes } = record
    if (firstIndex !== this.#appliedIndex + 1) {
      throw this.#diverged(`record of index ${firstIndex}, expected index ${this.#appliedIndex + 1}`)
    }
    const keys = this.#keys
    let client = -1
    let clientId: Buffer | undefined
    for (let slot = 0; slot < count; slot++) {
      const operation = record.operation(slot)
      if (operation === Operation.SET || operation === Operation.DELETE) {
        const id = keys.findOrAdd(bytes, record.keyStart(slot), record.keyLength(slot))
        const position = positionOf(firstIndex + slot, slot)
        const previous = keys.write(id, position, operation === Operation.DELETE)
        if (previous !== record.previous(slot)) {
          const given = `entry ${firstIndex + slot} names position ${record.previous(slot)} as its key's previous`
          throw this.#diverged(`${given}, here it is ${previous}`)
        }
      }
      const sequence = record.sequence(slot)
      if (sequence === 0) continue
      if (clientId === undefined || record.client(slot) !== client) {
        client = record.client(slot)
        clientId = record.clientId(client)
      }
      this.#requests.record(clientId, sequence, firstIndex + slot)
    }
    this.#appliedIndex = record.lastIndex
    this.#watches.wake()
  }

  /**
   * The head, for each entry in the order of the record that it is building, before the record is appended: notes a
   * SET or DELETE of a key and returns the previous-link to store, which may point into the same record. Other
   * operations change nothing and return 0. Staged entries are seen by `locate` in the newest view at once; reading
   * their values must wait for `stagedTo`. `truncate` to an index below takes them back.
   */
  stage(operation: Operation, key: Buffer, start: number, length: number, position: Position): Position {
    if (operation !== Operation.SET && operation !== Operation.DELETE) return 0
    const id = this.#keys.findOrAdd(key, start, length)
    return this.#keys.write(id, position, operation === Operation.DELETE)
  }

  /** The head, beside `stage`, for every entry that a client asked for, refused ones (NOOP) too. */
  recordRequest(clientId: Buffer, sequence: number, index: number): void {
    this.#requests.record(clientId, sequence, index)
  }

  /** Index of the entry that is this request's result; 0: a new request; -1: that can no longer be told. */
  lookupRequest(clientId: Buffer, sequence: number): number {
    return this.#requests.lookup(clientId, sequence)
  }

  /** The head: the record whose entries were staged, up to index `lastIndex`, is appended to the log. */
  stagedTo(lastIndex: number): void {
    this.#appliedIndex = lastIndex
    this.#watches.wake()
  }

  /**
   * Entries up to `index` are committed. Lower than before: nothing happens.
   * @throws ProjectionError PROJECTION_ORDER when they are not applied yet
   */
  commit(index: number): void {
    if (index <= this.#committedIndex) return
    if (index > this.#appliedIndex) {
      throw this.#outOfOrder(`cannot commit index ${index}: applied up to ${this.#appliedIndex}`)
    }
    this.#keys.commit(index)
    this.#requests.commit(index)
    this.#committedIndex = index
    this.#watches.wake()
  }

  /**
   * Undoes all entries above `index`, newest first, staged ones too: the log was cut there.
   * @throws ProjectionError PROJECTION_ORDER when some of them are committed
   */
  truncate(index: number): void {
    if (index < this.#committedIndex) {
      throw this.#outOfOrder(`cannot undo to index ${index}: committed up to ${this.#committedIndex}`)
    }
    this.#keys.truncate(index)
    this.#requests.truncate(index)
    this.#reader.forget()
    this.#appliedIndex = Math.min(this.#appliedIndex, index)
    this.#watches.undo(index)
  }

  /**
   * The log is kept from this base from now on: call it in the same turn as `Log.trim`. Nothing that can be asked
   * changes, but that entries below are gone which nobody refers to.
   */
  useBase(base: BaseEntries): void {
    this.#reader.useBase(base)
    this.horizons.useBase(base.kept)
    this.#watches.wake()
  }

  /**
   * Throws everything away and begins anew at a base that came from elsewhere: call it in the same turn as
   * `Log.installBase`. Watches that are not above the base end with OUT_OF_RETENTION.
   */
  install(restored: ProjectionStart, base: BaseEntries): void {
    this.#keys = restored.keys
    this.#requests = restored.requests
    this.#ordered = new OrderedKeys(this.#keys.keys)
    this.#appliedIndex = restored.index
    this.#committedIndex = restored.index
    this.#reader.forget()
    this.#reader.useBase(base)
    this.horizons.useBase(base.kept)
    this.#watches.wake()
  }

  /**
   * Position of the key's newest entry in this view, 0 if it has none. It may be a DELETE: see `lastWasDelete`.
   * Allocates nothing.
   */
  locate(key: Buffer, start: number, length: number, view: StateView): Position {
    const id = this.#keys.find(key, start, length)
    if (id === -1) {
      this.#lastWasDelete = false
      return 0
    }
    if (view === 'committed') {
      this.#lastWasDelete = this.#keys.committedIsDelete(id)
      return this.#keys.committed(id)
    }
    this.#lastWasDelete = this.#keys.newestIsDelete(id)
    return this.#keys.newest(id)
  }

  /**
   * Value and stamp of the entry at a position that `locate` gave, in one object that holds until the next read.
   * @throws LogError LOG_DAMAGED, LOG_IO
   */
  read(position: Position): EntryView {
    return this.#reader.read(position)
  }

  /**
   * The entry at a position, as `locate` or a previous-link gives it. Undefined where retention dropped it; key and value
   * are empty where it stays only as the result of a request. Throws as `read`.
   */
  entry(position: Position): Entry | undefined {
    return this.#reader.entry(position)
  }

  /** As `entry`, by index: what `lookupRequest` gives is always there. Undefined outside the log too. */
  entryAt(index: number): Entry | undefined {
    return this.#reader.entryAt(index)
  }

  /** The whole record that holds the entry; its slot there is `slotOf(position)`. Throws as `read`. */
  recordOf(position: Position): LogRecord {
    return this.#reader.record(position)
  }

  /** One page of live keys in byte order, with their values. Throws as `read`. */
  scan(options: ScanOptions): ScanPage {
    return scanKeys(this.#keys, this.#ordered.blocks(), this.#read, options)
  }

  /** The ids of `keys` in byte order, as of now: a list that never changes. Await `orderKeys` before, as for `scan`. */
  orderedKeys(): KeyBlocks {
    return this.#ordered.blocks()
  }

  /** Brings the keys in order for `scan` in slices of a few ms. 1,000,000 new keys take some 0.4 s in all. */
  async orderKeys(): Promise<void> {
    await this.#ordered.order(this.pause)
  }

  /** Entries from index `from` on; see `Watches.watch`. */
  watch(from: number, options: WatchOptions = {}): AsyncGenerator<WatchBatch, void, void> {
    return this.#watches.watch(from, options)
  }

  /** Digest of the committed state as it is when this is called, computed in slices. */
  async digest(): Promise<Digest> {
    const { index, keys } = this.capture()
    // Of the same moment: `install` puts another list in its place.
    const ordered = this.#ordered
    await ordered.order(this.pause)
    return await digestOf(keys, ordered.blocks(), index, this.pause)
  }

  /** The committed state as it is now, to be read at leisure. Quick: parts are copied when they next change. */
  capture(): CommittedState {
    return {
      index: this.#committedIndex,
      keys: this.#keys.captureCommitted(),
      requests: this.#requests.capture(),
    }
  }

  #diverged(what: string): ProjectionError {
    return new ProjectionError(
      'PROJECTION_DIVERGED',
      `shard ${this.log.shard}: ${what}; restart to rebuild it from the log`,
    )
  }

  #outOfOrder(what: string): ProjectionError {
    return new ProjectionError('PROJECTION_ORDER', `shard ${this.log.shard}: ${what}`)
  }
}
