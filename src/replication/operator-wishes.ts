/**
 * What an operator may ask of a shard, and why not: the rules of leaving, joining and forced recovery, as pure questions
 * about what is stored and who is there. The answers are said to people.
 */
import { memberAt } from './configuration.js'
import type { ListedShard, Membership } from './membership.js'
import type { NodeTable } from './node-table.js'

/** Why this member cannot leave its shard, in words; undefined where it can. */
export function leaveFault(
  { name, minInSync }: ListedShard,
  membership: Membership,
  address: string,
  force: boolean,
): string | undefined {
  const members = membership.active?.members.filter(each => !membership.left.includes(each.address)) ?? []
  if (!members.some(each => each.address === address)) return undefined
  if (members.length === 1) {
    return `${address} is the last member of ${name} and cannot leave: bring in another node first (varve node join)`
  }
  const left = members.length - 1
  if (left >= minInSync || force) return undefined
  return (
    `without ${address}, ${name} has ${left} of ${minInSync} in-sync members and refuses strong requests: ` +
    'bring in another node first (varve node join), or leave with --force'
  )
}

/** Why this node cannot become a member, in words; undefined where it can. */
export function joinFault(
  listed: ListedShard,
  membership: Membership,
  nodes: NodeTable,
  address: string,
): string | undefined {
  const isMember = membership.active !== null && memberAt(membership.active, address) !== undefined
  if (isMember && !membership.left.includes(address))
    return `${address} is a member of ${listed.name} already`
  if (nodes.incarnationAt(address) === undefined)
    return `${address} is not running: start it first (varve node start)`
  const logId = nodes.node(address)?.replicas.get(listed.ordinal)?.logId ?? ''
  if (logId === '' || logId === membership.logId) return undefined
  return `${address} holds another log of ${listed.name}, ${logId}: start it with an empty folder`
}

/**
 * Why nothing may be given up, in words; undefined where an operator may. `isStuck`: the shard waits for members that
 * may never come back.
 */
export function recoverFault(
  { name }: ListedShard,
  membership: Membership,
  nodes: NodeTable,
  isStuck: boolean,
  address: string,
): string | undefined {
  if (membership.current === null) return `${name} was never in office: there is nothing to recover`
  if (!isStuck) return `${name} does not wait for lost members: there is nothing to recover`
  if (address !== '' && nodes.incarnationAt(address) === undefined) return `${address} is not running`
  return nodes.alive().length === 0 ? 'no node is alive' : undefined
}
