/**
 * Makes faults, one after another and some at once, until the time is over. A seed decides kinds, targets and times;
 * when exactly the processes notice is theirs.
 */
import { setTimeout as delay } from 'node:timers/promises'
import { machineNowMs } from '../../tools/history/recording-client.js'
import { Random } from '../../tools/random.js'
import type { ChaosProcess } from './chaos-process.js'
import { type Fault, type FaultContext, makeFault } from './faults.js'
import type { FaultName } from './options.js'

/** A fault that was made; times of the history's clock. */
export interface MadeFault {
  readonly kind: FaultName
  readonly what: string
  readonly beganMs: number
  /** When its cause was gone, and for faults that need a whole cluster when it was whole again. */
  readonly endedMs: number
  /** Nothing else was done meanwhile, and all was well when it began. */
  readonly isAlone: boolean
}

export interface ScheduleOptions extends FaultContext {
  readonly faults: readonly FaultName[]
  readonly seed: number
  readonly durationMs: number
  readonly say: (line: string) => void
}

/** So many faults may overlap. */
const AT_ONCE = 2
/** How long to wait for a cluster with all of its members before a fault that needs one. */
const WHOLE_TIMEOUT_MS = 30_000
/** So often, and at most so long, the next fault comes when the cluster has come back from the last: else it is away. */
const CALM_CHANCE = 0.6
const CALM_TIMEOUT_MS = 8_000

export class Schedule {
  readonly made: MadeFault[] = []
  readonly #options: ScheduleOptions
  readonly #held = new Set<ChaosProcess>()
  readonly #endsAt: number
  #underWay = 0
  /** A fault that allows no other waits or is under way. */
  #isExclusive = false

  constructor(options: ScheduleOptions) {
    this.#options = options
    this.#endsAt = performance.now() + options.durationMs
  }

  /** Resolves when the time is over and the last fault has ended. */
  async run(): Promise<void> {
    const { seed } = this.#options
    await Promise.all(Array.from({ length: AT_ONCE }, (_, at) => this.#slot(new Random(seed, `slot ${at}`))))
  }

  get #isOver(): boolean {
    return performance.now() >= this.#endsAt
  }

  async #slot(random: Random): Promise<void> {
    while (!this.#isOver) {
      if (random.chance(CALM_CHANCE)) await this.#calm()
      await delay(random.between(200, 2_500))
      if (this.#isOver) return
      if (this.#isExclusive) continue
      const { cluster, faults } = this.#options
      const free = cluster.processes.filter(each => !this.#held.has(each) && each.isRunning)
      const fault = makeFault(random.pick(faults), this.#options, random, free)
      if (fault === undefined) continue
      if (fault.needsWhole) await this.#alone(fault)
      else await this.#make(fault, false)
    }
  }

  async #calm(): Promise<void> {
    const leftMs = this.#endsAt - performance.now()
    await this.#options.cluster.whole(Math.min(CALM_TIMEOUT_MS, leftMs)).catch(() => {})
  }

  /** Waits until nothing else is under way and the cluster is whole, makes it, and waits until it is whole again. */
  async #alone(fault: Fault): Promise<void> {
    const { cluster, say } = this.#options
    this.#isExclusive = true
    try {
      while (this.#underWay > 0 && !this.#isOver) await delay(20)
      if (this.#isOver) return
      try {
        await cluster.whole(WHOLE_TIMEOUT_MS)
      } catch (error) {
        return say(`${fault.kind} left out: ${(error as Error).message}`)
      }
      await this.#make(fault, true)
    } finally {
      this.#isExclusive = false
    }
  }

  async #make(fault: Fault, isAlone: boolean): Promise<void> {
    const { say, cluster } = this.#options
    for (const each of fault.holds) this.#held.add(each)
    this.#underWay += 1
    const beganMs = machineNowMs()
    try {
      const more = await fault.begin()
      const what = more === undefined ? fault.what : `${fault.what}: ${more}`
      say(`${fault.kind} ${what}, ${(fault.lastsMs / 1_000).toFixed(1)} s`)
      await delay(fault.lastsMs)
      await fault.end()
      if (isAlone) {
        await cluster.whole(WHOLE_TIMEOUT_MS).catch(error => say(`after ${fault.kind}: ${error.message}`))
      }
      this.made.push({ kind: fault.kind, what, beganMs, endedMs: machineNowMs(), isAlone })
    } finally {
      this.#underWay -= 1
      for (const each of fault.holds) this.#held.delete(each)
    }
  }
}
