/**
 * The two shapes of the replication tree. A chain (van Renesse and Schneider 2004) keeps the head's load at one
 * downstream and pays with latency; a star (the head as hub) keeps every member one hop away.
 */
import { Topology } from '../generated/varve/v1/cluster.js'
import type { ConfigurationMember } from '../generated/varve/v1/replication.js'

/** A process as the coordinator names it: where it is, and which of its lives. */
export interface Peer {
  readonly address: string
  readonly incarnation: number
}

/** Members in the tree's order with their upstreams. `peers[0]` becomes the head; at least one peer. */
export function plantTree(topology: Topology, peers: readonly Peer[]): ConfigurationMember[] {
  return peers.map(({ address, incarnation }, at) => ({
    address,
    incarnation,
    upstream: at === 0 ? '' : peers[topology === Topology.STAR ? 0 : at - 1]!.address,
  }))
}

/** What a member is called in its tree. */
export type Role = 'head' | 'middle' | 'tail' | 'leaf'

export function roleOf(
  topology: Topology,
  members: readonly ConfigurationMember[],
  address: string,
): Role | undefined {
  const at = members.findIndex(member => member.address === address)
  if (at < 0) return undefined
  if (at === 0) return 'head'
  if (topology === Topology.STAR) return 'leaf'
  return at === members.length - 1 ? 'tail' : 'middle'
}
