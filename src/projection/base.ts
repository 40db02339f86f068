/** Bases where they are kept: opened, read back, and cleared away when another took their place. */
import type { BlobStore } from '../log/blob-store.js'
import { type BaseName, baseBlobName, basePrefix } from '../log/log-base.js'
import { decodeBase, type RestoredBase } from './base-decoder.js'
import { BaseEntries, baseDamaged } from './base-entries.js'
import type { RequestTableLimits } from './request-table.js'

/**
 * The entries of a base whose blob is whole, to be read one by one.
 * @throws LogError LOG_DAMAGED when it is missing or not that base, LOG_IO
 */
export function openBase(shard: number, blobs: BlobStore, base: BaseName): BaseEntries {
  const blob = blobs.open(baseBlobName(shard, base))
  if (blob === undefined) throw baseDamaged(shard, base.index, 'it is missing')
  return new BaseEntries(shard, blob, base)
}

/**
 * Reads the whole base and checks all of it: the state that it stands for. 1,000,000 keys take about a second, in
 * turns with other work.
 * @throws LogError LOG_DAMAGED when it is missing, not that base or a bit differs; LOG_IO
 */
export async function restoreBase(
  shard: number,
  blobs: BlobStore,
  base: BaseName,
  requestLimits: Partial<RequestTableLimits> = {},
): Promise<RestoredBase> {
  const chunks = blobs.read(baseBlobName(shard, base))
  if (chunks === undefined) throw baseDamaged(shard, base.index, 'it is missing')
  return await decodeBase(shard, base, chunks, requestLimits)
}

/** Removes all bases of the shard but this one. @throws LogError when the store failed */
export async function removeOtherBases(
  shard: number,
  blobs: BlobStore,
  kept: BaseName | undefined,
): Promise<void> {
  const keptName = kept === undefined ? '' : baseBlobName(shard, kept)
  for (const name of await blobs.names(basePrefix(shard))) if (name !== keptName) await blobs.remove(name)
}
