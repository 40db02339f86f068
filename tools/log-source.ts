/**
 * Where the log tools read logs from, as whole records: the nodes of a running cluster (`online-log.ts`), or the folder of
 * a stopped one (`offline-log.ts`). Both check what they hand out: CRC, hash chain, contiguity.
 */

import type { EpochSpan } from '../src/log/log.js'
import type { LogBase } from '../src/log/log-base.js'
import type { LogDamage } from '../src/log/log-damage.js'
import type { LogRecord } from '../src/log/record-codec.js'
import type { GlobalOptions } from './connect.js'
import { badUsage } from './exit-codes.js'
import { type LogLine, lineOfEntry } from './log-line.js'

/** What is known of one log beside its records. */
export interface LogInfo {
  /** 32 hexadecimal digits; '' of a log without any record. */
  readonly logId: string
  /** The log is kept above this index; 0: from its beginning. */
  readonly baseIndex: number
  /** What was dropped up to there; undefined for 0. */
  readonly base: LogBase | undefined
  /** Size of what stands for it, in bytes; 0 for none. */
  readonly baseSizeBytes: number
  /** Index of its last entry, committed or not; 0 for none. */
  readonly lastIndex: number
  /** Entries up to here are known to be committed. */
  readonly commitIndex: number
  /** The epochs in the log, ascending; undefined where only the records tell (of a running node). */
  readonly epochs: readonly EpochSpan[] | undefined
}

/** Logs that can be read. */
export interface LogSource {
  /** Names of all shards, in the order of their ordinals. */
  readonly shards: readonly string[]
  /** Whether a running cluster answers, so that the logs may grow. */
  readonly isLive: boolean
  /** Ordinal of a shard, as in its records. */
  ordinal(shard: string): number
  /** Whose copy of a shard's log is read, for people. Throws a bad-usage error where there is none. */
  origin(shard: string): string
  /** As it is now. */
  logInfo(shard: string): Promise<LogInfo>
  /** Entries up to here are known to be committed; rises while a running cluster's log is read. */
  commitIndex(shard: string): Promise<number>
  /**
   * The records from the one that holds `fromIndex` (0: the first that is kept) to the one that holds `toIndex` (0:
   * the end as it is now), in order, each whole and continuing the one before. Rejects with LOG_DAMAGED where that is not so,
   * unless the source goes on behind damage; with OUT_OF_RETENTION or LOG_OUT_OF_RETENTION at and below the base.
   */
  records(shard: string, fromIndex: number, toIndex: number): AsyncIterable<LogRecord>
  /** Records that were cut off this copy, by epoch and index. */
  orphans(shard: string): AsyncIterable<LogLine>
  /** The base's bytes (docs/log-format.md); undefined of a log that is kept from its beginning. */
  baseBlob(shard: string): Promise<AsyncIterable<Buffer> | undefined>
  close(): Promise<void>
}

/** What the log commands have in common. */
export interface LogOptions extends GlobalOptions {
  readonly shard?: string
  readonly from?: string
  readonly to?: string
  readonly data?: string
  readonly replica?: string
  readonly skipDamaged?: boolean
}

/**
 * The source that the options name. With `skipDamaged`, it goes on behind damage, which `onDamage` is told in its place
 * (`shard` is its name).
 */
export async function openLogSource(
  options: LogOptions,
  onDamage: (shard: string, damage: LogDamage) => void = () => {},
): Promise<LogSource> {
  const { data, replica, shard, skipDamaged = false } = options
  if (data !== undefined) {
    const { openOfflineLog } = await import('./offline-log.js')
    return openOfflineLog(data, replica, shard, skipDamaged ? onDamage : undefined)
  }
  if (skipDamaged) {
    throw badUsage('--skip-damaged goes with --data: a running node hands out nothing that is damaged')
  }
  const { openOnlineLog } = await import('./online-log.js')
  return openOnlineLog(options, replica)
}

/** The record that holds an index; undefined outside the log, and at and below its base. */
export async function recordAt(
  source: LogSource,
  shard: string,
  index: number,
): Promise<LogRecord | undefined> {
  const { baseIndex, lastIndex } = await source.logInfo(shard)
  if (!(index > baseIndex && index <= lastIndex)) return undefined
  for await (const record of source.records(shard, index, index)) {
    return record.lastIndex >= index ? record : undefined
  }
  return undefined
}

/** The entries from one index to another (0: to the end), both inclusive. Their bytes are views on the records. */
export async function* linesIn(
  source: LogSource,
  shard: string,
  fromIndex: number,
  toIndex: number,
): AsyncGenerator<LogLine> {
  for await (const record of source.records(shard, fromIndex, toIndex)) {
    yield* linesOf(shard, record, await source.commitIndex(shard), fromIndex, toIndex)
  }
}

/** The entries of one record from one index to another (0: to its end). */
export function* linesOf(
  shard: string,
  record: LogRecord,
  commitIndex: number,
  fromIndex = 0,
  toIndex = 0,
): Generator<LogLine> {
  const { firstIndex, lastIndex } = record
  const last = toIndex === 0 ? lastIndex : Math.min(lastIndex, toIndex)
  for (let index = Math.max(firstIndex, fromIndex); index <= last; index++) {
    yield lineOfEntry(shard, record.entry(index - firstIndex), commitIndex)
  }
}
