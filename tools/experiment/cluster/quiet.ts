/** Waits until a cluster is whole again and all of its replicas hold the same, and reads what they hold. */

import { setTimeout as delay } from 'node:timers/promises'
import { Inspector } from '../../../src/client/inspector.js'
import type { Shard, ShardMap } from '../../../src/generated/varve/v1/cluster.js'
import {
  readOrphans,
  readReplicaLog,
  replicaDifference,
  type StampedEntry,
} from '../../history/replica-log.js'
import type { ExperimentCluster } from './experiment-cluster.js'

const POLL_MS = 100
/** A node that failed often waits before it comes back; one that is invited does not. */
const INVITE_EVERY_MS = 500
/** The first digest of many keys takes its time. */
const ASK_TIMEOUT_MS = 20_000

/** What a cluster holds once it is quiet. */
export interface FinalState {
  /** How many replicas hold the same; undefined with `problem`. */
  readonly replicas: number | undefined
  /** What they do not agree in, or who is missing, in words. */
  readonly problem: string | undefined
  /** Committed entries of all shards, each shard's as its head holds them. */
  readonly log: readonly StampedEntry[]
  /** What was cut off logs, on any node's disk; the same entry once for each disk. */
  readonly orphans: readonly StampedEntry[]
}

export interface QuietOptions {
  readonly cluster: ExperimentCluster
  /** Nodes that left by an operator's wish: they are not waited for. */
  readonly left: ReadonlySet<string>
  readonly waitMs: number
  readonly signal: AbortSignal
  /** First index of each shard's log that is of the run; all where none is named. */
  readonly since: Readonly<Record<string, number>>
}

/** Waits and reads. Nothing may be written meanwhile. Rejects only where the signal aborts or a head cannot be read. */
export async function finalState(options: QuietOptions): Promise<FinalState> {
  using inspector = new Inspector({ timeoutMs: ASK_TIMEOUT_MS })
  const { map, problem } = await quiet(inspector, options)
  const log: StampedEntry[] = []
  const orphans: StampedEntry[] = []
  for (const { name, head, members } of map.shards) {
    const reader = head === '' ? members[0]?.address : head
    if (reader !== undefined)
      log.push(...(await readReplicaLog(inspector, reader, name, options.since[name] ?? 0)).entries)
    for (const node of options.cluster.nodes) {
      orphans.push(...(await readOrphans(inspector, node, name).catch(() => [])))
    }
  }
  const replicas = map.shards.reduce((sum, { members }) => sum + members.length, 0)
  return { replicas: problem === undefined ? replicas : undefined, problem, log, orphans }
}

/** The next index of each shard's log. */
export async function logEnds(
  inspector: Inspector,
  cluster: ExperimentCluster,
): Promise<Record<string, number>> {
  const { shards } = await inspector.shardMap(cluster.coordinator)
  const ends = shards.map(async ({ name, head }) => {
    const { replicas } = await inspector.nodeStatus(head)
    return [name, (replicas.find(({ shard }) => shard === name)?.lastIndex ?? 0) + 1] as const
  })
  return Object.fromEntries(await Promise.all(ends))
}

async function quiet(
  inspector: Inspector,
  { cluster, left, waitMs, signal }: QuietOptions,
): Promise<{ readonly map: ShardMap; readonly problem: string | undefined }> {
  const deadline = performance.now() + waitMs
  let inviteAt = performance.now() + INVITE_EVERY_MS
  for (;;) {
    signal.throwIfAborted()
    const map = await inspector.shardMap(cluster.coordinator).catch(() => undefined)
    const problem =
      map === undefined
        ? `the coordinator ${cluster.coordinator} does not answer`
        : (lacks(map, cluster, left) ?? (await replicaDifference(inspector, map, address => address)))
    if (map !== undefined && problem === undefined) return { map, problem }
    if (performance.now() > deadline) {
      if (map === undefined) throw new Error(`after ${waitMs / 1_000} s ${problem}`)
      return { map, problem: `after ${waitMs / 1_000} s ${problem}` }
    }
    if (map !== undefined && performance.now() > inviteAt) {
      inviteAt = performance.now() + INVITE_EVERY_MS
      await invite(inspector, map, cluster, left)
    }
    await delay(POLL_MS, undefined, { signal })
  }
}

/** Which shard has not all of its members, in words. */
function lacks(
  { shards }: ShardMap,
  cluster: ExperimentCluster,
  left: ReadonlySet<string>,
): string | undefined {
  const short = shards.find(shard => shard.status !== 'ACTIVE' || missing(shard, cluster, left).length > 0)
  if (short === undefined) return undefined
  const { name, status, epoch, members, waitingFor } = short
  const wanted = members.length + missing(short, cluster, left).length
  return `${name} is ${status} in epoch ${epoch} with ${members.length} of ${wanted} members ${waitingFor}`.trimEnd()
}

function missing({ name, members }: Shard, cluster: ExperimentCluster, left: ReadonlySet<string>): string[] {
  const listed = cluster.shards[name] ?? []
  return listed.filter(each => !left.has(each) && !members.some(({ address }) => address === each))
}

async function invite(
  inspector: Inspector,
  map: ShardMap,
  cluster: ExperimentCluster,
  left: ReadonlySet<string>,
): Promise<void> {
  for (const shard of map.shards.filter(({ status }) => status === 'ACTIVE')) {
    const outside = missing(shard, cluster, left)
    const address = outside.find(each => !shard.learners.some(learner => learner.address === each))
    if (address === undefined) continue
    await inspector.join(cluster.coordinator, { address, shard: shard.name }).catch(() => {})
  }
}
