/** Waits until a cluster serves: all its shards have an active configuration. */

import { setTimeout as delay } from 'node:timers/promises'
import type { Inspector } from '../../src/client/inspector.js'
import type { ShardMap } from '../../src/generated/varve/v1/cluster.js'
import { unavailable } from '../exit-codes.js'

const POLL_MS = 100

/** What to wait for, and for how long. */
export interface ReadyOptions {
  readonly inspector: Inspector
  readonly coordinator: string
  readonly shardCount: number
  readonly waitMs: number
  readonly signal: AbortSignal
  /** Called with the number of shards that serve, whenever it has changed. */
  onActive(active: number): void
}

/** The shard map once all shards are active. Rejects when the time is over, saying what is still waited for. */
export async function waitUntilReady(options: ReadyOptions): Promise<ShardMap> {
  const deadline = performance.now() + options.waitMs
  let known = -1
  for (;;) {
    const map = await options.inspector.shardMap(options.coordinator).catch(() => undefined)
    const active = map?.shards.filter(shard => shard.status === 'ACTIVE').length ?? 0
    if (active !== known) options.onActive(active)
    known = active
    if (map !== undefined && active === options.shardCount) return map
    if (performance.now() >= deadline) throw unavailable(notReady(options, map, active))
    await delay(POLL_MS, undefined, { signal: options.signal })
  }
}

function notReady(options: ReadyOptions, map: ShardMap | undefined, active: number): string {
  const seconds = Math.round(options.waitMs / 1_000)
  if (map === undefined) return `the coordinator ${options.coordinator} did not answer within ${seconds} s`
  const shard = map.shards.find(each => each.status !== 'ACTIVE')
  const waits =
    shard === undefined ? '' : `; ${shard.name} is ${shard.status}: ${shard.waitingFor || 'no reason known'}`
  return `${active} of ${options.shardCount} shards serve after ${seconds} s${waits} (--wait gives it longer)`
}
