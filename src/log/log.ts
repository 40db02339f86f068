/**
 * One shard's log at one replica, and the store that keeps a process's logs. A log is a sequence of records, linked by
 * hash, that only ever grows at its end or is cut there; what is cut off stays on disk as orphans. Appending is
 * synchronous and cheap; durability comes later, in group commits that all logs of a store share.
 */
import type { BlobStore } from './blob-store.js'
import type { Stamp } from './entry.js'
import type { LogError } from './errors.js'
import type { LogBase } from './log-base.js'
import type { LogRecord } from './record-codec.js'

/** One epoch's part of a log, also where its records are dropped already. */
export interface EpochSpan {
  readonly epoch: number
  readonly startIndex: number
  /** Last index of the epoch in this log; of the newest, the log's own `lastIndex`. */
  readonly lastIndex: number
  /** Hash of the record that ends at `lastIndex`. */
  readonly hash: Buffer
}

export interface Log {
  /** The shard's ordinal. */
  readonly shard: number
  /** 32 hexadecimal digits, born with the shard; '' until set, or until the first record brings it. */
  readonly logId: string
  /** Index of the last entry received; 0 when empty. */
  readonly lastIndex: number
  /** Hash of the last record; 32 zero bytes when empty. Do not write to it. */
  readonly lastHash: Buffer
  /** The log is kept above this index; 0: from its beginning. A record ended there, and it is committed. */
  readonly baseIndex: number
  /** Hash of the record that ended at `baseIndex`; zeros for 0. */
  readonly baseHash: Buffer
  /** All that is known of what was dropped; undefined while the log is kept from its beginning. */
  readonly base: LogBase | undefined
  /** Stamp of the last entry; zeros when empty. */
  readonly lastStamp: Stamp
  /** Everything up to here is on disk and synced. Never above `lastIndex`; falls only in a cut. */
  readonly durableIndex: number
  /** Known to be committed, from the log's record headers and the mark of an orderly end; never above `lastIndex`. */
  readonly commitIndexHint: number
  /** The epochs in the log, ascending; made anew at each call. */
  readonly epochs: readonly EpochSpan[]
  /** Highest epoch adopted (I2), durable or not; 0 at first. */
  readonly adoptedEpoch: number
  /** Highest epoch adopted that is on disk and synced. */
  readonly durableEpoch: number
  /** Writes (appends, adoptions, cuts, log ids) that are not durable yet. 0: all is. */
  readonly pendingWrites: number

  /**
   * Adds a record at the end. It can be read at once and is durable when `onDurable` says so. The record's bytes are
   * kept as they are: nobody may write to them. An empty log without an id takes the record's.
   * @throws LogError LOG_GAP when index, previous hash, epoch or stamp do not continue the log, LOG_FOREIGN when
   *   it is of another shard or log, LOG_DAMAGED when the disk holds a different record under the same key,
   *   LOG_POISONED. The log is unchanged then.
   */
  append(record: LogRecord): void

  /**
   * Starts to make durable what was written, unless a batch is in flight. It starts by itself at the end of this turn's
   * own code; whoever has more to do in this turn calls this, so that the disk works meanwhile.
   */
  startSync(): void

  /**
   * Persists that this replica refuses everything below `epoch` from now on. The current one again: nothing happens.
   * @throws LogError LOG_GAP when it is lower than the current one, LOG_POISONED
   */
  adoptEpoch(epoch: number): void

  /**
   * Sets the log's identity, persisted as everything else. The same again: nothing happens.
   * @throws LogError LOG_FOREIGN when there is another one and any record, in the log or cut from it; LOG_POISONED
   */
  setLogId(id: string): void

  /**
   * Ends the log at `index`, which must be `baseIndex` or a record's end above it, at or below `lastIndex`. What was
   * above stays on disk as orphans, and `read` no longer finds it. Cutting at `lastIndex` does nothing.
   * @throws LogError LOG_GAP when no record ends there, LOG_DAMAGED, LOG_POISONED
   */
  cut(index: number): void

  /**
   * Keeps the log from `base` on, whose blob is durable under `baseBlobName`, and whose index is committed. Records at
   * or below it are not read any more; once this is durable they are removed from the disk, little by little
   * (`cleared`). Orphans stay. The present base again: nothing happens.
   * @throws LogError LOG_GAP when it is not a base of this log, not durable here, below the present one, or its blob
   *   is not there; LOG_POISONED. The log is unchanged then.
   */
  trim(base: LogBase): void

  /**
   * Replaces the whole log by `base`, which came from another replica (Following); its blob is durable. What the log
   * holds above `committedIndex` becomes orphans, the rest goes as in `trim`. The log then ends at the base.
   * An empty log without an id takes the base's.
   * @throws LogError LOG_GAP when the base is not above the present one, below `committedIndex`, or its blob is not
   *   there; LOG_FOREIGN when it is of another log; LOG_POISONED. The log is unchanged then.
   */
  installBase(base: LogBase, committedIndex: number): void

  /** Resolves when no record at or below `baseIndex` is left on disk, or the store is closed or failed. */
  cleared(): Promise<void>

  /**
   * The record whose first entry has this index, or undefined where none begins. Checked (CRC) when it comes from disk.
   * @throws LogError LOG_DAMAGED (shard, index), LOG_IO
   */
  read(firstIndex: number): LogRecord | undefined

  /**
   * As `read`, of many at once, which are not kept at hand. Where a new base overtakes it this may be LOG_DAMAGED: what
   * begins at or below `baseIndex` by then is to be asked for anew.
   */
  readMany(firstIndexes: readonly number[]): Promise<(LogRecord | undefined)[]>

  /** The record that holds this index, or undefined outside the log, as at and below `baseIndex`. Throws as `read`. */
  recordAt(index: number): LogRecord | undefined

  /** First indexes of the records that begin from `fromIndex` to `toIndex`, ascending: a copy. */
  firstIndexes(fromIndex: number, toIndex: number): Float64Array

  /**
   * Hash of the record that ends at `index`: known for `baseIndex` and above; undefined below, and where none ends.
   * Of nothing (zeros) for index 0 of a log that is kept from its beginning. Throws as `read`.
   */
  hashAt(index: number): Buffer | undefined

  /** Hash of the record that begins the epoch, dropped or not; undefined where the log has no such epoch. Throws as `read`. */
  epochStartHash(epoch: number): Buffer | undefined

  /**
   * The records from the one that holds `fromIndex` (0: the first that is kept) to the one that holds `toIndex`
   * (default: the end, as it is when the reader gets there), in order, each checked to continue the one before. Ends
   * early at a cut below it.
   * @throws LogError LOG_DAMAGED (shard, index), LOG_IO; LOG_OUT_OF_RETENTION (index: the base's) when `fromIndex` is
   *   not above the base, or a new base overtakes the reader
   */
  records(fromIndex: number, toIndex?: number): AsyncIterable<LogRecord>

  /** Records on disk that were cut off, by epoch and index. Waits until all that was written before is durable. */
  orphans(): AsyncIterable<LogRecord>

  /**
   * Calls `listener` after every synced batch that held something of this log, when all that was in it is durable
   * and `durableIndex`, `durableEpoch` and `pendingWrites` say so, for every log of the store.
   */
  onDurable(listener: (log: Log) => void): void
}

/** A process's logs: one database, one synced batch in flight; what arrives meanwhile is the next one. */
export interface LogStore {
  /** Large write-once values beside the logs: checkpoints. */
  readonly blobs: BlobStore
  /** Why nothing is accepted any more; undefined while all is well. */
  readonly poisoned: LogError | undefined
  /** Age of the oldest write that is not durable, monotonic ms; 0 when there is none. */
  readonly oldestUnsyncedMs: number

  /** The shard's log: the same object each time. One that the store has never seen is empty. */
  log(shard: number): Log
  /** Ordinals of the shards whose logs hold anything, ascending. */
  shards(): number[]
  /** Called once, when a write or sync fails: the process must end and come back by verifying its log. */
  onPoison(listener: (error: LogError) => void): void
  /** Resolves when all that was written before is durable. @throws LogError LOG_POISONED */
  flush(): Promise<void>
  /** Makes all durable, as far as possible, and lets go of the database. Further writes are LOG_POISONED. */
  close(): Promise<void>

  /** A small fact about the process; undefined where it was never set. Do not write to it. */
  getMeta(name: string): Buffer | undefined
  /** Sets a small fact (copied). Visible at once, durable with the next batch. @throws LogError LOG_POISONED */
  setMeta(name: string, value: Buffer): void
}
