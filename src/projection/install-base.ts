/**
 * A base that came from another replica takes the place of a log and its projection (Following): first read and checked
 * as a whole, then put in place in one turn, then what it replaces goes from the disk.
 */
import type { BlobStore } from '../log/blob-store.js'
import type { Log } from '../log/log.js'
import { type BaseName, baseBlobName, type LogBase } from '../log/log-base.js'
import { openBase, removeOtherBases, restoreBase } from './base.js'
import type { RestoredBase } from './base-decoder.js'
import type { BaseEntries } from './base-entries.js'
import { removeCheckpointsBelow } from './checkpoint.js'
import type { ShardProjection } from './shard-projection.js'

/** A base that was found to be whole, with the state that it stands for. */
export interface PreparedBase {
  readonly base: LogBase
  readonly restored: RestoredBase
  readonly entries: BaseEntries
}

/**
 * Reads and checks a base whose blob is durable. One that is damaged is removed, so that it can be fetched again.
 * @throws LogError LOG_DAMAGED, LOG_IO
 */
export async function prepareBase(
  shard: number,
  blobs: BlobStore,
  base: BaseName,
  requestLimits: ShardProjection['requestLimits'] = {},
): Promise<PreparedBase> {
  try {
    const restored = await restoreBase(shard, blobs, base, requestLimits)
    return { base: restored.base, restored, entries: openBase(shard, blobs, base) }
  } catch (error) {
    await blobs.remove(baseBlobName(shard, base))
    throw error
  }
}

/**
 * Puts the base in the place of the log and its projection, in this turn. What the log held above `committedIndex` is
 * orphans from now on. It is durable when the log says so (`pendingWrites`, `onDurable`). A prepared base is used once.
 * @throws LogError as `Log.installBase`; nothing has changed then
 */
export function installBase(
  { base, restored, entries }: PreparedBase,
  log: Log,
  projection: ShardProjection,
  committedIndex: number,
): void {
  log.installBase(base, committedIndex)
  projection.install(restored, entries)
}

/** Removes what the present base has replaced, once it is durable: records, other bases, older checkpoints. */
export async function clearBelowBase(log: Log, blobs: BlobStore): Promise<void> {
  await log.cleared()
  await removeOtherBases(log.shard, blobs, log.base)
  await removeCheckpointsBelow(log.baseIndex, log.shard, blobs)
}
