/** Latencies of one measurement, and medians over several. */

import { build, type Histogram } from 'hdr-histogram-js'

const LONGEST_US = 600_000_000
const CAPACITY_FIRST = 65_536

/**
 * Takes latencies as they come and counts them later: sorting one into a histogram costs as much as a part of the
 * operation itself. Percentiles come in whole microseconds, exact to three digits.
 */
export class LatencyRecorder {
  #taken = new Uint32Array(CAPACITY_FIRST)
  #count = 0
  #histogram: Histogram | undefined

  /** Takes one latency in milliseconds. */
  record(ms: number): void {
    if (this.#count === this.#taken.length) this.#grow()
    this.#taken[this.#count++] = Math.min(LONGEST_US, Math.round(ms * 1_000))
  }

  /** Forgets everything: what came before was warm-up. */
  reset(): void {
    this.#count = 0
    this.#histogram = undefined
  }

  get count(): number {
    return this.#count
  }

  /** Microseconds that `percentile` (0 to 100) of the latencies do not exceed; 0 when nothing was recorded. */
  percentileUs(percentile: number): number {
    if (this.#count === 0) return 0
    this.#histogram = this.#counted()
    return this.#histogram.getValueAtPercentile(percentile)
  }

  /** All that was recorded as a histogram, made once for as many as there are. */
  #counted(): Histogram {
    if (this.#histogram?.totalCount === this.#count) return this.#histogram
    const histogram = build({
      lowestDiscernibleValue: 1,
      highestTrackableValue: LONGEST_US,
      numberOfSignificantValueDigits: 3,
      useWebAssembly: false,
    })
    for (const us of this.#taken.subarray(0, this.#count)) histogram.recordValue(Math.max(1, us))
    return histogram
  }

  #grow(): void {
    const taken = new Uint32Array(this.#taken.length * 2)
    taken.set(this.#taken)
    this.#taken = taken
  }
}

/** The middle of some numbers, of an even count the mean of the two in the middle; 0 of none. */
export function median(values: readonly number[]): number {
  if (values.length === 0) return 0
  const sorted = [...values].sort((a, b) => a - b)
  const middle = sorted.length >> 1
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2
}
