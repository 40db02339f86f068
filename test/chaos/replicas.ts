/** Reads what the replicas hold in the end, and waits until they hold the same. */
import { setTimeout as delay } from 'node:timers/promises'
import { VarveError } from '../../src/client/errors.js'
import { Inspector } from '../../src/client/inspector.js'
import type { ReplicaStatus } from '../../src/generated/varve/v1/cluster.js'
import { type Entry, Operation } from '../../src/generated/varve/v1/entry.js'
import type { LoggedEntry } from '../../tools/history/history-event.js'
import type { ChaosCluster } from './chaos-cluster.js'

/** The logs of one replica, and who led when. */
export interface ReplicaLog {
  readonly entries: LoggedEntry[]
  readonly heads: Record<string, string>
}

const PATIENCE_MS = 30_000

/** Rejects with what differs when the time is over. Nothing may be written meanwhile. */
export async function converged(cluster: ChaosCluster, timeoutMs: number): Promise<void> {
  const deadline = performance.now() + timeoutMs
  for (;;) {
    const problem = (await cluster.lacks()) ?? (await difference(cluster))
    if (problem === undefined) return
    if (performance.now() > deadline) throw new Error(problem)
    await delay(100)
  }
}

/** What keeps the replicas from being equal and committed, in words. */
async function difference(cluster: ChaosCluster): Promise<string | undefined> {
  using inspector = new Inspector({ timeoutMs: 2_000 })
  const map = await cluster.map()
  try {
    for (const { name, members } of map.shards) {
      const seen = new Map<string, string>()
      for (const { address } of members) {
        const { replicas } = await inspector.nodeStatus(address)
        const replica = replicas.find(({ shard }) => shard === name)
        if (replica === undefined) return `${cluster.nameOf(address)} holds no ${name}`
        const digest = await inspector.digest(address, name)
        const state = `${describeReplica(replica)}, digest ${digest.state.toString('hex').slice(0, 12)}`
        if (replica.commitIndex !== replica.lastIndex) {
          return `${name} on ${cluster.nameOf(address)} is not committed to its end: ${state}`
        }
        seen.set(state, cluster.nameOf(address))
      }
      if (seen.size > 1) {
        return `${name} differs: ${[...seen].map(([state, node]) => `${node} has ${state}`).join('; ')}`
      }
    }
  } catch (error) {
    return (error as Error).message
  }
  return undefined
}

function describeReplica({ lastIndex, commitIndex, lastHash }: ReplicaStatus): string {
  return `last ${lastIndex}, committed ${commitIndex}, hash ${lastHash.toString('hex').slice(0, 12)}`
}

/** The log of a shard as one replica holds it. */
export async function readReplicaLog(address: string, shard: string): Promise<ReplicaLog> {
  using inspector = new Inspector({ timeoutMs: PATIENCE_MS })
  const entries: LoggedEntry[] = []
  const heads: Record<string, string> = {}
  for await (const part of inspector.readLog(address, { shard, fromIndex: 0, toIndex: 0 })) {
    for (const entry of part.entries) {
      entries.push(loggedEntry(entry, shard))
      if (entry.operation !== Operation.EPOCH) continue
      const { head } = JSON.parse(entry.value.toString('utf8')) as { head: string }
      heads[`${shard}/${entry.position!.epoch}`] = head
    }
  }
  return { entries, heads }
}

/** What a node holds of a shard that was cut off its log. Empty where the node does not keep any. */
export async function readOrphans(address: string, shard: string): Promise<LoggedEntry[]> {
  using inspector = new Inspector({ timeoutMs: PATIENCE_MS })
  const orphans: LoggedEntry[] = []
  try {
    for await (const part of inspector.readOrphans(address, { shard })) {
      for (const entry of part.entries) orphans.push(loggedEntry(entry, shard))
    }
  } catch (error) {
    if (
      !(error instanceof VarveError) ||
      !['UNIMPLEMENTED', 'UNKNOWN_SHARD', 'NOT_MEMBER'].includes(error.code)
    ) {
      throw error
    }
  }
  return orphans
}

function loggedEntry(
  { position, operation, key, value, clientId, sequence }: Entry,
  shard: string,
): LoggedEntry {
  const { epoch, index } = position!
  const isSet = operation === Operation.SET
  const type = isSet ? 'set' : operation === Operation.DELETE ? 'delete' : 'other'
  return {
    shard,
    epoch,
    index,
    type,
    key: key.toString('utf8'),
    value: isSet ? value.toString('utf8') : null,
    ...(clientId.length === 0 || clientId.every(byte => byte === 0)
      ? {}
      : { request: `${clientId.toString('hex')}/${sequence}` }),
  }
}

/** Where two logs of a shard part, in words; undefined where they are the same. */
export function logDifference(
  one: readonly LoggedEntry[],
  other: readonly LoggedEntry[],
): string | undefined {
  const length = Math.max(one.length, other.length)
  for (let at = 0; at < length; at += 1) {
    const [a, b] = [JSON.stringify(one[at]), JSON.stringify(other[at])]
    if (a !== b) return `${a ?? 'nothing'} here, ${b ?? 'nothing'} there`
  }
  return undefined
}
