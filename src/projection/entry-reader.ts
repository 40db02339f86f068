import { type Entry, indexOf, type Position, positionOf, recordOf, slotOf } from '../log/entry.js'
import { LogError } from '../log/errors.js'
import type { Log } from '../log/log.js'
import { outOfRetention } from '../log/log-base.js'
import type { LogRecord } from '../log/record-codec.js'
import type { BaseEntries } from './base-entries.js'
import { ValueCache } from './value-cache.js'

/** What a read needs of an entry. The same object is handed out again and again: it holds until the next read. */
export interface EntryView {
  /** Where the value lies; nobody may write to it. */
  readonly bytes: Buffer
  readonly valueStart: number
  readonly valueLength: number
  readonly epoch: number
  readonly lamport: number
  readonly wallMs: number
}

/** Reads entries of one log, and of the base that it is kept from, by position. */
export class EntryReader implements EntryView {
  readonly #log: Log
  readonly #cache: ValueCache | undefined
  #base: BaseEntries | undefined
  /** Positions below it are the base's. */
  #baseEnd: Position = 0
  bytes: Buffer = Buffer.alloc(0)
  valueStart = 0
  valueLength = 0
  epoch = 0
  lamport = 0
  wallMs = 0

  /** `cacheSizeBytes` 0: no cache beyond the log's own. */
  constructor(log: Log, cacheSizeBytes: number) {
    this.#log = log
    this.#cache = cacheSizeBytes === 0 ? undefined : new ValueCache(cacheSizeBytes)
  }

  get base(): BaseEntries | undefined {
    return this.#base
  }

  /** From now on entries up to the base's index are read from there. */
  useBase(base: BaseEntries | undefined): void {
    this.#base = base
    this.#baseEnd = base === undefined ? 0 : positionOf(base.base.index + 1, 0)
  }

  /**
   * The entry at a position, as an object whose key and value are views. Undefined where it was dropped below the base;
   * where only the request table still needs it, key and value are empty.
   * @throws LogError LOG_DAMAGED, LOG_IO
   */
  entry(position: Position): Entry | undefined {
    if (position < this.#baseEnd) return this.#base!.entry(indexOf(position))
    return this.record(position).entry(slotOf(position))
  }

  /** As `entry`, by index; undefined outside the log too. */
  entryAt(index: number): Entry | undefined {
    const { baseIndex } = this.#log
    if (index <= baseIndex) return this.#base?.entry(index)
    const record = this.#log.recordAt(index)
    return record?.entry(index - record.firstIndex)
  }

  /**
   * The record that holds the entry, which is at `slotOf(position)` in it.
   * @throws RangeError for position 0
   * @throws LogError LOG_DAMAGED when there is none or it is not what was written, LOG_OUT_OF_RETENTION where a base
   *   stands for it, LOG_IO
   */
  record(position: Position): LogRecord {
    if (!(position > 0)) throw new RangeError(`position ${position}: no entry is there`)
    if (position < this.#baseEnd) throw outOfRetention(this.#log)
    const record = this.#log.read(recordOf(position))
    if (record !== undefined && slotOf(position) < record.count) return record
    const shard = this.#log.shard
    const index = recordOf(position)
    const text = `shard ${shard}, index ${index}: the key index refers to a record that the log does not hold`
    throw new LogError('LOG_DAMAGED', text, { shard, index })
  }

  /** The entry's value and stamp. Entries read here before are found without the log. Throws as `record`. */
  read(position: Position): EntryView {
    const cache = this.#cache
    if (cache?.find(position)) {
      this.bytes = cache.ring
      this.valueStart = cache.valueStart
      this.valueLength = cache.valueLength
      this.epoch = cache.epoch
      this.lamport = cache.lamport
      this.wallMs = cache.wallMs
      return this
    }
    if (position > 0 && position < this.#baseEnd) {
      this.#viewBase(position)
      const { bytes, valueStart, valueLength, epoch, lamport, wallMs } = this
      cache?.putValue(position, bytes, valueStart, valueLength, epoch, lamport, wallMs)
      return this
    }
    const record = this.record(position)
    cache?.put(position, record, slotOf(position))
    return this.#view(record, slotOf(position))
  }

  /** As `read`, without a place in the cache: for scans, which would push everything else out. */
  readOnce(position: Position): EntryView {
    if (position > 0 && position < this.#baseEnd) return this.#viewBase(position)
    return this.#view(this.record(position), slotOf(position))
  }

  /** To be called when entries were cut off the log: others take their positions. */
  forget(): void {
    this.#cache?.clear()
  }

  #viewBase(position: Position): EntryView {
    const index = indexOf(position)
    const base = this.#base!
    const row = base.find(index)
    if (row === undefined || row.position !== position || row.isStub) {
      const text = `shard ${base.shard}, index ${index}: the key index refers to an entry that the base does not hold`
      throw new LogError('LOG_DAMAGED', text, { shard: base.shard, index })
    }
    this.bytes = row.payload
    this.valueStart = row.valueStart
    this.valueLength = row.valueLength
    this.epoch = base.epochOf(index)
    this.lamport = row.lamport
    this.wallMs = row.wallMs
    return this
  }

  #view(record: LogRecord, slot: number): EntryView {
    this.bytes = record.bytes
    this.valueStart = record.valueStart(slot)
    this.valueLength = record.valueLength(slot)
    this.epoch = record.epoch
    this.lamport = record.lamport + slot
    this.wallMs = record.wallMs
    return this
  }
}
