/** What a run came to, in one row: to be compared with runs of other sizes. */

import type { RecordedRun } from '../record/recorded-run.js'
import { latencyHistogram } from './latency-distribution.js'
import { loadTime, type TimeSpan } from './load-time.js'
import { ascending, quantile } from './sorted.js'

export interface ScalingRow {
  readonly run: string
  readonly topology: 'chain' | 'star'
  readonly consistency: 'strong' | 'weak' | 'mixed'
  readonly shards: number
  /** Of its largest shard. */
  readonly replicas: number
  /** At most at once. */
  readonly clients: number
  /** Answered, over the time of the load. */
  readonly operationsPerSecond: number
  readonly p50Ms: number
  readonly p99Ms: number
  /** Of the processes' peaks: the largest and the one in the middle; 0 without samples. */
  readonly rssBytesMax: number
  readonly rssBytesMedian: number
}

/** One row a run, or for each step of its ramp, in the order of the runs. */
export function scalingRows(runs: readonly RecordedRun[]): ScalingRow[] {
  return runs.flatMap(run => stepsOf(run).map(step => rowOf(run, step)))
}

/** A time in which the number of clients stayed the same. */
interface Step extends TimeSpan {
  readonly clients: number
}

function stepsOf(run: RecordedRun): Step[] {
  const { fromMs, toMs } = loadTime(run)
  const begun = run.loads.filter(({ state }) => state !== 'ended')
  if (begun.length === 0) return [{ fromMs, toMs, clients: 0 }]
  return begun.map(({ atMs, clients }, at) => ({ fromMs: atMs, toMs: begun[at + 1]?.atMs ?? toMs, clients }))
}

function rowOf(run: RecordedRun, { fromMs, toMs, clients }: Step): ScalingRow {
  const { topology, consistency, shards } = run.about
  // What began in a step counts for it: else slow operations would be missing in it.
  const own = run.operations.filter(({ intendedMs }) => intendedMs >= fromMs && intendedMs < toMs)
  const histogram = latencyHistogram(own)
  const peaks = ascending(rssPeaks(run).values())
  return {
    run: run.name,
    topology,
    consistency,
    shards: Object.keys(shards).length,
    replicas: Math.max(0, ...Object.values(shards).map(nodes => nodes.length)),
    clients,
    operationsPerSecond: toMs > fromMs ? (histogram.totalCount * 1_000) / (toMs - fromMs) : 0,
    p50Ms: histogram.getValueAtPercentile(50) / 1_000,
    p99Ms: histogram.getValueAtPercentile(99) / 1_000,
    rssBytesMax: peaks.at(-1) ?? 0,
    rssBytesMedian: quantile(peaks, 0.5) ?? 0,
  }
}

function rssPeaks({ samples }: RecordedRun): Map<string, number> {
  const peaks = new Map<string, number>()
  for (const { node, rssBytes } of samples) peaks.set(node, Math.max(peaks.get(node) ?? 0, rssBytes))
  return peaks
}
