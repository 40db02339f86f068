/** One client that writes the numbers 1, 2, 3 ... to a key, each when the one before was acknowledged, and never gives up. */

import type { VarveClient } from '../../src/client/client.js'

export class SteadyWriter {
  readonly key = 'failover'
  readonly #client: VarveClient
  readonly #listeners = new Set<(issuedMs: number, acknowledgedMs: number) => void>()
  readonly #running: Promise<void>
  #failure: Error | undefined
  #fail: (error: Error) => void = () => {}
  readonly #failed: Promise<never>
  #isStopping = false
  #last = 0

  /** Begins at once. The client's time-out is how long one write may take; after that this fails. */
  constructor(client: VarveClient) {
    this.#client = client
    this.#failed = new Promise((_, reject) => {
      this.#fail = reject
    })
    this.#failed.catch(() => {})
    this.#running = this.#run()
  }

  get lastAcknowledged(): number {
    return this.#last
  }

  /** Resolves when so many more writes are acknowledged. */
  async acknowledged(count: number): Promise<void> {
    let left = count
    await this.#until(() => {
      left -= 1
      return left <= 0
    })
  }

  /** When the first write that was issued after that moment is acknowledged; times of `performance.now`. */
  async nextIssuedAfter(ms: number): Promise<number> {
    return await this.#until(issuedMs => issuedMs > ms)
  }

  /** Resolves when the last write is acknowledged. */
  async stop(): Promise<void> {
    this.#isStopping = true
    await this.#running
    if (this.#failure !== undefined) throw this.#failure
  }

  /** When the write was acknowledged for which it is true. */
  async #until(isIt: (issuedMs: number) => boolean): Promise<number> {
    let listener: (issuedMs: number, acknowledgedMs: number) => void = () => {}
    const found = new Promise<number>(resolve => {
      listener = (issuedMs, acknowledgedMs) => {
        if (isIt(issuedMs)) resolve(acknowledgedMs)
      }
      this.#listeners.add(listener)
    })
    try {
      return await Promise.race([found, this.#failed])
    } finally {
      this.#listeners.delete(listener)
    }
  }

  async #run(): Promise<void> {
    while (!this.#isStopping) {
      const issuedMs = performance.now()
      try {
        await this.#client.set(this.key, String(this.#last + 1))
      } catch (error) {
        this.#failure = error as Error
        this.#fail(this.#failure)
        return
      }
      this.#last += 1
      const acknowledgedMs = performance.now()
      for (const listener of [...this.#listeners]) listener(issuedMs, acknowledgedMs)
    }
  }
}
