/** The nodes as operators see them: who is there, what each holds, what is wrong. */
import type { NodeInfo, NodeList, NodeReplica } from '../generated/varve/v1/cluster.js'
import type { NodeTable } from './node-table.js'
import type { ShardControl } from './shard-control.js'
import { roleOf } from './topology.js'

/** Every node that was heard of, or that a shard lists, sorted by address. */
export function nodeListOf(nodes: NodeTable, shards: readonly ShardControl[]): NodeList {
  const listed = shards.flatMap(({ listed, current }) => [
    ...listed.replicas,
    ...(current?.members.map(({ address }) => address) ?? []),
  ])
  const addresses = [...new Set([...listed, ...nodes.all().map(({ address }) => address)])].sort()
  return { nodes: addresses.map(address => infoOf(nodes, shards, address)) }
}

function infoOf(nodes: NodeTable, shards: readonly ShardControl[], address: string): NodeInfo {
  const node = nodes.node(address)
  return {
    address,
    incarnation: node?.incarnation ?? 0,
    state: nodes.state(address),
    silentMs: node === undefined ? 0 : Math.round(nodes.nowMs - node.lastHeardMs),
    clockOffsetMs: nodes.clockOffsetMs(address),
    replicas: shards.flatMap(shard => replicaOf(nodes, shard, address)),
    left: shards
      .filter(({ membership }) => membership.left.includes(address))
      .map(({ listed }) => listed.name),
    version: node?.version ?? '',
    fault: nodes.fault(address),
  }
}

function replicaOf(nodes: NodeTable, shard: ShardControl, address: string): NodeReplica[] {
  const { listed, current, learners } = shard
  const role = current === null ? undefined : roleOf(current.topology, current.members, address)
  const learner = learners.find(each => each.address === address)
  const held = nodes.node(address)?.replicas.get(listed.ordinal)?.lastIndex ?? 0
  const index = learner?.index ?? Math.max(held, shard.reportOf(address))
  if (role !== undefined) return [{ shard: listed.name, role, index }]
  if (learner !== undefined) return [{ shard: listed.name, role: 'learner', index }]
  return held > 0 ? [{ shard: listed.name, role: 'none', index }] : []
}
