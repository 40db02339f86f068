/** The clock of a load, handed in so that tests need not wait. */

import { setTimeout as delay } from 'node:timers/promises'
import { machineNowMs } from '../../history/recording-client.js'

export interface LoadClock {
  /** Milliseconds of the history's clock, with fractions. */
  nowMs(): number
  /** Resolves when it is `atMs` (Infinity: never), or sooner on abort. Never rejects. */
  until(atMs: number, signal: AbortSignal): Promise<void>
}

/** The longest that a timer of Node.js can be set to. */
const TIMER_MS_MAX = 2 ** 31 - 1

/** The machine's clock. A wait ends up to about a millisecond late, never early: timers have no finer grain. */
export const machineClock: LoadClock = {
  nowMs: machineNowMs,
  async until(atMs, signal) {
    for (let left = atMs - machineNowMs(); left > 0 && !signal.aborted; left = atMs - machineNowMs()) {
      await delay(Math.min(Math.ceil(left), TIMER_MS_MAX), undefined, { signal }).catch(() => {})
    }
  },
}
