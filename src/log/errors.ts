import type { Horizon } from './horizon.js'

/** Stable codes of what can go wrong with a log. Messages may change, codes do not. */
export type LogErrorCode =
  /** Bytes on disk are not what was written: a failed CRC, a broken hash chain, a missing record. Never served. */
  | 'LOG_DAMAGED'
  /** Written by a newer version of this software. */
  | 'LOG_NEWER_FORMAT'
  /** Another process holds the database. */
  | 'LOG_LOCKED'
  /** Belongs to another cluster, shard or log, or is no data folder of this software at all. */
  | 'LOG_FOREIGN'
  /** A write failed before; nothing is accepted until the process restarts and verifies its log. */
  | 'LOG_POISONED'
  /** The operating system refused to read, write or sync. */
  | 'LOG_IO'
  /** A write that does not continue the log: wrong index, previous hash, epoch or stamp. The log is unchanged. */
  | 'LOG_GAP'
  /** At or below the base that the log is kept from: dropped by retention. `index` is the base's. */
  | 'LOG_OUT_OF_RETENTION'

export interface LogErrorDetails {
  readonly shard?: number | undefined
  readonly index?: number | undefined
  readonly cause?: unknown
  readonly horizon?: Horizon | undefined
}

/** Every failure of `src/log`. The message is one line: what was given, what was expected, what to do. */
export class LogError extends Error {
  readonly code: LogErrorCode
  /** Ordinal of the shard concerned, where there is one. */
  readonly shard: number | undefined
  /** Index concerned: of a damaged record, the index of its first entry. */
  readonly index: number | undefined
  /** Of LOG_OUT_OF_RETENTION: what can still be read. */
  readonly horizon: Horizon | undefined

  constructor(code: LogErrorCode, message: string, details: LogErrorDetails = {}) {
    super(message.replace(/\s+/g, ' '), details.cause === undefined ? undefined : { cause: details.cause })
    this.name = 'LogError'
    this.code = code
    this.shard = details.shard
    this.index = details.index
    this.horizon = details.horizon
  }
}

/** One line that says why, of anything that was thrown. */
export function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  const cause = error.cause === undefined ? '' : `: ${reasonOf(error.cause)}`
  return `${error.message}${cause}`.replace(/\s+/g, ' ')
}
