import { type Position, recordOf, slotOf } from '../log/entry.js'
import { LogError } from '../log/errors.js'
import type { Log } from '../log/log.js'
import type { LogRecord } from '../log/record-codec.js'
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

/** Reads entries of one log by position. */
export class EntryReader implements EntryView {
  readonly #log: Log
  readonly #cache: ValueCache | undefined
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

  /**
   * The record that holds the entry, which is at `slotOf(position)` in it.
   * @throws RangeError for position 0
   * @throws LogError LOG_DAMAGED when there is none or it is not what was written, LOG_IO
   */
  record(position: Position): LogRecord {
    if (!(position > 0)) throw new RangeError(`position ${position}: no entry is there`)
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
    const record = this.record(position)
    cache?.put(position, record, slotOf(position))
    return this.#view(record, slotOf(position))
  }

  /** As `read`, without a place in the cache: for scans, which would push everything else out. */
  readOnce(position: Position): EntryView {
    return this.#view(this.record(position), slotOf(position))
  }

  /** To be called when entries were cut off the log: others take their positions. */
  forget(): void {
    this.#cache?.clear()
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
