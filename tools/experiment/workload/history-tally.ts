/** Counts what goes into a history. */

import type { HistoryOperation } from '../../history/history-event.js'
import type { HistorySink } from '../../history/history-file.js'
import type { LoadCounts } from './load-protocol.js'

/**
 * Passes operations on and counts them by outcome. A sink that fails (a full disk) is not asked again: clients must not take
 * that for a failure of the cluster, so `onBroken` hears of it, once, and `write` never throws.
 */
export class HistoryTally implements HistorySink {
  readonly #sink: HistorySink
  readonly #onBroken: (error: unknown) => void
  #isBroken = false
  #answered = 0
  #failed = 0
  #unknown = 0
  #lastReturnedMs: number | null = null

  constructor(sink: HistorySink, onBroken: (error: unknown) => void) {
    this.#sink = sink
    this.#onBroken = onBroken
  }

  get counts(): LoadCounts {
    return { answered: this.#answered, failed: this.#failed, unknown: this.#unknown }
  }

  /** Of those that have returned, the latest time. */
  get lastReturnedMs(): number | null {
    return this.#lastReturnedMs
  }

  write(operation: HistoryOperation): void {
    const { outcome, returnedMs } = operation
    if (outcome === 'ok') this.#answered += 1
    else if (outcome === 'failed') this.#failed += 1
    else this.#unknown += 1
    if (returnedMs !== null) this.#lastReturnedMs = Math.max(this.#lastReturnedMs ?? returnedMs, returnedMs)
    this.guard(() => this.#sink.write(operation))
  }

  /** Does something with the sink, unless it has failed before. */
  guard(use: () => void): void {
    if (this.#isBroken) return
    try {
      use()
    } catch (error) {
      this.#isBroken = true
      this.#onBroken(error)
    }
  }
}
