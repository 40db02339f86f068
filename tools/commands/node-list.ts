/** `varve node list`: the nodes as the coordinator knows them. */

import type { Command } from 'commander'
import type { NodeInfo } from '../../src/generated/varve/v1/cluster.js'
import { findShardMap, type GlobalOptions, withInspector } from '../connect.js'
import { askCoordinator } from '../coordinator.js'
import { printObject, tableOf } from '../output.js'
import { count, duration } from '../text.js'

export function addNodeList(node: Command): void {
  node
    .command('list')
    .description('show the nodes as the coordinator knows them')
    .action((_options, command: Command) => list(command.optsWithGlobals<GlobalOptions>()))
}

async function list(options: GlobalOptions): Promise<void> {
  await withInspector(options, async inspector => {
    const map = await findShardMap(inspector, options.endpoints)
    const { nodes } = await askCoordinator(map, coordinator => inspector.listNodes(coordinator))
    const text = options.output === 'table' ? await nodesText(nodes) : ''
    await printObject(
      options.output,
      { coordinator: map.coordinator, nodes: nodes.map(nodeObject) },
      () => text,
    )
  })
}

/** A node in JSON: the same fields always, null where nothing is known. */
function nodeObject(node: NodeInfo): object {
  const known = <T>(value: T) => (isHeardOf(node) ? value : null)
  return {
    address: node.address,
    state: node.state,
    incarnation: known(node.incarnation),
    version: node.version === '' ? null : node.version,
    replicas: node.replicas.map(({ shard, role, index }) => ({ shard, role, index })),
    left: node.left,
    clockOffsetMs: known(node.clockOffsetMs),
    silentMs: known(node.silentMs),
    fault: node.fault === '' ? null : node.fault,
  }
}

async function nodesText(nodes: readonly NodeInfo[]): Promise<string> {
  const header = ['node', 'state', 'incarnation', 'version', 'replicas', 'clock', 'silent for', 'fault']
  return await tableOf(header, nodes.map(nodeRow), ['incarnation', 'clock', 'silent for'])
}

function nodeRow(node: NodeInfo): string[] {
  return [
    node.address,
    node.state,
    isHeardOf(node) ? String(node.incarnation) : '',
    node.version,
    replicasText(node),
    isHeardOf(node) ? offsetText(node.clockOffsetMs) : '',
    isHeardOf(node) ? silenceText(node.silentMs) : '',
    node.fault,
  ]
}

/** Of the others the coordinator has only the name. */
function isHeardOf(node: NodeInfo): boolean {
  return node.state !== 'unknown'
}

/** `head: shard_0; middle: shard_1 shard_2; left: shard_3`; many of a kind are counted. */
function replicasText({ replicas, left }: NodeInfo): string {
  const kinds = [...new Set(replicas.map(({ role }) => role))]
  const named = kinds.map(role => {
    const shards = replicas.filter(replica => replica.role === role).map(({ shard }) => shard)
    return `${role === 'none' ? 'unused' : role}: ${someOf(shards)}`
  })
  const parts = left.length === 0 ? named : [...named, `left: ${someOf(left)}`]
  return parts.length === 0 ? 'none' : parts.join('; ')
}

function someOf(shards: readonly string[]): string {
  return shards.length > 4 ? `${count(shards.length)} shards` : shards.join(' ')
}

/** Whole milliseconds: parts of one say nothing here. */
function silenceText(silentMs: number): string {
  return silentMs < 1_000 ? `${silentMs} ms` : duration(silentMs)
}

/** By how much a clock is ahead: `+12 ms`, `-3 ms`. */
function offsetText(offsetMs: number): string {
  return `${offsetMs > 0 ? '+' : ''}${count(offsetMs)} ms`
}
