/** Two experiments side by side: the same figures of runs that belong together, and how they differ. Pure. */

import { badUsage } from '../../exit-codes.js'
import { byteSize, count, duration } from '../../text.js'
import type { ExperimentSummary } from './experiment-summary.js'
import type { LatencySummary, RunSummary } from './run-summary.js'

/** One figure of a run in both experiments. */
export interface ComparedFigure {
  readonly run: string
  readonly figure: string
  /** Undefined where that experiment has no such figure. */
  readonly a: number | undefined
  readonly b: number | undefined
  /** b / a; undefined where one is missing or a is 0. */
  readonly ratio: number | undefined
  readonly unit: Unit
}

export type Unit = 'ms' | 'bytes' | 'per second' | 'count' | 'share'

interface Measure {
  readonly figure: string
  readonly unit: Unit
  readonly of: (run: RunSummary) => number | undefined
}

const MEASURES: readonly Measure[] = [
  { figure: 'ready after', unit: 'ms', of: run => run.startedInMs ?? undefined },
  { figure: 'operations answered', unit: 'count', of: run => run.answered },
  { figure: 'operations not answered', unit: 'count', of: run => run.failed + run.unknown },
  { figure: 'operations', unit: 'per second', of: run => run.operationsPerSecond },
  ...(['write', 'read', 'scan'] as const).flatMap(kind =>
    (['strong', 'weak', 'session'] as const).flatMap(consistency => latencyMeasures(kind, consistency)),
  ),
  {
    figure: 'weak reads that missed nothing',
    unit: 'share',
    of: ({ staleness }) => (staleness === null ? undefined : staleness.fresh / staleness.reads),
  },
  { figure: 'stalest weak read', unit: 'ms', of: ({ staleness }) => staleness?.ageMaxMs },
  { figure: 'time in which replicas lagged', unit: 'share', of: ({ lag }) => lag.laggingShare },
  { figure: 'longest lag', unit: 'ms', of: ({ lag }) => lag.longestMs },
  { figure: 'slowest new head', unit: 'ms', of: slowestFailover },
  { figure: 'replicas equal after', unit: 'ms', of: run => run.quietAfterMs ?? undefined },
  { figure: 'memory of the largest process', unit: 'bytes', of: largestBytes },
  { figure: 'promises broken', unit: 'count', of: run => run.verdicts.filter(({ ok }) => !ok).length },
]

/**
 * Figures of the runs that both have, in the order of the first one's; where each has one run alone, of these. Throws a bad-usage
 * error where no run is in both.
 */
export function compareSummaries(a: ExperimentSummary, b: ExperimentSummary): ComparedFigure[] {
  return pairs(a, b).flatMap(([one, other]) =>
    MEASURES.flatMap(({ figure, unit, of }) => {
      const [first, second] = [of(one), of(other)]
      if (first === undefined && second === undefined) return []
      const ratio = first === undefined || second === undefined || first === 0 ? undefined : second / first
      return [{ run: one.name, figure, a: first, b: second, ratio, unit }]
    }),
  )
}

/** Rows of text: run, figure, a, b, ratio. */
export function comparisonRows(figures: readonly ComparedFigure[]): string[][] {
  return figures.map(({ run, figure, a, b, ratio, unit }, at) => [
    figures[at - 1]?.run === run ? '' : run,
    figure,
    valueText(a, unit),
    valueText(b, unit),
    ratio === undefined ? '' : ratio.toFixed(2),
  ])
}

function pairs(a: ExperimentSummary, b: ExperimentSummary): (readonly [RunSummary, RunSummary])[] {
  const named = a.runs.flatMap(one => {
    const other = b.runs.find(({ name }) => name === one.name)
    return other === undefined ? [] : [[one, other] as const]
  })
  if (named.length > 0) return named
  if (a.runs.length === 1 && b.runs.length === 1) return [[a.runs[0]!, b.runs[0]!]]
  const names = ({ runs }: ExperimentSummary) => runs.map(({ name }) => name).join(', ') || 'none'
  throw badUsage(`no run is in both: the first has ${names(a)}, the second ${names(b)}`)
}

function latencyMeasures(
  kind: LatencySummary['kind'],
  consistency: LatencySummary['consistency'],
): Measure[] {
  const find = (run: RunSummary) =>
    run.latency.find(each => each.kind === kind && each.consistency === consistency)
  return [
    { figure: `${consistency} ${kind}, median`, unit: 'ms', of: run => find(run)?.p50Ms },
    { figure: `${consistency} ${kind}, p99`, unit: 'ms', of: run => find(run)?.p99Ms },
  ]
}

function slowestFailover({ failovers }: RunSummary): number | undefined {
  return failovers.length === 0 ? undefined : Math.max(...failovers.map(({ tookMs }) => tookMs))
}

function largestBytes({ steps }: RunSummary): number {
  return Math.max(...steps.map(({ rssBytesMax }) => rssBytesMax))
}

function valueText(value: number | undefined, unit: Unit): string {
  if (value === undefined) return ''
  if (unit === 'ms') return duration(value)
  if (unit === 'bytes') return byteSize(value)
  if (unit === 'share') return `${(100 * value).toFixed(1)} %`
  return unit === 'per second' ? `${count(value)}/s` : count(value)
}
