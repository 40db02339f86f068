/** Calls that only the coordinator answers, and waits for what it then does. */

import { setTimeout as delay } from 'node:timers/promises'
import type { Inspector } from '../src/client/inspector.js'
import type { Shard, ShardMap } from '../src/generated/varve/v1/cluster.js'
import { codeOf, unavailable } from './exit-codes.js'

const POLL_MS = 100

/** The part of an inspector that waits need. */
export type MapSource = Pick<Inspector, 'shardMap'>

/** Lets `ask` call the coordinator that the map names. Says so where it is down: only changes need it. */
export async function askCoordinator<T>(map: ShardMap, ask: (coordinator: string) => Promise<T>): Promise<T> {
  const { coordinator } = map
  if (coordinator === '') throw unavailable('the cluster does not say who its coordinator is: try again')
  try {
    return await ask(coordinator)
  } catch (error) {
    const code = codeOf(error)
    if (code !== 'UNAVAILABLE' && code !== 'DEADLINE_EXCEEDED') throw error
    const reason = (error as Error).message
    throw unavailable(`the coordinator ${coordinator} is needed for this: ${reason}`)
  }
}

/** What to wait for. */
export interface MapWait {
  readonly coordinator: string
  readonly waitMs: number
  /** Called with each map seen; true ends the wait. */
  isDone(map: ShardMap): boolean | Promise<boolean>
}

/**
 * Follows the coordinator's map until something is so. The last map seen, and whether it became so in time; a
 * coordinator that does not answer is asked again. Rejects only if it never answered.
 */
export async function waitForMap(
  source: MapSource,
  { coordinator, waitMs, isDone }: MapWait,
): Promise<{ readonly map: ShardMap; readonly isDone: boolean }> {
  const deadline = performance.now() + waitMs
  let last: ShardMap | undefined
  let problem: unknown
  for (;;) {
    try {
      last = await source.shardMap(coordinator)
      if (await isDone(last)) return { map: last, isDone: true }
    } catch (error) {
      problem = error
    }
    if (performance.now() >= deadline) {
      if (last === undefined) throw problem
      return { map: last, isDone: false }
    }
    await delay(POLL_MS)
  }
}

/** True once a node is neither member nor learner of any of the shards, and no change of them is under way. */
export function hasLeft(map: ShardMap, address: string, shards: readonly string[]): boolean {
  return shardsOf(map, shards).every(
    shard => shard.status !== 'PROPOSED' && !holdsPart(shard, address) && !isLearner(shard, address),
  )
}

/** True once a node counts in each of the shards. */
export function hasJoined(map: ShardMap, address: string, shards: readonly string[]): boolean {
  return shardsOf(map, shards).every(shard => shard.status === 'ACTIVE' && holdsPart(shard, address))
}

/** True once a node that may hold replicas of these shards is in all that want one more. */
export function hasFoundPlace(map: ShardMap, address: string, shards: readonly string[]): boolean {
  return shardsOf(map, shards).every(
    shard =>
      hasJoined(map, address, [shard.name]) ||
      (shard.status === 'ACTIVE' && shard.members.length >= shard.wanted && !isLearner(shard, address)),
  )
}

/** The shards of those names, as far as the map has them. */
export function shardsOf(map: ShardMap, names: readonly string[]): Shard[] {
  return map.shards.filter(shard => names.includes(shard.name))
}

/** What a shard's state is, in words. */
export function stateOf(shard: Shard): string {
  return shard.waitingFor === '' ? shard.status : `${shard.status}: ${shard.waitingFor}`
}

function holdsPart(shard: Shard, address: string): boolean {
  return shard.members.some(member => member.address === address)
}

function isLearner(shard: Shard, address: string): boolean {
  return shard.learners.some(learner => learner.address === address)
}
