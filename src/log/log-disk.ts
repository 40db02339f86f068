import type { LogError } from './errors.js'
import type { BaseName } from './log-base.js'
import type { LogState } from './log-state.js'
import type { LogRecord } from './record-codec.js'
import type { StoredLog } from './stored-log.js'

/** One thing that a log wants on disk. Writes become durable in the order in which they were handed over. */
export interface LogWrite {
  readonly log: StoredLog
  /** A record that was appended. */
  readonly record: LogRecord | undefined
  /** False when the disk holds these very bytes already, as orphans. */
  readonly put: boolean
  /** The log's state after this write, where it changed. */
  readonly state: LogState | undefined
}

/** Records of one epoch that are not needed any more: those that begin from `firstIndex` to `lastIndex`. */
export interface ClearRange {
  readonly epoch: number
  readonly firstIndex: number
  readonly lastIndex: number
}

/** What one log needs of the store that keeps it. */
export interface LogDisk {
  readonly poisoned: LogError | undefined
  /** Takes a write for the next batch. Its record can be read from then on. */
  write(write: LogWrite): void
  /** Starts a batch now with what was written, unless one is in flight. */
  startSync(): void
  /** A record of this log that is at hand without looking at the disk. */
  cached(firstIndex: number): LogRecord | undefined
  /** A record of this log. @throws LogError LOG_DAMAGED, LOG_IO */
  read(epoch: number, firstIndex: number): LogRecord | undefined
  /** Several records of this log, for reading in sequence. @throws LogError LOG_DAMAGED, LOG_IO */
  readMany(epochs: number[], firstIndexes: number[]): Promise<(LogRecord | undefined)[]>
  /** What lies under this key, in the log or cut from it, durable or not. @throws LogError LOG_DAMAGED, LOG_IO */
  stored(epoch: number, firstIndex: number): LogRecord | undefined
  /** A record was cut off. */
  forget(firstIndex: number): void
  /** Whether the blob of this base of the log is durable. */
  holdsBase(base: BaseName): boolean
  /** Removes the records of these parts once all that was written before is durable, little by little. */
  clear(ranges: readonly ClearRange[]): void
  /** Resolves when nothing is left to be removed, or never will be: the store is closed or failed. */
  cleared(): Promise<void>
  /** Records of the shard for which `isInLog` is false, when all that was written before is durable. */
  orphans(isInLog: (epoch: number, firstIndex: number) => boolean): AsyncIterable<LogRecord>
}
