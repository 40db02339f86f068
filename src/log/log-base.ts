/**
 * A log may be kept from a *base* instead of from its beginning (Storage rules). What the log itself must know of a base
 * is small: where it is, and what the records that are gone said about epochs and stamps. The live entries are in a
 * blob beside the log, written by those who know what entries mean.
 */
import type { Stamp } from './entry.js'
import { LogError } from './errors.js'
import { type Horizon, horizonText } from './horizon.js'
import type { EpochSpan, Log } from './log.js'

/** An epoch that begins at or below a base. */
export interface BaseEpoch extends EpochSpan {
  /** Hash of the record that begins it: the epoch's EPOCH entry (I5). */
  readonly startHash: Buffer
}

/** What stands for all records up to `index`, which is the end of a committed record. */
export interface LogBase {
  /** 32 hexadecimal digits. */
  readonly logId: string
  readonly index: number
  /** Hash of the record that ended at `index`. */
  readonly hash: Buffer
  /** Stamp of the entry at `index`. */
  readonly stamp: Stamp
  /** All epochs up to there, ascending, without a gap from index 1 on; the last one as if it ended at `index`. */
  readonly epochs: readonly BaseEpoch[]
  /** When what it stands for was dropped, epoch ms; 0 in bases of older versions, which do not say. */
  readonly writtenMs: number
}

/** Which base: of one log there is one at an index. */
export type BaseName = Pick<LogBase, 'index' | 'hash'>

/**
 * The base that this log would be kept from at `index`, written at `writtenMs`.
 * @throws LogError LOG_GAP when no record ends there, LOG_OUT_OF_RETENTION below the present base, LOG_DAMAGED, LOG_IO
 */
export function describeBase(log: Log, index: number, writtenMs = 0): LogBase {
  if (log.base !== undefined && index === log.base.index) return log.base
  if (index <= log.baseIndex) throw outOfRetention(log)
  const record = log.recordAt(index)
  if (record?.lastIndex !== index) {
    const text = `shard ${log.shard}: no record ends at index ${index}, so no base can stand there`
    throw new LogError('LOG_GAP', text, { shard: log.shard, index })
  }
  const spans = log.epochs.filter(span => span.startIndex <= index)
  const epochs = spans.map(span => {
    const startHash = log.epochStartHash(span.epoch)!
    return span.lastIndex < index
      ? { ...span, startHash }
      : { ...span, startHash, lastIndex: index, hash: record.hash }
  })
  const stamp = { lamport: record.lastLamport, wallMs: record.wallMs }
  return { logId: log.logId, index, hash: record.hash, stamp, epochs, writtenMs }
}

/** Name of the blob that holds a shard's base. */
export function baseBlobName(shard: number, { index, hash }: BaseName): string {
  return `${basePrefix(shard)}${String(index).padStart(13, '0')}/${hash.toString('hex')}`
}

/** What the names of all bases of a shard begin with. */
export function basePrefix(shard: number): string {
  return `base/${shard}/`
}

/** Where a log begins that can still be read: at its base, or with index 0 at its beginning. */
export function horizonOf({ base }: Pick<Log, 'base'>): Horizon {
  if (base === undefined) return { index: 0, stamp: { lamport: 0, wallMs: 0 }, droppedMs: 0 }
  return { index: base.index, stamp: base.stamp, droppedMs: base.writtenMs }
}

/** The error for whoever wants what is below the log's base. */
export function outOfRetention(log: Pick<Log, 'shard' | 'base'>): LogError {
  return beyondHorizon(log.shard, horizonOf(log))
}

/** The error for whoever wants what is below a horizon, that of the log or one of some keys only. */
export function beyondHorizon(shard: number, horizon: Horizon): LogError {
  const text = horizonText(`shard_${shard}`, horizon)
  return new LogError('LOG_OUT_OF_RETENTION', text, { shard, index: horizon.index, horizon })
}
