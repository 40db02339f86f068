/**
 * Who may carry a shard into its next epoch (I5), and who leads it. Pure questions about what replicas said that
 * they hold.
 */
import type { ReplicaSummary } from '../generated/varve/v1/replication.js'
import type { Membership } from './membership.js'

/** Why this replica is no survivor, in words; undefined where it is one. */
export function survivorFault(
  membership: Membership,
  address: string,
  summary: ReplicaSummary,
): string | undefined {
  const { base, baseEpochIndex, baseEpochHash, logId } = membership
  if (summary.logId !== '' && summary.logId !== logId) return `holds another log, ${summary.logId}`
  if (base === null) return undefined
  if (summary.logId === '') return 'has an empty log'
  const span = summary.epochs.find(({ epoch }) => epoch === base.epoch)
  if (span?.startIndex !== baseEpochIndex || span.startHash.toString('hex') !== baseEpochHash) {
    return `does not hold the beginning of epoch ${base.epoch}`
  }
  // A log that went through a later epoch in office was cut there where its head said so: what it reported before is over.
  const wentOn = summary.epochs.some(
    ({ epoch }) => epoch > base.epoch && membership.activeEpochs.includes(epoch),
  )
  const reported = wentOn ? 0 : (membership.reports[address] ?? 0)
  if (summary.lastIndex < reported) return `holds ${summary.lastIndex} entries and had reported ${reported}`
  return undefined
}

/**
 * The survivor with the greatest (last epoch that was ever ACTIVE, last index in it), so that weakly acknowledged
 * entries live on; among equals the first in `order`. Undefined where nobody survived.
 */
export function chooseHead(
  membership: Membership,
  order: readonly string[],
  survivors: ReadonlyMap<string, ReplicaSummary>,
): string | undefined {
  let best: { address: string; epoch: number; index: number } | undefined
  for (const address of order) {
    const summary = survivors.get(address)
    if (summary === undefined) continue
    const { epoch, index } = lastActive(membership, summary)
    if (best === undefined || epoch > best.epoch || (epoch === best.epoch && index > best.index)) {
      best = { address, epoch, index }
    }
  }
  return best?.address
}

function lastActive(membership: Membership, summary: ReplicaSummary): { epoch: number; index: number } {
  for (let at = summary.epochs.length - 1; at >= 0; at -= 1) {
    const { epoch, lastIndex } = summary.epochs[at]!
    if (membership.activeEpochs.includes(epoch)) return { epoch, index: lastIndex }
  }
  return { epoch: 0, index: 0 }
}
