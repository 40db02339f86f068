/**
 * Whether the copy of a log that a stopped cluster is forked from is the one that the cluster would go on with. After a
 * failover, or with a node that was down for long, the folders hold logs that end at different places, or part.
 */

import { badUsage } from '../exit-codes.js'
import type { LogSource } from '../log-source.js'
import { stoppedCluster } from '../offline-folder.js'
import { openOfflineLog } from '../offline-log.js'
import type { PastMoment } from '../past/past-source.js'
import { findParting } from '../replica-parting.js'
import { holds, replicaLogOf } from '../replica-partings.js'
import { count } from '../text.js'

/** Throws bad usage where another node's folder holds more, or something later, up to the moment. */
export async function refuseStaleCopies(folder: string, source: LogSource, at: PastMoment): Promise<void> {
  for (const { name } of stoppedCluster(folder).nodes) {
    const other = await openOfflineLog(folder, name, undefined)
    try {
      for (const [shard, { index }] of Object.entries(at.cuts)) {
        if (source.origin(shard) === name || !holds(other, shard)) continue
        const problem = await problemOf(shard, index, source, other)
        if (problem === undefined) continue
        throw badUsage(
          `${problem}: \`varve replica diff --data ${folder}\` compares them, --replica ${name} forks what that node holds`,
        )
      }
    } finally {
      await other.close()
    }
  }
}

async function problemOf(
  shard: string,
  cutIndex: number,
  source: LogSource,
  other: LogSource,
): Promise<string | undefined> {
  const [ours, theirs] = await Promise.all([replicaLogOf(source, shard), replicaLogOf(other, shard)])
  const parting = await findParting(ours, theirs)
  if (parting.kind === 'behind') {
    // Below its end a copy knows all that there was.
    if (theirs.lastIndex <= ours.lastIndex || cutIndex < ours.lastIndex) return undefined
    const ends = `ends at index ${count(ours.lastIndex)}, that of ${theirs.replica} at ${count(theirs.lastIndex)}`
    return `${shard}: the log of ${ours.replica} ${ends}`
  }
  if (parting.kind !== 'parted' || parting.commonIndex >= cutIndex) return undefined
  const [ourEpoch, theirEpoch] = await Promise.all([lastEpoch(source, shard), lastEpoch(other, shard)])
  if (ourEpoch > theirEpoch) return undefined
  const place = `part at index ${count(parting.commonIndex + 1)}`
  return `${shard}: the logs of ${ours.replica} and ${theirs.replica} ${place}`
}

async function lastEpoch(source: LogSource, shard: string): Promise<number> {
  const { epochs } = await source.logInfo(shard)
  return epochs?.at(-1)?.epoch ?? 0
}
