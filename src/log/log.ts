/**
 * One shard's log at one replica, and the store that keeps a process's logs. A log is a sequence of records, linked by
 * hash, that only ever grows at its end or is cut there; what is cut off stays on disk as orphans. Appending is
 * synchronous and cheap; durability comes later, in group commits that all logs of a store share.
 */
import type { BlobStore } from './blob-store.js'
import type { Stamp } from './entry.js'
import type { LogError } from './errors.js'
import type { LogRecord } from './record-codec.js'

/** One epoch's part of a log. */
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
  /** Stamp of the last entry; zeros when empty. */
  readonly lastStamp: Stamp
  /** Everything up to here is on disk and synced. Never above `lastIndex`; falls only in a cut. */
  readonly durableIndex: number
  /** Known to be committed: the greatest commitIndex in the log's record headers, never above `lastIndex`. */
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
   * Ends the log at `index`, which must be 0 or a record's end at or below `lastIndex`. What was above stays on disk
   * as orphans, and `read` no longer finds it. Cutting at `lastIndex` does nothing.
   * @throws LogError LOG_GAP when no record ends there, LOG_DAMAGED, LOG_POISONED
   */
  cut(index: number): void

  /**
   * The record whose first entry has this index, or undefined where none begins. Checked (CRC) when it comes from disk.
   * @throws LogError LOG_DAMAGED (shard, index), LOG_IO
   */
  read(firstIndex: number): LogRecord | undefined

  /** The record that holds this index, or undefined outside the log. Throws as `read`. */
  recordAt(index: number): LogRecord | undefined

  /** Hash of the record that ends at `index`; of nothing (zeros) for 0; undefined where none ends. Throws as `read`. */
  hashAt(index: number): Buffer | undefined

  /**
   * The records from the one that holds `fromIndex` to the one that holds `toIndex` (default: the end, as it is when
   * the reader gets there), in order, each checked to continue the one before. Ends early at a cut below it.
   * @throws LogError LOG_DAMAGED (shard, index), LOG_IO
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
