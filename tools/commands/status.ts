/** `varve status`: the shards, their replicas and the processes, as they see themselves now. */

import type { Command } from 'commander'
import type { Inspector } from '../../src/client/inspector.js'
import type { NodeStatus, ReplicaStatus, Shard, ShardMap } from '../../src/generated/varve/v1/cluster.js'
import { findShardMap, type GlobalOptions, withInspector } from '../connect.js'
import { printObject, tableOf } from '../output.js'
import { byteSize, count, duration, plural } from '../text.js'

/** Long enough for a busy process, short enough not to hold up a look at a broken cluster. */
const STATUS_TIMEOUT_MS_MAX = 3_000

/** A process and what it said, or why it said nothing. */
interface ProcessLine {
  readonly address: string
  readonly status: NodeStatus | undefined
  readonly problem: string | undefined
}

export function addStatus(program: Command): void {
  program
    .command('status')
    .description('show the shards, their replicas and the processes')
    .action((_options, command: Command) => status(command.optsWithGlobals<GlobalOptions>()))
}

async function status(options: GlobalOptions): Promise<void> {
  const timeout = Math.min(options.timeout, STATUS_TIMEOUT_MS_MAX)
  await withInspector({ timeout }, async inspector => {
    const map = await findShardMap(inspector, options.endpoints)
    const members = map.shards.flatMap(shard => shard.members.map(member => member.address))
    const addresses = [...new Set([map.coordinator, ...members.sort(byPort)])].filter(
      address => address !== '',
    )
    const processes = await Promise.all(addresses.map(address => ask(inspector, address)))
    const text = options.output === 'table' ? await statusText(map, processes) : ''
    await printObject(options.output, statusObject(map, processes), () => text)
  })
}

async function ask(inspector: Inspector, address: string): Promise<ProcessLine> {
  try {
    return { address, status: await inspector.nodeStatus(address), problem: undefined }
  } catch (error) {
    return { address, status: undefined, problem: (error as Error).message }
  }
}

function replicaOf(
  processes: readonly ProcessLine[],
  address: string,
  shard: Shard,
): ReplicaStatus | undefined {
  const found = processes.find(process => process.address === address)
  return found?.status?.replicas.find(replica => replica.ordinal === shard.ordinal)
}

/** Entries that a replica has yet to receive or make durable, by the head's own count. */
function lagOf(replica: ReplicaStatus | undefined, head: ReplicaStatus | undefined): number | undefined {
  if (replica === undefined || head === undefined) return undefined
  return Math.max(0, head.lastIndex - replica.durableIndex)
}

function topologyName(shard: Shard): string {
  return shard.topology === 2 ? 'star' : 'chain'
}

function statusObject(map: ShardMap, processes: readonly ProcessLine[]): object {
  return {
    clusterId: map.clusterId,
    coordinator: map.coordinator,
    consistency: map.defaultConsistency,
    revision: map.revision,
    shards: map.shards.map(shard => {
      const head = replicaOf(processes, shard.head, shard)
      return {
        shard: shard.name,
        ordinal: shard.ordinal,
        epoch: shard.epoch,
        status: shard.status,
        waitingFor: shard.waitingFor,
        topology: topologyName(shard),
        minInSync: shard.minInSync,
        head: shard.head,
        commitIndex: head?.commitIndex ?? null,
        lastIndex: head?.lastIndex ?? null,
        members: shard.members.map(({ address, upstream }) => {
          const replica = replicaOf(processes, address, shard)
          return {
            address,
            role: replica?.role ?? null,
            upstream: upstream === '' ? null : upstream,
            epoch: replica?.epoch ?? null,
            lastIndex: replica?.lastIndex ?? null,
            durableIndex: replica?.durableIndex ?? null,
            commitIndex: replica?.commitIndex ?? null,
            appliedIndex: replica?.appliedIndex ?? null,
            lag: lagOf(replica, head) ?? null,
            keys: replica?.keys ?? null,
          }
        }),
      }
    }),
    nodes: processes.map(processObject),
  }
}

function processObject({ address, status, problem }: ProcessLine): object {
  if (status === undefined) return { address, reachable: false, problem }
  return {
    address,
    reachable: true,
    role: status.role,
    pid: status.pid,
    incarnation: status.incarnation,
    uptimeMs: status.uptimeMs,
    memoryRssBytes: status.memoryRssBytes,
    cpuSeconds: cpuSeconds(status),
    version: status.version,
    dataDir: status.dataDir,
  }
}

async function statusText(map: ShardMap, processes: readonly ProcessLine[]): Promise<string> {
  const shards = map.shards.map(shard => {
    const head = replicaOf(processes, shard.head, shard)
    const members = shard.members.length
    return [
      shard.name,
      String(shard.epoch),
      shard.waitingFor === '' ? shard.status : `${shard.status}: ${shard.waitingFor}`,
      topologyName(shard),
      shard.head,
      `${members} (needs ${shard.minInSync})`,
      numberText(head?.commitIndex),
      numberText(head?.lastIndex),
    ]
  })
  const replicas = map.shards.flatMap(shard => {
    const head = replicaOf(processes, shard.head, shard)
    return shard.members.map(({ address, upstream }) => {
      const replica = replicaOf(processes, address, shard)
      const indexes = [
        replica?.lastIndex,
        replica?.durableIndex,
        replica?.commitIndex,
        lagOf(replica, head),
        replica?.keys,
      ]
      return [shard.name, address, replica?.role ?? 'unknown', upstream, ...indexes.map(numberText)]
    })
  })
  const shardHeader = ['shard', 'epoch', 'status', 'topology', 'head', 'replicas', 'commit', 'last']
  const replicaHeader = ['shard', 'replica', 'role', 'follows', 'last', 'durable', 'commit', 'lag', 'keys']
  const processHeader = ['process', 'role', 'pid', 'up', 'memory', 'cpu', 'state']
  return [
    `cluster ${map.clusterId}, coordinator ${map.coordinator}, ${map.defaultConsistency} by default`,
    '',
    await tableOf(shardHeader, shards, ['epoch', 'commit', 'last']),
    '',
    await tableOf(replicaHeader, replicas, ['last', 'durable', 'commit', 'lag', 'keys']),
    '',
    await tableOf(processHeader, processes.map(processRow), ['pid', 'up', 'memory', 'cpu']),
    unreachableLine(processes),
  ].join('\n')
}

function processRow({ address, status, problem }: ProcessLine): string[] {
  if (status === undefined) return [address, '', '', '', '', '', problem ?? 'unknown']
  const { role, pid, uptimeMs, memoryRssBytes } = status
  const cpu = `${cpuSeconds(status).toFixed(1)} s`
  return [address, role, String(pid), duration(uptimeMs), byteSize(memoryRssBytes), cpu, 'reachable']
}

function unreachableLine(processes: readonly ProcessLine[]): string {
  const gone = processes.filter(process => process.status === undefined).length
  return gone === 0 ? '' : `\n${plural(gone, 'process', 'processes')} did not answer`
}

function cpuSeconds(status: NodeStatus): number {
  return (status.cpuUserUs + status.cpuSystemUs) / 1_000_000
}

function numberText(value: number | undefined): string {
  return value === undefined ? '?' : count(value)
}

/** Sorts addresses by host, then by the number of the port. */
function byPort(a: string, b: string): number {
  const [hostA, portA] = [a.slice(0, a.lastIndexOf(':')), Number(a.slice(a.lastIndexOf(':') + 1))]
  const [hostB, portB] = [b.slice(0, b.lastIndexOf(':')), Number(b.slice(b.lastIndexOf(':') + 1))]
  return hostA === hostB ? portA - portB : hostA < hostB ? -1 : 1
}
