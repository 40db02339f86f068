/**
 * Retention at an index (Storage rules): a base is written first, then the log is kept from it, then what it stands for
 * goes from the disk. Reads and writes go on all the while, and a crash at any point leaves either the old log or
 * the base and the log above it.
 */
import type { BlobStore } from '../log/blob-store.js'
import { LogError } from '../log/errors.js'
import type { Log } from '../log/log.js'
import { baseBlobName, describeBase, horizonOf, outOfRetention } from '../log/log-base.js'
import type { Logger } from '../log/logger.js'
import { openBase } from './base.js'
import { encodeBase } from './base-codec.js'
import { startProjection } from './checkpoint.js'
import { clearBelowBase } from './install-base.js'
import { type PrefixHorizon, settledPrefixes } from './kept-prefixes.js'
import type { CommittedState, ShardProjection } from './shard-projection.js'

/** Records replayed between two pauses: a few ms. */
const RECORDS_BETWEEN_PAUSES = 16

export interface TrimOptions {
  readonly log: Log
  /** The log's own projection. */
  readonly projection: ShardProjection
  readonly blobs: BlobStore
  readonly logger: Logger
  /** End of a committed record: everything at or below goes, but for what the base keeps. See `trimIndexAt`. */
  readonly index: number
  /** Now, epoch ms: what is dropped is said to have been dropped then. */
  readonly writtenMs: number
  /** Keys of which everything from a lower horizon on is wanted; as far as it is still there, it is kept. */
  readonly keep?: readonly PrefixHorizon[]
  /** Awaited between slices of the work; where it rejects, nothing changes. Default: the projection's own. */
  readonly pause?: () => Promise<void>
}

/** The last index at or below `index` that a log can be trimmed at; `baseIndex` where there is none. Throws as `read`. */
export function trimIndexAt(log: Log, projection: ShardProjection, index: number): number {
  const highest = Math.min(index, projection.committedIndex, log.durableIndex)
  if (highest <= log.baseIndex) return log.baseIndex
  const record = log.recordAt(highest)
  if (record === undefined) return log.baseIndex
  return record.lastIndex === highest ? highest : record.firstIndex - 1
}

/**
 * Trims the log at `index`; resolves when the base is in its place, durably, and what it stands for is gone. Reads the
 * log up to there once (twice where the commit index is beyond it). Not twice at a time for one shard, and not while a
 * base is being installed. The present base's index: nothing happens.
 * @throws LogError LOG_GAP when no record that is committed and durable ends there, or the log was changed meanwhile;
 *   LOG_OUT_OF_RETENTION below the present base; LOG_DAMAGED, LOG_IO, LOG_POISONED. Nothing has changed then.
 */
export async function trimLog(options: TrimOptions): Promise<void> {
  const { log, projection, blobs, logger, index, writtenMs } = options
  const { shard } = log
  if (index === log.baseIndex) return
  if (index < log.baseIndex) throw outOfRetention(log)
  const committed = Math.min(projection.committedIndex, log.durableIndex)
  if (index > committed) {
    const text = `shard ${shard}: cannot trim at index ${index}: committed and durable up to ${committed}`
    throw new LogError('LOG_GAP', text, { shard, index })
  }
  // Described and, where possible, captured before the first await: one moment.
  const base = describeBase(log, index, writtenMs)
  const before = log.base === undefined ? undefined : openBase(shard, blobs, log.base)
  const horizon = { index, stamp: base.stamp, droppedMs: writtenMs }
  const kept = settledPrefixes(options.keep ?? [], before?.kept ?? [], horizonOf(log), horizon)
  const state = index === projection.committedIndex ? projection.capture() : undefined
  const context = { log, blobs, logger }
  const { requestLimits } = projection
  const pause = options.pause ?? projection.pause
  const source = {
    log,
    before,
    state: state ?? (await stateAt(context, { requestLimits, pause }, index)),
    requestLimits,
    kept,
    pause,
  }
  const name = baseBlobName(shard, base)
  // Left over from a trim that a crash cut short.
  await blobs.remove(name)
  await blobs.write(name, encodeBase(base, source))
  const entries = openBase(shard, blobs, base)
  try {
    log.trim(base)
  } catch (error) {
    await blobs.remove(name)
    throw error
  }
  projection.useBase(entries)
  logger.info({ shard, baseIndex: index, keys: source.state.keys.keyCount }, 'log trimmed')
  await clearBelowBase(log, blobs)
}

/** The committed state as it was at `index`, replayed from the last checkpoint or base before it. */
async function stateAt(
  context: { readonly log: Log; readonly blobs: BlobStore; readonly logger: Logger },
  { requestLimits, pause }: Pick<ShardProjection, 'requestLimits' | 'pause'>,
  index: number,
): Promise<CommittedState> {
  const options = { requestLimits, pause, valueCacheSizeBytes: 0 }
  const past = await startProjection(context, options, index)
  let records = 0
  for await (const record of context.log.records(past.appliedIndex + 1, index)) {
    past.apply(record)
    past.commit(past.appliedIndex)
    if (++records % RECORDS_BETWEEN_PAUSES === 0) await pause()
  }
  return past.capture()
}
