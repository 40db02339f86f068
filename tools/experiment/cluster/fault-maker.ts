/** Carries out a timeline on a cluster, each fault when its time has come, and tells what became of it. */

import { setTimeout as delay } from 'node:timers/promises'
import type { Inspector } from '../../../src/client/inspector.js'
import type { ShardMap } from '../../../src/generated/varve/v1/cluster.js'
import { findShardMap } from '../../connect.js'
import { hasLeft, waitForMap } from '../../coordinator.js'
import { errorLine, unavailable } from '../../exit-codes.js'
import { machineNowMs } from '../../history/recording-client.js'
import { addressOfRole, shardNamed } from '../../replica-role.js'
import type { Fault } from '../description/fault.js'
import type { FaultEvent } from '../record/events.js'
import type { ExperimentCluster } from './experiment-cluster.js'

/** A leave drains first. */
const LEAVE_MS_MAX = 30_000

export interface FaultMakerOptions {
  readonly cluster: ExperimentCluster
  readonly inspector: Inspector
  /** Milliseconds since the run's zero. */
  readonly sinceZeroMs: () => number
  /** Called when a fault is done, or could not be; `monotonicMs` is when it was begun. */
  readonly onFault: (fault: Omit<FaultEvent, 'type' | 'run' | 'atMs'>, monotonicMs: number) => void
}

/** Who a fault is done to; the shard where a role in it was meant. */
interface Meant {
  readonly address: string
  readonly shard?: string
}

export class FaultMaker {
  readonly #options: FaultMakerOptions
  readonly #down = new Set<string>()
  readonly #paused = new Set<string>()
  readonly #left = new Set<string>()
  readonly #underWay = new Set<Promise<void>>()

  constructor(options: FaultMakerOptions) {
    this.#options = options
  }

  /** Nodes that left by the timeline's wish and have not joined since. */
  get left(): ReadonlySet<string> {
    return this.#left
  }

  /**
   * Makes all faults in time; resolves when all have been begun. One that takes long holds no later one up. What fails is
   * told and is no error: the cluster may not be as the timeline's author thought. Where the signal aborts, those that are
   * left are told as not made.
   */
  async run(faults: readonly Fault[], signal: AbortSignal): Promise<void> {
    for (const fault of faults) {
      const waitMs = fault.atMs - this.#options.sinceZeroMs()
      if (waitMs > 0) await delay(waitMs, undefined, { signal }).catch(() => {})
      if (signal.aborted) this.#tell(fault, { address: '' }, machineNowMs(), 'the load had ended before')
      else for (const target of await this.#targets(fault)) this.#begin(fault, target)
    }
  }

  /** Resolves when all that was begun is done, or has failed. */
  async settled(): Promise<void> {
    await Promise.all(this.#underWay)
  }

  /** Undoes what still holds: starts who is down, wakes who is silent. Resolves when that is done. */
  async heal(): Promise<void> {
    await this.settled()
    const { cluster } = this.#options
    for (const address of this.#paused) await cluster.resume(address).catch(() => {})
    this.#paused.clear()
    const down = await Promise.all(
      [...this.#down].map(async each => ((await cluster.isRunning(each)) ? undefined : each)),
    )
    await Promise.all(down.filter(each => each !== undefined).map(each => cluster.start(each)))
    this.#down.clear()
  }

  async #targets(fault: Fault): Promise<Meant[]> {
    try {
      return await this.#find(fault)
    } catch (error) {
      this.#tell(fault, { address: '' }, machineNowMs(), errorLine(error))
      return []
    }
  }

  async #find({ action, target, shard }: Fault): Promise<Meant[]> {
    const { cluster } = this.#options
    switch (target.kind) {
      case 'coordinator':
        return [{ address: cluster.coordinator }]
      case 'address':
        return [{ address: target.address }]
      case 'number':
        return [{ address: cluster.nodes[target.number - 1]! }]
      case 'all':
        return [...this.#down].map(address => ({ address }))
      case 'last': {
        const from = action === 'start' ? this.#down : action === 'resume' ? this.#paused : this.#left
        const last = [...from].at(-1)
        if (last === undefined) throw unavailable('nobody is there to do it to')
        return [{ address: last }]
      }
      case 'role': {
        const map = await this.#map()
        const named = shardNamed(map, shard ?? map.shards[0]?.name, target.role)
        return [{ address: addressOfRole(named, target.role), shard: named.name }]
      }
    }
  }

  #begin(fault: Fault, meant: Meant): void {
    const begunMs = machineNowMs()
    const done = this.#act(fault, meant.address).then(
      () => this.#tell(fault, meant, begunMs),
      error => this.#tell(fault, meant, begunMs, errorLine(error)),
    )
    this.#underWay.add(done)
    void done.then(() => this.#underWay.delete(done))
  }

  async #act({ action }: Fault, address: string): Promise<void> {
    const { cluster } = this.#options
    if (action === 'leave') return this.#leave(address)
    if (action === 'join') return this.#join(address)
    if (action === 'pause') {
      this.#paused.add(address)
      return cluster.pause(address)
    }
    if (action === 'resume') {
      this.#paused.delete(address)
      return cluster.resume(address)
    }
    if (action === 'start') {
      this.#down.delete(address)
      return cluster.start(address)
    }
    this.#paused.delete(address)
    this.#down.add(address)
    return cluster.end(address, action === 'stop')
  }

  async #leave(address: string): Promise<void> {
    const { inspector, cluster } = this.#options
    const { coordinator } = cluster
    this.#left.add(address)
    const { shards } = await inspector
      .leave(coordinator, { address, shard: '', force: false })
      .catch(error => {
        this.#left.delete(address)
        throw error
      })
    const isDone = (map: ShardMap) => hasLeft(map, address, shards)
    const end = await waitForMap(inspector, { coordinator, waitMs: LEAVE_MS_MAX, isDone })
    if (!end.isDone) throw unavailable(`${address} is still a member after ${LEAVE_MS_MAX / 1_000} s`)
  }

  async #join(address: string): Promise<void> {
    const { inspector, cluster } = this.#options
    await inspector.join(cluster.coordinator, { address, shard: '' })
    this.#left.delete(address)
  }

  #map(): Promise<ShardMap> {
    const { cluster, inspector } = this.#options
    return findShardMap(inspector, [cluster.coordinator, ...cluster.nodes])
  }

  #tell(fault: Fault, { address, shard = '' }: Meant, begunMs: number, problem?: string): void {
    const { action, targetText: target } = fault
    const what = { action, target, node: address, shard, tookMs: machineNowMs() - begunMs }
    this.#options.onFault(problem === undefined ? what : { ...what, problem }, begunMs)
  }
}
