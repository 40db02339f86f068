/**
 * A closed loop: each client has one operation at a time and sends the next one when it has the answer. A cluster that
 * slows down slows the load down, so this shows what a cluster can do, and what each client has to wait for.
 */

import { type DriverOptions, drain, LoadEnd, performTurn } from './load-driver.js'

export interface ClosedLoopStep {
  readonly clients: number
  /** Infinity: until there are no more operations. */
  readonly forMs: number
}

export interface ClosedLoopOptions extends DriverOptions {
  /** One after another; at least one. The load ends after the last one. */
  readonly steps: readonly ClosedLoopStep[]
  /** Called as each step begins, the first one included, before its clients do. */
  readonly onStep: (step: ClosedLoopStep) => void
}

/** Runs the load. Resolves when it is over and what was under way has ended. */
export function runClosedLoop(options: ClosedLoopOptions): Promise<void> {
  return new ClosedLoop(options).run()
}

class ClosedLoop {
  readonly #options: ClosedLoopOptions
  readonly #end: LoadEnd
  readonly #running = new Map<number, Promise<void>>()
  #clients = 0

  constructor(options: ClosedLoopOptions) {
    this.#options = options
    this.#end = new LoadEnd(options.signal)
  }

  async run(): Promise<void> {
    const { steps, clock, onStep } = this.#options
    let untilMs = clock.nowMs()
    for (const step of steps) {
      if (this.#end.isOver) break
      onStep(step)
      this.#resize(step.clients)
      untilMs += step.forMs
      await clock.until(untilMs, this.#end.signal)
    }
    this.#end.end()
    await drain([...this.#running.values()], this.#options)
  }

  /** Those that are too many leave when their operation has ended. */
  #resize(clients: number): void {
    this.#clients = clients
    for (let client = 0; client < clients; client += 1) {
      if (!this.#running.has(client)) this.#running.set(client, this.#work(client))
    }
  }

  async #work(client: number): Promise<void> {
    const { source } = this.#options
    const { signal } = this.#end
    // It must have been noted as running before it can be removed.
    await undefined
    while (client < this.#clients && !signal.aborted) {
      const operation = source.next(client)
      if (operation === undefined) break
      await performTurn(this.#options, operation, { client, signal })
    }
    this.#running.delete(client)
    // Client 0 belongs to every step: where nobody is left, nobody has anything to do any more.
    if (this.#running.size === 0) this.#end.end()
  }
}
