/** `replay`, for whoever embeds Varve: opens what is named and tells its entries again. */
import { statSync } from 'node:fs'
import type { Encoded, EncodingName } from '../client/encoding.js'
import { type ReplayEvent, type ReplayLogs, type ReplayQuery, replayLogs } from '../client/replay.js'
import { openClusterLogs } from '../client/replay-cluster.js'
import { splitAddress } from './address.js'
import { openFolderLogs } from './replay-folder.js'

/** Options of `replay`. */
export interface ReplayOptions<KE extends EncodingName = 'utf8', VE extends EncodingName = 'utf8'>
  extends ReplayQuery<KE, VE> {
  /**
   * A folder of a stopped cluster or node; or a running cluster, by addresses of its processes (parted by commas), a list
   * of them, or anything with `endpoints`. A text that is the path of a folder is that.
   */
  source: string | readonly string[] | { readonly endpoints: readonly string[] }
  /** How long a running cluster may take for each part of an answer, ms. Default 5,000. */
  timeoutMs?: number
}

/**
 * Tells what happened between two moments: an async iterable of entries, oldest first, merged over the shards by Lamport
 * time, each with what its key held before and after. Nothing is opened before the iteration begins, and all is closed
 * when it ends. Memory is bounded, however long the log is.
 *
 *     for await (const { entry, before, after } of replay({ source: './data', from: '10m ago' })) ...
 *
 * Throws VarveError: INVALID_ARGUMENT, OUT_OF_RANGE for a moment in the future, OUT_OF_RETENTION, UNAVAILABLE where nobody
 * answers or a node runs on the folder, DATA_LOSS where the log is damaged.
 */
export async function* replay<KE extends EncodingName = 'utf8', VE extends EncodingName = 'utf8'>(
  options: ReplayOptions<KE, VE>,
): AsyncGenerator<ReplayEvent<Encoded<KE>, Encoded<VE>>, void, void> {
  yield* replayLogs(await openLogs(options), options)
}

function openLogs({ source, timeoutMs }: Pick<ReplayOptions, 'source' | 'timeoutMs'>): Promise<ReplayLogs> {
  if (typeof source !== 'string') {
    return openClusterLogs('endpoints' in source ? source.endpoints : source, timeoutMs)
  }
  const addresses = source.split(',').map(each => each.trim())
  const isFolder = statSync(source, { throwIfNoEntry: false })?.isDirectory() === true
  if (isFolder || !addresses.every(each => splitAddress(each) !== undefined)) return openFolderLogs(source)
  return openClusterLogs(addresses, timeoutMs)
}
