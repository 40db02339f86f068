/** `varve node join`: lets a node hold replicas, and waits until it counts where it was brought in. */

import type { Command } from 'commander'
import type { Inspector } from '../../src/client/inspector.js'
import type { Shard, ShardMap } from '../../src/generated/varve/v1/cluster.js'
import { durationMs } from '../arguments.js'
import { findShardMap, type GlobalOptions, parseAddress, withInspector } from '../connect.js'
import { askCoordinator, hasFoundPlace, hasJoined, shardsOf, stateOf, waitForMap } from '../coordinator.js'
import { badUsage, unavailable } from '../exit-codes.js'
import { type LearnerProgress, progressOf, progressText } from '../learner-progress.js'
import { printObject } from '../output.js'
import { type Progress, showProgress } from '../progress.js'
import { type HeldRole, rolesAt, rolesText } from '../replica-role.js'

interface JoinOptions extends GlobalOptions {
  readonly shard?: string
  readonly wait: number
}

export function addNodeJoin(node: Command): void {
  node
    .command('join')
    .description('let a node hold replicas; waits until it counts where it was brought in')
    .argument('<address>', 'of the node, which runs', parseAddress)
    .option('--shard <name>', 'give it a replica of this shard')
    .option('--wait <time>', 'how long its way in may take', durationMs, 120_000)
    .action((address: string, _options, command: Command) =>
      join(address, command.optsWithGlobals<JoinOptions>()),
    )
}

async function join(address: string, options: JoinOptions): Promise<void> {
  await withInspector(options, async inspector => {
    const known = await findShardMap(inspector, options.endpoints)
    await checkSameCluster(inspector, address, known)
    const request = { address, shard: options.shard ?? '' }
    const { shards } = await askCoordinator(known, coordinator => inspector.join(coordinator, request))
    const isDown = shards.length > 0 && !(await isAlive(inspector, known.coordinator, address))
    if (isDown) {
      const object = { address, joined: [], roles: rolesAt(known, address) }
      const remedy = `\`varve node start ${address}\` starts it`
      return printObject(
        options.output,
        object,
        () => `${address} may hold replicas, but does not run: ${remedy}`,
      )
    }
    const map = await follow(inspector, known.coordinator, address, shards, options)
    const joined = shardsOf(map, shards).filter(({ name }) => hasJoined(map, address, [name]))
    const roles = rolesAt(map, address)
    const object = { address, joined: joined.map(({ name, epoch }) => ({ shard: name, epoch })), roles }
    await printObject(options.output, object, () => joinedText(address, joined, roles))
  })
}

function joinedText(address: string, joined: readonly Shard[], roles: readonly HeldRole[]): string {
  const names = joined.map(({ name }) => name)
  if (names.length > 0)
    return `${address} joined: ${rolesText(roles.filter(({ shard }) => names.includes(shard)))}`
  const now = roles.length === 0 ? '' : ` (it is ${rolesText(roles)})`
  return `${address} may hold replicas; no shard lacks one now${now}`
}

/** A process of another cluster is told apart before anybody is asked to take it in. */
async function checkSameCluster(inspector: Inspector, address: string, map: ShardMap): Promise<void> {
  // One that does not answer here may answer to the coordinator, which then says what it knows.
  const status = await inspector.nodeStatus(address).catch(() => undefined)
  if (status === undefined) return
  if (status.role === 'coordinator') throw badUsage(`${address} is a coordinator, expected a node`)
  if (status.clusterId === '' || status.clusterId === map.clusterId) return
  throw badUsage(
    `${address} is a node of cluster ${status.clusterId}, this is cluster ${map.clusterId}: ` +
      'start a node of this one with `varve node start --new`',
  )
}

/** By the coordinator: what is gone will not catch up while somebody waits. */
async function isAlive(inspector: Inspector, coordinator: string, address: string): Promise<boolean> {
  const list = await inspector.listNodes(coordinator).catch(() => undefined)
  const info = list?.nodes.find(node => node.address === address)
  return info === undefined || info.state === 'alive'
}

async function follow(
  inspector: Inspector,
  coordinator: string,
  address: string,
  shards: readonly string[],
  options: JoinOptions,
): Promise<ShardMap> {
  // Without a shard, it is brought in only where a replica is missing.
  const isIn = options.shard === undefined ? hasFoundPlace : hasJoined
  const bar = await showProgress(`${address} catches up, percent`, 100)
  let ways: Way[] = []
  const isDone = async (map: ShardMap) => {
    if (isIn(map, address, shards)) return true
    ways = await waysIn(inspector, map, address, shards)
    show(bar, ways)
    return false
  }
  const end = await waitForMap(inspector, { coordinator, waitMs: options.wait, isDone }).finally(() =>
    bar.stop(),
  )
  if (end.isDone) return end.map
  const open = shardsOf(end.map, shards).filter(shard => !isIn(end.map, address, [shard.name]))
  const how = open.map(shard => {
    const way = ways.find(each => each.shard === shard.name)
    return `${shard.name} (${way === undefined ? stateOf(shard) : progressText(way.progress)})`
  })
  throw unavailable(
    `${address} is not a member of ${how.join(', ')} after ${options.wait} ms; it goes on, \`varve status\` shows it`,
  )
}

/** How far the node is in a shard. */
interface Way {
  readonly shard: string
  readonly progress: LearnerProgress
}

async function waysIn(
  inspector: Inspector,
  map: ShardMap,
  address: string,
  shards: readonly string[],
): Promise<Way[]> {
  const ways = shardsOf(map, shards).map(async shard => {
    const learner = shard.learners.find(each => each.address === address)
    if (learner === undefined) return undefined
    const head = await inspector.nodeStatus(shard.head).catch(() => undefined)
    const index = head?.replicas.find(replica => replica.ordinal === shard.ordinal)?.lastIndex
    return { shard: shard.name, progress: progressOf(learner, index) }
  })
  return (await Promise.all(ways)).filter(way => way !== undefined)
}

/** The bar shows the shard that has the longest way to go. */
function show(bar: Progress, ways: readonly Way[]): void {
  const percents = ways.map(({ progress }) => progress.percent).filter(percent => percent !== undefined)
  if (percents.length > 0) bar.update(Math.min(...percents))
}
