/** What all simulated processes share: the world around them, and how they begin and end. */
import type { Random } from '../../../tools/random.js'
import type { Network } from './network.js'
import { Life, type Schedule } from './schedule.js'
import type { Trace } from './trace.js'

export interface World {
  readonly schedule: Schedule
  readonly network: Network
  readonly trace: Trace
  /** Decides when disks are done, who is slow, what a crash loses. */
  readonly random: Random
  /** Something that must never happen did. */
  readonly violation: (what: string) => void
}

/** A process that may die and be started again at the same address. */
export abstract class SimProcess {
  readonly address: string
  readonly clock = { aheadMs: 0 }
  protected readonly world: World
  #life: Life | undefined
  #lives = 0
  #isSuperseded = false

  constructor(address: string, world: World) {
    this.address = address
    this.world = world
  }

  get life(): Life | undefined {
    return this.#life?.isDead ? undefined : this.#life
  }

  get isUp(): boolean {
    return this.life !== undefined
  }

  get isPaused(): boolean {
    return this.life?.isPaused === true
  }

  /** Starts a new life, if there is none. */
  start(): void {
    if (this.isUp || this.#isSuperseded) return
    this.#lives += 1
    const life = new Life(`${this.address}#${this.#lives}`, this.clock)
    this.#life = life
    this.world.trace.note(`${this.address}: starts`)
    this.run(() => this.begin(life))
  }

  pause(): void {
    if (this.life !== undefined) this.life.isPaused = true
  }

  resume(): void {
    if (this.life?.isPaused) this.world.schedule.resume(this.life)
  }

  /** The process ends at once. */
  kill(): void {
    const { life } = this
    if (life === undefined) return
    life.isDead = true
    this.ended(life)
    this.world.network.died(this.address, life)
  }

  /** Another process takes its place: this one is not started again when it ends. */
  supersede(): void {
    this.#isSuperseded = true
  }

  /** Does something as this process, in an event of its own. */
  run(action: () => void): void {
    this.world.schedule.after(this.life, 0, action)
  }

  /** The code of the process begins to run. */
  protected abstract begin(life: Life): void

  /** The process is dead: what it had in memory is gone. */
  protected abstract ended(life: Life): void
}
