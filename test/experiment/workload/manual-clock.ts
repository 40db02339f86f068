/** A clock that tests move by hand. */
import type { LoadClock } from '../../../tools/experiment/workload/load-clock.js'

interface Wait {
  readonly atMs: number
  readonly end: () => void
}

export class ManualClock implements LoadClock {
  #nowMs = 0
  readonly #waits = new Set<Wait>()

  nowMs(): number {
    return this.#nowMs
  }

  until(atMs: number, signal: AbortSignal): Promise<void> {
    if (atMs <= this.#nowMs || signal.aborted) return Promise.resolve()
    return new Promise(resolve => {
      const end = () => {
        this.#waits.delete(wait)
        signal.removeEventListener('abort', end)
        resolve()
      }
      const wait = { atMs, end }
      this.#waits.add(wait)
      signal.addEventListener('abort', end, { once: true })
    })
  }

  /** Moves on, and wakes up whoever waits for a time until then, at that time. Resolves when nothing moves any more. */
  async advanceTo(atMs: number): Promise<void> {
    await settle()
    for (let first = this.#first(); first !== undefined && first.atMs <= atMs; first = this.#first()) {
      this.#nowMs = first.atMs
      first.end()
      await settle()
    }
    this.#nowMs = atMs
    await settle()
  }

  #first(): Wait | undefined {
    return [...this.#waits].sort((a, b) => a.atMs - b.atMs)[0]
  }
}

/** Everything that could run has run: what was resolved has been heard of. */
export function settle(): Promise<void> {
  return new Promise(resolve => setImmediate(resolve))
}
