/** The figures of one run, as `summary.json` has them. Units stand last in names; times are milliseconds. */

import type { Verdict } from '../../history/verdict.js'
import { failovers } from '../analysis/failovers.js'
import { replicaLags } from '../analysis/lag.js'
import { latencyHistogram } from '../analysis/latency-distribution.js'
import { loadTime } from '../analysis/load-time.js'
import { type OperationCounts, operationCounts } from '../analysis/operation-counts.js'
import { type ScalingRow, scalingRows } from '../analysis/scaling.js'
import { ascending, quantile } from '../analysis/sorted.js'
import { readStaleness } from '../analysis/staleness.js'
import type { PlannedRun } from '../description/variants.js'
import type { RecordedOperation, RecordedRun } from '../record/recorded-run.js'

/** Latencies of operations of one kind, from when they were to begin. */
export interface LatencySummary {
  readonly kind: 'read' | 'write' | 'scan'
  readonly consistency: RecordedOperation['consistency']
  readonly count: number
  readonly p50Ms: number
  readonly p90Ms: number
  readonly p99Ms: number
  readonly longestMs: number
}

/** How fresh weak and session reads were. */
export interface StalenessSummary {
  readonly reads: number
  /** Reads that missed no write that had been acknowledged before they began. */
  readonly fresh: number
  readonly versionsMax: number
  /** Of the reads that were not fresh: how long the oldest write that they missed had been acknowledged. */
  readonly ageP50Ms: number
  readonly ageP99Ms: number
  readonly ageMaxMs: number
}

/** How far replicas were behind their heads under load. */
export interface LagSummary {
  /** Of all replicas: the share of the time in which they lacked an entry that the head had, 0 to 1. */
  readonly laggingShare: number
  readonly longestMs: number
  /** Of the replica that was behind most, its 99th percentile. */
  readonly p99EntriesMax: number
}

export interface RunSummary {
  readonly name: string
  readonly variant: string
  readonly repetition: number
  readonly seed: number
  readonly topology: 'chain' | 'star'
  readonly consistency: 'strong' | 'weak' | 'mixed'
  readonly shards: number
  readonly replicas: number
  readonly nodes: number
  readonly startedInMs: number | null
  /** From the load's begin to its end. */
  readonly loadMs: number
  readonly answered: number
  readonly failed: number
  readonly unknown: number
  /** Answered, over the time of the load. */
  readonly operationsPerSecond: number
  readonly operations: readonly OperationCounts[]
  readonly latency: readonly LatencySummary[]
  /** One for each step of a ramp, else one. */
  readonly steps: readonly ScalingRow[]
  /** Null where no weak or session read was made. */
  readonly staleness: StalenessSummary | null
  readonly lag: LagSummary
  readonly failovers: readonly { readonly shard: string; readonly to: string; readonly tookMs: number }[]
  /** From the load's end until all replicas held the same; null where they never did. */
  readonly quietAfterMs: number | null
  readonly verdicts: readonly Verdict[]
}

/** What a run comes to. Pure. */
export function summarize(planned: PlannedRun, run: RecordedRun, verdicts: readonly Verdict[]): RunSummary {
  const { topology, consistency, shards, startedInMs } = run.about
  const load = loadTime(run)
  const loadMs = load.toMs - load.fromMs
  const ended = (outcome: string) => run.operations.filter(each => each.outcome === outcome).length
  const answered = ended('ok')
  const replicas = Object.values(shards)
  return {
    name: run.name,
    variant: planned.variant,
    repetition: planned.repetition,
    seed: planned.description.seed,
    topology,
    consistency,
    shards: replicas.length,
    replicas: Math.max(0, ...replicas.map(({ length }) => length)),
    nodes: new Set(replicas.flat()).size,
    startedInMs: startedInMs ?? null,
    loadMs,
    answered,
    failed: ended('failed'),
    unknown: ended('unknown'),
    operationsPerSecond: loadMs === 0 ? 0 : answered / (loadMs / 1_000),
    operations: operationCounts(run),
    latency: latencies(run.operations),
    steps: scalingRows([run]),
    staleness: staleness(run),
    lag: lagOf(run),
    failovers: failovers(run).map(({ shard, to, fromMs, toMs }) => ({ shard, to, tookMs: toMs - fromMs })),
    quietAfterMs: run.quiet === undefined ? null : Math.max(0, run.quiet.atMs - load.toMs),
    verdicts,
  }
}

function latencies(operations: readonly RecordedOperation[]): LatencySummary[] {
  const kinds = ['write', 'read', 'scan'] as const
  const modes = ['strong', 'weak', 'session'] as const
  return kinds.flatMap(kind =>
    modes.flatMap(consistency => {
      const own = operations.filter(each => kindOf(each) === kind && each.consistency === consistency)
      const histogram = latencyHistogram(own)
      if (histogram.totalCount === 0) return []
      const at = (percentile: number) => histogram.getValueAtPercentile(percentile) / 1_000
      const percentiles = { p50Ms: at(50), p90Ms: at(90), p99Ms: at(99), longestMs: at(100) }
      return [{ kind, consistency, count: histogram.totalCount, ...percentiles }]
    }),
  )
}

function kindOf({ type }: RecordedOperation): LatencySummary['kind'] {
  return type === 'get' ? 'read' : type === 'scan' ? 'scan' : 'write'
}

function staleness(run: RecordedRun): StalenessSummary | null {
  const reads = readStaleness(run)
  if (reads.length === 0) return null
  const stale = reads.filter(({ versions }) => versions > 0)
  const ages = ascending(stale.map(({ ageMs }) => ageMs))
  const at = (share: number) => quantile(ages, share) ?? 0
  return {
    reads: reads.length,
    fresh: reads.length - stale.length,
    versionsMax: stale.reduce((most, { versions }) => Math.max(most, versions), 0),
    ageP50Ms: at(0.5),
    ageP99Ms: at(0.99),
    ageMaxMs: at(1),
  }
}

function lagOf(run: RecordedRun): LagSummary {
  const lags = replicaLags(run)
  const total = (pick: (lag: (typeof lags)[number]) => number) =>
    lags.reduce((sum, lag) => sum + pick(lag), 0)
  const answeringMs = total(lag => lag.answeringMs)
  return {
    laggingShare: answeringMs === 0 ? 0 : total(lag => lag.laggingMs) / answeringMs,
    longestMs: lags.reduce((most, { longestMs }) => Math.max(most, longestMs), 0),
    p99EntriesMax: lags.reduce((most, { p99Entries }) => Math.max(most, p99Entries), 0),
  }
}
