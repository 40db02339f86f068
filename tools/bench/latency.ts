/** Latencies of one measurement, and medians over several. */

import { build, type Histogram } from 'hdr-histogram-js'

const LONGEST_US = 600_000_000

/** Counts latencies; percentiles come in whole microseconds, exact to three digits. */
export class LatencyRecorder {
  readonly #histogram: Histogram = build({
    lowestDiscernibleValue: 1,
    highestTrackableValue: LONGEST_US,
    numberOfSignificantValueDigits: 3,
    useWebAssembly: false,
  })

  /** Takes one latency in milliseconds. */
  record(ms: number): void {
    this.#histogram.recordValue(Math.min(LONGEST_US, Math.max(1, Math.round(ms * 1_000))))
  }

  /** Forgets everything: what came before was warm-up. */
  reset(): void {
    this.#histogram.reset()
  }

  get count(): number {
    return this.#histogram.totalCount
  }

  /** Microseconds that `percentile` (0 to 100) of the latencies do not exceed; 0 when nothing was recorded. */
  percentileUs(percentile: number): number {
    return this.count === 0 ? 0 : this.#histogram.getValueAtPercentile(percentile)
  }
}

/** The middle of some numbers, of an even count the mean of the two in the middle; 0 of none. */
export function median(values: readonly number[]): number {
  if (values.length === 0) return 0
  const sorted = [...values].sort((a, b) => a - b)
  const middle = sorted.length >> 1
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2
}
