/** Latencies of a run's answered operations as percentiles, from an HDR histogram. */

import { build, type Histogram } from 'hdr-histogram-js'
import { isWrite } from '../../history/history-event.js'
import type { RecordedOperation, RecordedRun } from '../record/recorded-run.js'

const LONGEST_US = 600_000_000
/** Percentiles are asked for in even steps of nines: 0.3 is the median, 1 is 90 %, 5 is 99.999 %. */
const NINES_FIRST = Math.log10(2)
const NINES_LAST = 5
const NINES_STEP = 0.05

export interface LatencyPoint {
  /** How many nines: -log10(1 - percentile / 100). */
  readonly nines: number
  readonly latencyMs: number
}

export interface LatencyDistribution {
  /** Scans are reads. */
  readonly kind: 'read' | 'write'
  readonly consistency: RecordedOperation['consistency']
  readonly count: number
  /** From the median to the percentile beyond which a single operation stands. */
  readonly points: readonly LatencyPoint[]
}

/** A distribution for each kind and consistency that the run has answers of, writes first. */
export function latencyDistributions(run: RecordedRun): LatencyDistribution[] {
  const groups = new Map<string, RecordedOperation[]>()
  for (const operation of run.operations) {
    if (operation.outcome !== 'ok' || operation.returnedMs === null) continue
    const name = `${kindOf(operation)} ${operation.consistency}`
    const group = groups.get(name)
    if (group === undefined) groups.set(name, [operation])
    else group.push(operation)
  }
  return [...groups]
    .sort(([a], [b]) => (a < b ? 1 : -1))
    .map(([, operations]) => ({
      kind: kindOf(operations[0]!),
      consistency: operations[0]!.consistency,
      count: operations.length,
      points: pointsOf(latencyHistogram(operations)),
    }))
}

/** From intention to answer in whole microseconds, exact to three digits; what was never answered is left out. */
export function latencyHistogram(operations: Iterable<RecordedOperation>): Histogram {
  const histogram = build({
    lowestDiscernibleValue: 1,
    highestTrackableValue: LONGEST_US,
    numberOfSignificantValueDigits: 3,
    useWebAssembly: false,
  })
  for (const { outcome, intendedMs, returnedMs } of operations) {
    if (outcome !== 'ok' || returnedMs === null) continue
    const us = Math.round((returnedMs - intendedMs) * 1_000)
    histogram.recordValue(Math.min(LONGEST_US, Math.max(1, us)))
  }
  return histogram
}

function pointsOf(histogram: Histogram): LatencyPoint[] {
  const points: LatencyPoint[] = []
  const ninesMax = Math.min(NINES_LAST, Math.max(NINES_FIRST, Math.log10(histogram.totalCount)))
  const steps = Math.floor((ninesMax - NINES_FIRST) / NINES_STEP)
  for (const nines of [...Array(steps + 1).keys()]
    .map(step => NINES_FIRST + step * NINES_STEP)
    .concat(ninesMax)) {
    if (nines <= (points.at(-1)?.nines ?? 0)) continue
    points.push({ nines, latencyMs: histogram.getValueAtPercentile(100 * (1 - 10 ** -nines)) / 1_000 })
  }
  return points
}

function kindOf({ type }: RecordedOperation): LatencyDistribution['kind'] {
  return isWrite({ type }) ? 'write' : 'read'
}
