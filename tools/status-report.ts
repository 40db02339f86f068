/** What `varve status` says, of what was gathered from the coordinator and the processes. Nothing here asks anybody. */

import type {
  NodeInfo,
  NodeStatus,
  ReplicaStatus,
  Shard,
  ShardMap,
} from '../src/generated/varve/v1/cluster.js'
import { stateOf } from './coordinator.js'
import { type LearnerProgress, progressOf, progressText } from './learner-progress.js'
import { tableOf } from './output.js'
import { byteSize, count, duration, plural, wallTime } from './text.js'

/** A process and what it said, or why it said nothing. */
export interface ProcessLine {
  readonly address: string
  readonly status: NodeStatus | undefined
  readonly problem: string | undefined
}

/** All that is known of a cluster at one moment. */
export interface Gathered {
  readonly map: ShardMap
  /** The coordinator first. */
  readonly processes: readonly ProcessLine[]
  /** The nodes by the coordinator; undefined where it did not say. */
  readonly nodes: readonly NodeInfo[] | undefined
}

/** The report for programs. Fields stay as they are between versions; what is not known is null. */
export function statusObject(gathered: Gathered): object {
  const { map, processes } = gathered
  return {
    clusterId: map.clusterId,
    coordinator: map.coordinator,
    consistency: map.defaultConsistency,
    revision: map.revision,
    shards: map.shards.map(shard => shardObject(shard, processes)),
    nodes: processes.map(processObject),
    idle:
      idleNodes(gathered)?.map(({ address, state, left, fault }) => ({
        address,
        state,
        left,
        fault: fault === '' ? null : fault,
      })) ?? null,
  }
}

/** The report for people. */
export async function statusText(gathered: Gathered): Promise<string> {
  const { map, processes } = gathered
  const shardHeader = ['shard', 'epoch', 'status', 'topology', 'head', 'replicas', 'commit', 'last']
  const replicaHeader = ['shard', 'replica', 'role', 'follows', 'last', 'durable', 'commit', 'lag', 'keys']
  const processHeader = ['process', 'role', 'pid', 'up', 'memory', 'cpu', 'state']
  const shards = map.shards.map(shard => shardRow(shard, processes))
  const replicas = map.shards.flatMap(shard => replicaRows(shard, processes))
  return [
    `cluster ${map.clusterId}, coordinator ${map.coordinator}, ${map.defaultConsistency} by default`,
    '',
    await tableOf(shardHeader, shards, ['epoch', 'replicas', 'commit', 'last']),
    '',
    await tableOf(replicaHeader, replicas, ['last', 'durable', 'commit', 'lag', 'keys']),
    ...(await learnersText(map, processes)),
    '',
    await tableOf(processHeader, processes.map(processRow), ['pid', 'up', 'memory', 'cpu']),
    ...horizonsText(map, processes),
    ...remarks(gathered),
  ].join('\n')
}

function shardObject(shard: Shard, processes: readonly ProcessLine[]): object {
  const head = replicaOf(processes, shard.head, shard)
  return {
    shard: shard.name,
    ordinal: shard.ordinal,
    epoch: shard.epoch,
    status: shard.status,
    waitingFor: shard.waitingFor,
    topology: topologyName(shard),
    minInSync: shard.minInSync,
    wanted: wantedOf(shard),
    head: shard.head,
    commitIndex: head?.commitIndex ?? null,
    lastIndex: head?.lastIndex ?? null,
    horizon: horizonOf(head) ?? null,
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
        horizon: horizonOf(replica) ?? null,
      }
    }),
    learners: learnersOf(shard, processes).map(({ headIndex, percent, ...learner }) => ({
      ...learner,
      headIndex: headIndex ?? null,
      percent: percent ?? null,
    })),
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

function shardRow(shard: Shard, processes: readonly ProcessLine[]): string[] {
  const head = replicaOf(processes, shard.head, shard)
  return [
    shard.name,
    String(shard.epoch),
    stateOf(shard),
    topologyName(shard),
    shard.head,
    `${shard.members.length} of ${wantedOf(shard)} (needs ${shard.minInSync})`,
    numberText(head?.commitIndex),
    numberText(head?.lastIndex),
  ]
}

function replicaRows(shard: Shard, processes: readonly ProcessLine[]): string[][] {
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
}

async function learnersText(map: ShardMap, processes: readonly ProcessLine[]): Promise<string[]> {
  const rows = map.shards.flatMap(shard =>
    learnersOf(shard, processes).map(learner => [
      shard.name,
      learner.address,
      learner.upstream,
      progressText(learner),
    ]),
  )
  return rows.length === 0 ? [] : ['', await tableOf(['shard', 'learner', 'follows', 'has'], rows)]
}

function processRow({ address, status, problem }: ProcessLine): string[] {
  if (status === undefined) return [address, '', '', '', '', '', problem ?? 'unknown']
  const { role, pid, uptimeMs, memoryRssBytes } = status
  const cpu = `${cpuSeconds(status).toFixed(1)} s`
  return [address, role, String(pid), duration(uptimeMs), byteSize(memoryRssBytes), cpu, 'reachable']
}

/** Where a replica's history begins; undefined where it is unknown or has all of it. */
function horizonOf(replica: ReplicaStatus | undefined): { index: number; droppedMs: number } | undefined {
  if (replica === undefined || replica.baseIndex === 0) return undefined
  return { index: replica.baseIndex, droppedMs: replica.baseWrittenMs }
}

/** Of each shard whose head has dropped some of its history. */
function horizonsText(map: ShardMap, processes: readonly ProcessLine[]): string[] {
  const lines = map.shards.flatMap(shard => {
    const horizon = horizonOf(replicaOf(processes, shard.head, shard))
    if (horizon === undefined) return []
    const on = horizon.droppedMs === 0 ? '' : ` on ${wallTime(horizon.droppedMs)}`
    return [`history of ${shard.name} before index ${horizon.index} was dropped by retention${on}`]
  })
  return lines.length === 0 ? [] : ['', ...lines]
}

/** Lines below the tables, where there is something to remark. */
function remarks(gathered: Gathered): string[] {
  const gone = gathered.processes.filter(process => process.status === undefined).length
  const idle = (idleNodes(gathered) ?? []).map(({ address, state, left, fault }) => {
    const why = [
      state,
      ...(left.length > 0 ? [`left ${left.join(' ')}`] : []),
      ...(fault === '' ? [] : [fault]),
    ]
    return `node ${address} is in no shard (${why.join('; ')})`
  })
  const faults = (gathered.nodes ?? [])
    .filter(node => node.fault !== '' && !isIdle(gathered.map, node.address))
    .map(({ address, fault }) => `node ${address}: ${fault}`)
  const unanswered = gone === 0 ? [] : [`${plural(gone, 'process', 'processes')} did not answer`]
  const lines = [...idle, ...faults, ...unanswered]
  return lines.length === 0 ? [] : ['', ...lines]
}

/** Nodes that are neither member nor learner of any shard. */
function idleNodes({ map, nodes }: Gathered): NodeInfo[] | undefined {
  return nodes?.filter(({ address }) => isIdle(map, address))
}

function isIdle(map: ShardMap, address: string): boolean {
  return !map.shards.some(({ members, learners }) =>
    [...members, ...learners].some(replica => replica.address === address),
  )
}

function learnersOf(shard: Shard, processes: readonly ProcessLine[]): LearnerProgress[] {
  const head = replicaOf(processes, shard.head, shard)
  return shard.learners.map(learner => progressOf(learner, head?.lastIndex))
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

/** A coordinator of an older version does not say how many are wanted. */
function wantedOf(shard: Shard): number {
  return shard.wanted === 0 ? shard.members.length : shard.wanted
}

function topologyName(shard: Shard): string {
  return shard.topology === 2 ? 'star' : 'chain'
}

function cpuSeconds(status: NodeStatus): number {
  return (status.cpuUserUs + status.cpuSystemUs) / 1_000_000
}

function numberText(value: number | undefined): string {
  return value === undefined ? '?' : count(value)
}
