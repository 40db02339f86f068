/** Whoever waits for a replica to learn that more of its log is committed: each for an index, none longer than it says. */
import { VarveError } from '../client/errors.js'

/** Calls that may wait at one replica; more are refused. */
export const COMMIT_WAITS_MAX = 10_000

interface Wait {
  readonly index: number
  readonly wake: () => void
}

export class CommitWaits {
  readonly #name: string
  readonly #waits = new Set<Wait>()

  /** `name`: the shard's, for errors. */
  constructor(name: string) {
    this.#name = name
  }

  /**
   * Resolves when entries up to `index` are committed, when `wakeAll` is called, or after `timeoutMs`: look what is so
   * then. Rejects with the signal's reason, and with RESOURCE_EXHAUSTED where too many wait.
   */
  until(index: number, timeoutMs: number, signal: AbortSignal): Promise<void> {
    if (this.#waits.size >= COMMIT_WAITS_MAX) {
      const text = `${this.#name}: ${COMMIT_WAITS_MAX} reads of the past wait here, try again`
      return Promise.reject(new VarveError('RESOURCE_EXHAUSTED', text))
    }
    return new Promise((resolve, reject) => {
      if (signal.aborted) return reject(signal.reason)
      const end = () => {
        clearTimeout(timer)
        this.#waits.delete(wait)
        signal.removeEventListener('abort', onAbort)
      }
      const onAbort = () => {
        end()
        reject(signal.reason)
      }
      const wake = () => {
        end()
        resolve()
      }
      const wait: Wait = { index, wake }
      const timer = setTimeout(wake, Math.max(1, timeoutMs))
      this.#waits.add(wait)
      signal.addEventListener('abort', onAbort, { once: true })
    })
  }

  onCommit(index: number): void {
    if (this.#waits.size === 0) return
    for (const wait of [...this.#waits]) if (wait.index <= index) wait.wake()
  }

  /** Role or epoch changed: everybody looks again. */
  wakeAll(): void {
    for (const wait of [...this.#waits]) wait.wake()
  }
}
