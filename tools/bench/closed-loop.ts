/**
 * A closed loop: a fixed number of operations is outstanding all the time, each answered one is followed by the
 * next. What it reports is what the system under load gave, not what was asked of it.
 */

import { LatencyRecorder } from './latency.js'

/** Up to so many outstanding every operation's latency is taken; beyond, the clock would cost too much of it. */
const TIMED_FULLY_MAX = 512
const TIMED_EVERY = 8

export interface LoopOptions {
  readonly outstanding: number
  readonly warmUpMs: number
  readonly windowMs: number
  /** Starts the next operation. A rejection ends the loop; an answer of undefined counts as empty. */
  readonly issue: () => Promise<unknown>
  /** Called when the warm-up is over and measuring begins. */
  readonly onWindow: () => void
}

export interface LoopResult {
  /** Answered within the window. */
  readonly operations: number
  /** Those of them that were answered with undefined. */
  readonly empty: number
  readonly windowMs: number
  readonly p50Us: number
  readonly p99Us: number
  readonly longestUs: number
  /** CPU of this process within the window, seconds. */
  readonly cpuSeconds: number
}

/**
 * Runs the loop for warm-up and window, then waits for what is still outstanding. Rejects with the first error
 * of an operation: a benchmark that lost some has measured nothing.
 */
export async function runClosedLoop(options: LoopOptions): Promise<LoopResult> {
  const loop = new ClosedLoop(options)
  return loop.run()
}

class ClosedLoop {
  readonly #options: LoopOptions
  readonly #latency = new LatencyRecorder()
  readonly #timedEvery: number
  #issued = 0
  #answered = 0
  #empty = 0
  #isOver = false
  #end: () => void = () => {}

  constructor(options: LoopOptions) {
    this.#options = options
    this.#timedEvery = options.outstanding <= TIMED_FULLY_MAX ? 1 : TIMED_EVERY
  }

  async run(): Promise<LoopResult> {
    const { outstanding, warmUpMs, windowMs, onWindow } = this.#options
    const lanes = Promise.all(Array.from({ length: outstanding }, () => this.#lane()))
    // Nobody may await it before the window is over; it is awaited below in any case.
    lanes.catch(() => this.#end())
    await this.#pause(warmUpMs)
    onWindow()
    this.#latency.reset()
    this.#answered = 0
    this.#empty = 0
    const cpu = process.cpuUsage()
    const begun = performance.now()
    await this.#pause(windowMs)
    const operations = this.#answered
    const empty = this.#empty
    const elapsedMs = performance.now() - begun
    const { user, system } = process.cpuUsage(cpu)
    const result = {
      operations,
      empty,
      windowMs: elapsedMs,
      p50Us: this.#latency.percentileUs(50),
      p99Us: this.#latency.percentileUs(99),
      longestUs: this.#latency.percentileUs(100),
      cpuSeconds: (user + system) / 1e6,
    }
    this.#isOver = true
    await lanes
    return result
  }

  async #lane(): Promise<void> {
    const { issue } = this.#options
    try {
      while (!this.#isOver) {
        if (this.#issued++ % this.#timedEvery === 0) {
          const begun = performance.now()
          if ((await issue()) === undefined) this.#empty++
          this.#latency.record(performance.now() - begun)
        } else if ((await issue()) === undefined) {
          this.#empty++
        }
        this.#answered++
      }
    } catch (error) {
      this.#isOver = true
      throw error
    }
  }

  /** A time that is cut short by the first error. */
  #pause(ms: number): Promise<void> {
    if (this.#isOver) return Promise.resolve()
    return new Promise(resolve => {
      const timer = setTimeout(resolve, ms)
      this.#end = () => {
        clearTimeout(timer)
        resolve()
      }
    })
  }
}

/** Performs operations 0 to `count` - 1, each once, with so many outstanding. Rejects with the first error. */
export async function runAll(
  count: number,
  outstanding: number,
  perform: (number: number) => Promise<unknown>,
): Promise<void> {
  let next = 0
  let isOver = false
  const lane = async () => {
    try {
      while (next < count && !isOver) await perform(next++)
    } catch (error) {
      isOver = true
      throw error
    }
  }
  await Promise.all(Array.from({ length: outstanding }, lane))
}
