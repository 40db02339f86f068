/**
 * An open loop: operations begin at a fixed rate, whether or not earlier ones have been answered, as requests of many
 * independent users do. Each has a moment at which it was to begin. One that begins late, as all clients were waiting
 * for a slow cluster, is measured from there: otherwise a stall would count once instead of for everybody it held up
 * ("coordinated omission"; Tene).
 */

import { type DriverOptions, drain, LoadEnd, performTurn } from './load-driver.js'
import type { LoadOperation } from './operations.js'

export interface OpenLoopOptions extends DriverOptions {
  readonly ratePerSecond: number
  /** Operations under way at most. */
  readonly clients: number
  /** Infinity: until there are no more operations. */
  readonly durationMs: number
}

/** How an open loop ended. */
export interface OpenLoopEnd {
  /** Operations whose turn had come, but for which no client was free until the end. */
  readonly notBegun: number
}

/** Runs the load. Resolves when it is over and what was under way has ended. */
export function runOpenLoop(options: OpenLoopOptions): Promise<OpenLoopEnd> {
  return new OpenLoop(options).run()
}

class OpenLoop {
  readonly #options: OpenLoopOptions
  readonly #end: LoadEnd
  readonly #startMs: number
  readonly #endMs: number
  /** The one that has been free for longest first, so that all connections are used at any rate. */
  readonly #free: number[]
  readonly #underWay = new Set<Promise<void>>()
  /** The operation whose turn is next. */
  #next: LoadOperation | undefined
  #begun = 0
  #onFree: () => void = () => {}

  constructor(options: OpenLoopOptions) {
    this.#options = options
    this.#end = new LoadEnd(options.signal)
    this.#startMs = options.clock.nowMs()
    this.#endMs = this.#startMs + options.durationMs
    this.#free = Array.from({ length: options.clients }, (_, client) => client)
    this.#end.signal.addEventListener('abort', () => this.#onFree(), { once: true })
  }

  async run(): Promise<OpenLoopEnd> {
    const { clock } = this.#options
    const { signal } = this.#end
    void clock.until(this.#endMs, signal).then(() => this.#end.end())
    await this.#issue()
    const notBegun = this.#countDue(Math.min(clock.nowMs(), this.#endMs))
    void Promise.allSettled(this.#underWay).then(() => this.#end.end())
    await clock.until(Infinity, signal)
    await drain(this.#underWay, this.#options)
    return { notBegun }
  }

  /** Begins operations until there are no more or the load is over. */
  async #issue(): Promise<void> {
    const { clock, source } = this.#options
    const { signal } = this.#end
    for (this.#next = source.next(0); this.#next !== undefined; this.#next = source.next(0)) {
      const intendedMs = this.#intendedMs(this.#begun)
      if (intendedMs >= this.#endMs) return
      await clock.until(intendedMs, signal)
      const client = await this.#freeClient()
      if (client === undefined) return
      this.#begin(this.#next, client, intendedMs)
    }
  }

  #begin(operation: LoadOperation, client: number, intendedMs: number): void {
    const { signal } = this.#end
    this.#begun += 1
    const own = performTurn(this.#options, operation, { client, intendedMs, signal }).then(() => {
      this.#underWay.delete(own)
      this.#free.push(client)
      this.#onFree()
    })
    this.#underWay.add(own)
  }

  /** Waits for one; undefined when the load is over. */
  async #freeClient(): Promise<number | undefined> {
    while (!this.#end.isOver) {
      const client = this.#free.shift()
      if (client !== undefined) return client
      await new Promise<void>(resolve => {
        this.#onFree = resolve
      })
    }
    return undefined
  }

  #intendedMs(turn: number): number {
    return this.#startMs + (turn * 1_000) / this.#options.ratePerSecond
  }

  /** Operations that were to begin before that and have not. */
  #countDue(beforeMs: number): number {
    let count = 0
    while (this.#next !== undefined && this.#intendedMs(this.#begun + count) < beforeMs) {
      count += 1
      this.#next = this.#options.source.next(0)
    }
    return count
  }
}
