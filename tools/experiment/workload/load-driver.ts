/** What closed and open loops have in common. */

import type { LoadClock } from './load-clock.js'
import type { LoadOperation, OperationSource } from './operations.js'

/** After a failed operation a client waits this long before its next one: a cluster that is gone must not be hammered. */
export const FAILURE_PAUSE_MS = 50

/** Who carries out an operation, and when it was to be. */
export interface Turn {
  /** From 0. A client has one operation at a time. */
  readonly client: number
  /** Open loop: when it was to begin, by the load's clock. */
  readonly intendedMs?: number
  /** Aborted when the load is over: what has not begun by then is not begun any more. */
  readonly signal: AbortSignal
}

/** Carries out an operation. Rejects where it failed; that ends nothing. */
export type Perform = (operation: LoadOperation, turn: Turn) => Promise<void>

export interface DriverOptions {
  readonly source: OperationSource
  readonly perform: Perform
  readonly clock: LoadClock
  /** Ends the load early, in order. */
  readonly signal: AbortSignal
  /** How long operations under way at the end are waited for, ms; then they are left to themselves. */
  readonly drainMs: number
}

/** Ends when the caller's signal does, or by itself. `end` is idempotent. */
export class LoadEnd {
  readonly #own = new AbortController()
  readonly #outer: AbortSignal
  readonly #follow = () => this.#own.abort()

  constructor(outer: AbortSignal) {
    this.#outer = outer
    if (outer.aborted) this.#own.abort()
    else outer.addEventListener('abort', this.#follow, { once: true })
  }

  get signal(): AbortSignal {
    return this.#own.signal
  }

  get isOver(): boolean {
    return this.#own.signal.aborted
  }

  end(): void {
    this.#outer.removeEventListener('abort', this.#follow)
    this.#own.abort()
  }
}

/** Performs and, where that failed, pauses, unless the load is over. Never rejects. */
export async function performTurn(
  { perform, clock }: DriverOptions,
  operation: LoadOperation,
  turn: Turn,
): Promise<void> {
  try {
    await perform(operation, turn)
  } catch {
    // What it failed with is in the history.
    await clock.until(clock.nowMs() + FAILURE_PAUSE_MS, turn.signal)
  }
}

/** Waits until all have ended, at most `drainMs`. */
export async function drain(
  underWay: Iterable<Promise<void>>,
  { clock, drainMs }: DriverOptions,
): Promise<void> {
  const ended = new AbortController()
  void Promise.allSettled(underWay).then(() => ended.abort())
  await clock.until(clock.nowMs() + drainMs, ended.signal)
}
