/** `varve node start`: starts a node of this machine's cluster again, or a new one beside it. */

import { type Command, Option } from 'commander'
import type { NodeInfo, ShardMap } from '../../src/generated/varve/v1/cluster.js'
import { durationMs } from '../arguments.js'
import { type GlobalOptions, parseAddress, withInspector } from '../connect.js'
import { badUsage, unavailable } from '../exit-codes.js'
import { DataFolder, nodeName } from '../local/data-folder.js'
import type { StartedNode } from '../local/start-node.js'
import { note, printObject } from '../output.js'
import { DEFAULT_DATA } from './up.js'

/** The coordinator hears from a node several times a second. */
const KNOWN_MS_MAX = 5_000
/** Its first heartbeats tell what is wrong with it: its clock, above all. */
const FAULT_MS_MAX = 500

interface StartOptions extends GlobalOptions {
  readonly new?: boolean
  readonly address?: string
  readonly data: string
  readonly wait: number
}

export function addNodeStart(node: Command): void {
  node
    .command('start')
    .description('start a node on this machine: one with its data, or with --new an empty one more')
    .argument('[address]', 'of a node of the cluster that does not run', parseAddress)
    .option('--new', 'a node that the cluster does not have yet, with a folder of its own')
    .option('--address <address>', 'of the new node (default: a free port after the others)', parseAddress)
    .addOption(
      new Option('--data <folder>', 'where the cluster lives').env('VARVE_DATA').default(DEFAULT_DATA),
    )
    .option('--wait <time>', 'how long it may take until it listens', durationMs, 120_000)
    .addHelpText(
      'after',
      '\nThe coordinator brings a new node in wherever a shard has fewer replicas than wanted.',
    )
    .action((address: string | undefined, _options, command: Command) =>
      start(address, command.optsWithGlobals<StartOptions>()),
    )
}

async function start(given: string | undefined, options: StartOptions): Promise<void> {
  const folder = new DataFolder(options.data)
  checkArguments(given, options, folder)
  const { addNode, startNode } = await import('../local/start-node.js')
  const address = given ?? (await addNode(folder, options.address))
  const { logSize } = await import('../local/log-file.js')
  const logStart = logSize(folder.logFile(nodeName(address)))
  const started = await startNode(folder, address, options.wait).catch(error => {
    if (options.new)
      note(`${address} is a node of the cluster now, but does not run; \`varve up\` will start it`)
    throw error
  })
  const { readClusterConfig } = await import('../local/cluster-processes.js')
  const { coordinator } = readClusterConfig(folder)
  const known = address === coordinator ? undefined : await heardOf(folder, coordinator, started, logStart)
  const { nodeInFolder } = await import('../local/node-process.js')
  const { supervision } = started
  const pid = nodeInFolder(folder, address)?.pid ?? started.pid
  const isNew = options.new ?? false
  const object = { address, pid, new: isNew, data: folder.path, supervised: supervision !== 'none' }
  const state = known?.info?.state ?? null
  await printObject(options.output, { ...object, state, fault: known?.info?.fault || null }, () =>
    startedText({ address, pid, supervision }, isNew, coordinator, known),
  )
}

function checkArguments(given: string | undefined, options: StartOptions, folder: DataFolder): void {
  if (!folder.isCluster) {
    throw badUsage(
      `--data: ${folder.given} holds no Varve cluster: \`varve up --data ${folder.given}\` makes one`,
    )
  }
  if (options.new) {
    if (given === undefined) return
    throw badUsage(`${given} given together with --new: the address of a new node goes to --address`)
  }
  if (options.address !== undefined) {
    throw badUsage(
      `--address given without --new: \`varve node start ${options.address}\` starts a node that exists`,
    )
  }
  if (given === undefined)
    throw badUsage('no address given: name a node of the cluster, or give --new for one more')
}

/** What the coordinator knows of the node. */
interface Known {
  readonly map: ShardMap | undefined
  readonly info: NodeInfo | undefined
}

/**
 * Asks the coordinator until it has heard of this very process, for a bounded time. Rejects where the process ends
 * meanwhile: what the coordinator tells it may be the reason, such as that it is of another cluster.
 */
async function heardOf(
  folder: DataFolder,
  coordinator: string,
  { address, supervision }: StartedNode,
  logStart: number,
): Promise<Known> {
  const { setTimeout: delay } = await import('node:timers/promises')
  const { nodeInFolder } = await import('../local/node-process.js')
  const { lastMessage } = await import('../local/log-file.js')
  return await withInspector({ timeout: 2_000 }, async inspector => {
    const deadline = performance.now() + KNOWN_MS_MAX
    let heardAt: number | undefined
    for (;;) {
      const self = await inspector.nodeStatus(address).catch(() => undefined)
      const list = await inspector.listNodes(coordinator).catch(() => undefined)
      const info = list?.nodes.find(node => node.address === address)
      if (info?.state === 'alive' && info.incarnation === self?.incarnation) heardAt ??= performance.now()
      const isJudged =
        heardAt !== undefined && (info?.fault !== '' || performance.now() - heardAt > FAULT_MS_MAX)
      // One that is to be started again may have to end once.
      const isGone = nodeInFolder(folder, address) === undefined
      if (isGone && (supervision !== 'restarts' || performance.now() > deadline)) {
        const reason = lastMessage(folder.logFile(nodeName(address)), logStart) ?? 'it did not say why'
        throw unavailable(`node ${address} listened, and then ended: ${reason}`)
      }
      if (isJudged || performance.now() > deadline || (list === undefined && !isGone)) {
        return { map: await inspector.shardMap(coordinator).catch(() => undefined), info }
      }
      await delay(100)
    }
  })
}

function startedText(
  { address, pid, supervision }: StartedNode,
  isNew: boolean,
  coordinator: string,
  known: Known | undefined,
): string {
  const what = isNew ? 'new node' : address === coordinator ? 'coordinator' : 'node'
  const owner = supervision === 'none' ? 'by itself: `varve down` ends it' : 'under `varve up`'
  const first = `${what} ${address} runs (pid ${pid}), ${owner}`
  return [first, ...(known === undefined ? [] : [standing(coordinator, known)])].join('\n')
}

function standing(coordinator: string, { map, info }: Known): string {
  if (map === undefined) return `the coordinator ${coordinator} does not answer: the node waits for it`
  if (info === undefined)
    return `the coordinator ${coordinator} has not heard of it yet: see \`varve node list\``
  if (info.fault !== '') return `the coordinator says of it: ${info.fault}`
  if (info.state !== 'alive') return `the coordinator has it as ${info.state}: see \`varve node list\``
  const short = map.shards.filter(shard => shard.members.length + shard.learners.length < shard.wanted)
  if (short.length > 0) {
    const names = short.map(shard => `${shard.name} (${shard.members.length} of ${shard.wanted})`)
    return `the coordinator knows it; replicas are missing of ${names.join(', ')}`
  }
  return 'the coordinator knows it; no shard lacks a replica now'
}
