/**
 * When a shard needs another configuration, and when it has to wait with it. Pure questions about what is stored and
 * who is there.
 */
import type { Configuration } from '../generated/varve/v1/replication.js'
import { isActive } from './configuration.js'
import type { ListedShard, Membership } from './membership.js'
import type { NodeTable } from './node-table.js'

/**
 * When nobody of a shard's members lives on, the first that comes back waits so long for the others: whoever has the
 * longest log may be among them.
 */
export const OUTAGE_WAIT_MS = 10_000

/** What is asked for beside what membership and nodes show. */
export interface ChangeWishes {
  /** The member that holds the shard up. */
  readonly laggard: string | undefined
  /** Learners that have caught up. */
  readonly near: readonly string[]
}

/** Why the shard needs another configuration, in words; undefined where it does not. */
export function changeDue(
  membership: Membership,
  nodes: NodeTable,
  wishes: ChangeWishes,
): string | undefined {
  const { current, reservedEpoch, left } = membership
  if (current === null) return 'the shard is not born yet'
  if (!isActive(current)) return 'the last change was not finished'
  // An earlier life of this coordinator may have sealed replicas in it: they serve in no lower one any more.
  if (reservedEpoch > current.epoch) return 'an epoch was reserved and never used'
  const moved = memberFault(current, nodes)
  if (moved !== undefined) return moved
  if (current.members.length > 1) {
    const leaving = current.members.find(({ address }) => left.includes(address))
    if (leaving !== undefined) return `${leaving.address} leaves`
    if (wishes.laggard !== undefined) return `${wishes.laggard} lags behind`
    if (headIsAhead(current, nodes)) return `the clock of ${current.head} is ahead`
  }
  if (wishes.near.length > 0) return `${wishes.near.join(', ')} caught up`
  return undefined
}

/** The first member that is gone, or alive in another life; in words. */
export function memberFault(configuration: Configuration, nodes: NodeTable): string | undefined {
  for (const { address, incarnation } of configuration.members) {
    const alive = nodes.incarnationAt(address)
    if (alive !== undefined && alive !== incarnation) return `${address} restarted`
    if (nodes.state(address) === 'gone') return `${address} is gone`
  }
  return undefined
}

/** A head whose clock is ahead of its peers' stops stamping where another can lead. */
function headIsAhead(configuration: Configuration, nodes: NodeTable): boolean {
  if (nodes.clockAheadMs(configuration.head) === 0) return false
  return configuration.members.some(({ address }) => {
    return nodes.incarnationAt(address) !== undefined && nodes.clockAheadMs(address) === 0
  })
}

/** Those whose members are to go on, in order. */
export function membersInOrder(listed: ListedShard, membership: Membership): readonly string[] {
  return membership.active?.members.map(({ address }) => address) ?? listed.replicas
}

/** Members of whom nothing was heard yet, or that are gone while nobody serves: worth waiting for; in words, or ''. */
export function awaited(
  listed: ListedShard,
  membership: Membership,
  nodes: NodeTable,
  outageMs: number,
): string {
  const order = membersInOrder(listed, membership)
  const missing = order.filter(address => nodes.incarnationAt(address) === undefined)
  if (missing.length === 0) return ''
  // At birth all must say that they hold nothing (Changes of configuration 9).
  if (membership.active === null) return missing.join(', ')
  const serving = membership.active.members.some(
    ({ address, incarnation }) => nodes.incarnationAt(address) === incarnation,
  )
  if (serving) return missing.filter(address => nodes.state(address) === 'unknown').join(', ')
  return outageMs < OUTAGE_WAIT_MS ? missing.join(', ') : ''
}

/** Why a shard cannot be born, in words. A store that knows nothing must not make a new shard over old data. */
export function birthFault(
  listed: ListedShard,
  membership: Membership,
  nodes: NodeTable,
): string | undefined {
  if (membership.reservedEpoch > 0) return undefined
  for (const address of listed.replicas) {
    const node = nodes.node(address)
    if (node === undefined) return `${address} to say what it holds`
    const summary = node.replicas.get(listed.ordinal)
    if (summary === undefined || (summary.adoptedEpoch === 0 && summary.lastIndex === 0)) continue
    return `an operator: ${address} holds data of epoch ${summary.adoptedEpoch}, this coordinator has no record of it`
  }
  return undefined
}
