/** Answers and failures a second, and latencies, over the time of a run. */

import type { RecordedRun } from '../record/recorded-run.js'
import type { TimeSpan } from './load-time.js'
import { ascending, quantile } from './sorted.js'

export interface ThroughputBucket {
  /** The bucket's begin, in milliseconds since the run's zero. */
  readonly fromMs: number
  /** Operations a second that were answered; that failed or whose fate is unknown. */
  readonly answeredPerSecond: number
  readonly failedPerSecond: number
  /** From intention to answer, of what was answered in the bucket; null where nothing was. */
  readonly p50Ms: number | null
  readonly p99Ms: number | null
}

/**
 * The span in buckets of `bucketMs`, the last one whole. An operation counts when it came back, one that never did when
 * it was sent.
 */
export function throughput(run: RecordedRun, span: TimeSpan, bucketMs: number): ThroughputBucket[] {
  const count = Math.max(1, Math.ceil((span.toMs - span.fromMs) / bucketMs))
  const latencies = Array.from({ length: count }, () => [] as number[])
  const failed = new Array<number>(count).fill(0)
  for (const { outcome, intendedMs, invokedMs, returnedMs } of run.operations) {
    const at = Math.floor(((returnedMs ?? invokedMs) - span.fromMs) / bucketMs)
    if (at < 0 || at >= count) continue
    if (outcome === 'ok' && returnedMs !== null) latencies[at]!.push(returnedMs - intendedMs)
    else failed[at]!++
  }
  return latencies.map((values, at) => {
    const sorted = ascending(values)
    return {
      fromMs: span.fromMs + at * bucketMs,
      answeredPerSecond: (values.length * 1_000) / bucketMs,
      failedPerSecond: (failed[at]! * 1_000) / bucketMs,
      p50Ms: quantile(sorted, 0.5) ?? null,
      p99Ms: quantile(sorted, 0.99) ?? null,
    }
  })
}
