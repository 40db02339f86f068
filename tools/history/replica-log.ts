/** What replicas hold in the end: their logs, what was cut off them, and whether they are alike. */

import { VarveError } from '../../src/client/errors.js'
import type { Inspector } from '../../src/client/inspector.js'
import type { ReplicaStatus, ShardMap } from '../../src/generated/varve/v1/cluster.js'
import { type Entry, Operation } from '../../src/generated/varve/v1/entry.js'
import type { LoggedEntry } from './history-event.js'

/** An entry with the stamps that its head gave it. */
export interface StampedEntry extends LoggedEntry {
  readonly lamport: number
  /** Epoch ms. */
  readonly wallMs: number
}

/** The log of one replica, and who led when. */
export interface ReplicaLog {
  readonly entries: StampedEntry[]
  /** By `shard/epoch`. */
  readonly heads: Record<string, string>
}

/** How a node is called in messages. */
export type NodeNames = (address: string) => string

/** What keeps the members of all shards from being equal and committed to the end, in words; undefined where nothing does. */
export async function replicaDifference(
  inspector: Inspector,
  map: ShardMap,
  nameOf: NodeNames,
): Promise<string | undefined> {
  try {
    for (const { name, members } of map.shards) {
      const states = await Promise.all(
        members.map(({ address }) => stateOf(inspector, address, name, nameOf(address))),
      )
      const problem = states.find(({ problem }) => problem !== undefined)?.problem
      if (problem !== undefined) return problem
      const seen = new Map(states.map(({ state, node }) => [state, node]))
      if (seen.size > 1) {
        return `${name} differs: ${[...seen].map(([state, node]) => `${node} has ${state}`).join('; ')}`
      }
    }
  } catch (error) {
    return (error as Error).message
  }
  return undefined
}

async function stateOf(inspector: Inspector, address: string, shard: string, node: string) {
  const [{ replicas }, digest] = await Promise.all([
    inspector.nodeStatus(address),
    inspector.digest(address, shard),
  ])
  const replica = replicas.find(each => each.shard === shard)
  if (replica === undefined) return { node, state: '', problem: `${node} holds no ${shard}` }
  const state = `${describeReplica(replica)}, digest ${digest.state.toString('hex').slice(0, 12)}`
  const isWhole = replica.commitIndex === replica.lastIndex
  const problem = isWhole ? undefined : `${shard} on ${node} is not committed to its end: ${state}`
  return { node, state, problem }
}

function describeReplica({ lastIndex, commitIndex, lastHash }: ReplicaStatus): string {
  return `last ${lastIndex}, committed ${commitIndex}, hash ${lastHash.toString('hex').slice(0, 12)}`
}

/** The log of a shard as one replica holds it, from an index on. */
export async function readReplicaLog(
  inspector: Inspector,
  address: string,
  shard: string,
  fromIndex = 0,
): Promise<ReplicaLog> {
  const entries: StampedEntry[] = []
  const heads: Record<string, string> = {}
  for await (const part of inspector.readLog(address, { shard, fromIndex, toIndex: 0 })) {
    for (const entry of part.entries) {
      // A record comes whole.
      if (entry.position!.index < fromIndex) continue
      entries.push(stampedEntry(entry, shard))
      if (entry.operation !== Operation.EPOCH) continue
      const { head } = JSON.parse(entry.value.toString('utf8')) as { head: string }
      heads[`${shard}/${entry.position!.epoch}`] = head
    }
  }
  return { entries, heads }
}

/** What a node holds of a shard that was cut off its log. Empty where the node does not keep any. */
export async function readOrphans(
  inspector: Inspector,
  address: string,
  shard: string,
): Promise<StampedEntry[]> {
  const orphans: StampedEntry[] = []
  try {
    for await (const part of inspector.readOrphans(address, { shard })) {
      for (const entry of part.entries) orphans.push(stampedEntry(entry, shard))
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

function stampedEntry(
  { position, operation, key, value, clientId, sequence }: Entry,
  shard: string,
): StampedEntry {
  const { epoch, index, stamp } = position!
  const isSet = operation === Operation.SET
  const type = isSet ? 'set' : operation === Operation.DELETE ? 'delete' : 'other'
  return {
    shard,
    epoch,
    index,
    type,
    key: key.toString('utf8'),
    value: isSet ? value.toString('utf8') : null,
    lamport: stamp?.lamport ?? 0,
    wallMs: stamp?.wallMs ?? 0,
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
