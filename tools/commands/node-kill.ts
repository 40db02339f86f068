/** `varve node kill`: ends a node's process on this machine, at once or cleanly. */

import { type Command, Option } from 'commander'
import type { Inspector } from '../../src/client/inspector.js'
import type { ShardMap } from '../../src/generated/varve/v1/cluster.js'
import { durationMs } from '../arguments.js'
import { findShardMap, type GlobalOptions, withInspector } from '../connect.js'
import { badUsage, CommandError, ExitCode, unavailable } from '../exit-codes.js'
import { DataFolder } from '../local/data-folder.js'
import type { NodeProcess } from '../local/node-process.js'
import { printObject } from '../output.js'
import {
  addressOfRole,
  type HeldRole,
  nodesInMap,
  parseTarget,
  rolesAt,
  rolesText,
  shardNamed,
} from '../replica-role.js'
import { type FolderCluster, folderCluster, requireSameCluster } from './node-options.js'
import { DEFAULT_DATA } from './up.js'

/** Somebody who wants a process killed should not wait for one that hangs. */
const ASK_TIMEOUT_MS_MAX = 3_000

interface KillOptions extends GlobalOptions {
  readonly shard?: string
  readonly clean?: boolean
  readonly data: string
  readonly grace: number
}

/** Who is meant, and what it is to the shards. */
interface Meant {
  readonly address: string
  /** Undefined where no process of the cluster answered. */
  readonly map: ShardMap | undefined
}

export function addNodeKill(node: Command): void {
  node
    .command('kill')
    .description("end a node's process on this machine: at once, or with --clean in order")
    .argument('<who>', 'HEAD, MIDDLE, TAIL or LEAF of a shard, or the address of a node')
    .option('--shard <name>', 'whose HEAD, MIDDLE, TAIL or LEAF')
    .option('--clean', 'let it flush and say goodbye first')
    .option('--grace <time>', 'how long a clean end may take', durationMs, 10_000)
    .addOption(
      new Option('--data <folder>', 'where the cluster lives').env('VARVE_DATA').default(DEFAULT_DATA),
    )
    .addHelpText('after', '\nThe `varve up` of that cluster starts it again, unless told --no-restart.')
    .action((who: string, _options, command: Command) => kill(who, command))
}

async function kill(who: string, command: Command): Promise<void> {
  const options = command.optsWithGlobals<KillOptions>()
  const target = parseTarget(who)
  const folder = new DataFolder(options.data)
  const cluster = await folderCluster(folder, command)
  await withInspector({ timeout: Math.min(options.timeout, ASK_TIMEOUT_MS_MAX) }, async inspector => {
    const { address, map } = await whoIsMeant(inspector, target, options, cluster)
    const found = await findProcess(inspector, address, folder, cluster)
    const roles = map === undefined ? [] : rolesAt(map, address)
    const { endNode } = await import('../local/node-process.js')
    const follows = await whatFollows(found)
    await endNode(found, options.clean ?? false, options.grace)
    await tell(options, found, roles, map !== undefined, follows)
  })
}

async function whoIsMeant(
  inspector: Inspector,
  target: ReturnType<typeof parseTarget>,
  options: KillOptions,
  cluster: FolderCluster,
): Promise<Meant> {
  const isNeeded = target.kind === 'role' || options.shard !== undefined
  const map = await findShardMap(inspector, cluster.endpoints).catch(error => {
    if (isNeeded) throw error
    return undefined
  })
  if (map !== undefined) requireSameCluster(cluster, map)
  if (target.kind === 'role') {
    return { address: addressOfRole(shardNamed(map!, options.shard, `the ${target.role}`), target.role), map }
  }
  const { address } = target
  checkIsNode(address, map, cluster)
  if (options.shard !== undefined) {
    const shard = shardNamed(map!, options.shard, address)
    if (!rolesAt(map!, address).some(role => role.shard === shard.name)) {
      const members = shard.members.map(member => member.address).join(', ')
      throw badUsage(`${address} holds no replica of ${shard.name}, which is at ${members}`)
    }
  }
  return { address, map }
}

/** Nodes that hold nothing are in the folder's configuration alone; others may be in the map alone. */
function checkIsNode(address: string, map: ShardMap | undefined, cluster: FolderCluster): void {
  const coordinator = map?.coordinator ?? cluster.config?.coordinator
  const nodes = [...new Set([...(map === undefined ? [] : nodesInMap(map)), ...cluster.nodes])].sort()
  if (address === coordinator) {
    throw badUsage(`${address} is the coordinator, expected a node: ${nodes.join(', ')}`)
  }
  // Without a folder of its own, a node that holds nothing is known to the coordinator alone: it is asked itself.
  if (nodes.includes(address) || cluster.config === undefined) return
  throw badUsage(`${address} is no node of this cluster, which has ${nodes.join(', ')}`)
}

async function findProcess(
  inspector: Inspector,
  address: string,
  folder: DataFolder,
  cluster: FolderCluster,
): Promise<NodeProcess> {
  const { nodeByStatus, nodeInFolder } = await import('../local/node-process.js')
  const local = cluster.config === undefined ? undefined : nodeInFolder(folder, address)
  if (local !== undefined) return local
  const status = await inspector.nodeStatus(address).catch(() => undefined)
  if (status === undefined && cluster.nodes.includes(address)) {
    throw new CommandError(
      ExitCode.NO,
      `node ${address} does not run: \`varve node start ${address}\` starts it`,
    )
  }
  if (status === undefined) throw unavailable(`nobody answers at ${address}, and ${cluster.absence}`)
  const found = status.role === 'node' && status.address === address ? nodeByStatus(status) : undefined
  if (found !== undefined) return found
  throw unavailable(
    `node ${address} says that it has pid ${status.pid}, which is not its process on this machine: kill it where it runs`,
  )
}

async function whatFollows(node: NodeProcess): Promise<'none' | 'restarts' | 'leaves'> {
  const { folderOf } = await import('../local/node-process.js')
  const { supervision } = await import('../local/pid-file.js')
  const folder = folderOf(node)
  return folder === undefined ? 'none' : supervision(folder)
}

async function tell(
  options: KillOptions,
  { address, pid }: NodeProcess,
  roles: readonly HeldRole[],
  isMapKnown: boolean,
  follows: 'none' | 'restarts' | 'leaves',
): Promise<void> {
  const clean = options.clean ?? false
  const held = roles.length > 0 ? rolesText(roles) : isMapKnown ? 'held no replica' : 'roles unknown'
  const next =
    follows === 'restarts' ? '`varve up` starts it again' : `\`varve node start ${address}\` starts it again`
  await printObject(
    options.output,
    { address, pid, clean, signal: clean ? 'SIGTERM' : 'SIGKILL', roles, restarts: follows === 'restarts' },
    () => `${clean ? 'ended' : 'killed'} ${address} (pid ${pid}): ${held}; ${next}`,
  )
}
