/**
 * What a shard held at an index of its log, and how it came to that. Nothing is kept for it but the log: each entry names
 * the one before it of the same key, and a walk along these links from the newest entry finds any older one. Where
 * many keys are wanted at once, or one was written very often, a *past view* is built from the last checkpoint before.
 * Indexes are cuts that `indexAtMoment` found: never inside an atomic batch.
 */
import { type Entry, indexOf, Operation } from '../log/entry.js'
import { outOfRetention } from '../log/log-base.js'
import type { CheckpointContext } from './checkpoint.js'
import type { ShardProjection } from './shard-projection.js'

/** Keys in byte order, from `start` on, before `end`. */
export interface KeyRange {
  /** Empty: from the very first. */
  readonly start: Buffer
  /** Undefined: no bound. */
  readonly end?: Buffer | undefined
}

export interface PastScanOptions extends KeyRange {
  readonly index: number
  readonly reverse?: boolean
  /** At most so many entries. */
  readonly limit: number
  /** Ends the page when its keys and values hold so many bytes; the first entry may exceed it. */
  readonly sizeBytesMax: number
}

export interface PastPage {
  /** The SET that each live key had its value from, in the order asked for. Views: copy what is to be kept. */
  readonly entries: readonly Entry[]
  /** Where to go on: the `start` of the next page (in reverse its `end`); undefined when this was the last. */
  readonly next: Buffer | undefined
}

export interface DiffOptions extends KeyRange {
  readonly fromIndex: number
  readonly toIndex: number
}

/** A key that held something else at the two indexes: the values differ, or one is not there. */
export interface Difference {
  readonly key: Buffer
  /** The SET that it had its value from; undefined where it had none. */
  readonly before: Entry | undefined
  /** The entry that made it what it is, a DELETE where it has no value; undefined only where its DELETE was dropped. */
  readonly after: Entry | undefined
}

/** The past of one projection's shard. Indexes are at most `appliedIndex`. */
export class TimeTravel {
  readonly #projection: ShardProjection

  constructor(projection: ShardProjection, _context: CheckpointContext) {
    this.#projection = projection
  }

  /**
   * The key's newest entry at or below `index`, a DELETE too; undefined where it had none.
   * @throws LogError LOG_OUT_OF_RETENTION (index: the base's) below the base, LOG_DAMAGED, LOG_IO
   */
  async get(key: Buffer, index: number): Promise<Entry | undefined> {
    this.#refuseDropped(index)
    for (const entry of this.history(key, index)) return entry
    return undefined
  }

  /**
   * The key's entries at or below `index`, newest first, one read each; ends at the first that retention dropped. Throws
   * LogError LOG_DAMAGED, LOG_IO.
   */
  *history(key: Buffer, index: number): Generator<Entry, void, void> {
    const projection = this.#projection
    let position = projection.locate(key, 0, key.length, 'newest')
    while (position !== 0) {
      const entry = projection.entry(position)
      if (entry === undefined) return
      if (indexOf(position) <= index) yield entry
      position = entry.previous
    }
  }

  /** One page of the live keys at an index, in byte order. Rejects as `get`. */
  async scan(_options: PastScanOptions): Promise<PastPage> {
    throw new Error('TODO')
  }

  /** The keys that held something else at the two indexes, in byte order, in batches. Throws as `get`. */
  async *diff(_options: DiffOptions): AsyncGenerator<readonly Difference[], void, void> {
    throw new Error('TODO')
  }

  #refuseDropped(index: number): void {
    const { log } = this.#projection
    if (index < log.baseIndex) throw outOfRetention(log.shard, index, log.baseIndex)
  }
}
