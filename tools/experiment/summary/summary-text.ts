/** The summary of an experiment as people read it in a terminal. */

import type { Verdict } from '../../history/verdict.js'
import { tableOf } from '../../output.js'
import { byteSize, count, duration, shorten } from '../../text.js'
import type { ExperimentSummary } from './experiment-summary.js'
import type { LatencySummary, RunSummary } from './run-summary.js'

const FOUND_LENGTH_MAX = 140

/** Runs, then verdicts, then what they show together. */
export async function summaryText(summary: ExperimentSummary): Promise<string> {
  const { title, runs, conclusions, unfinished, tookMs } = summary
  const parts = [`${title}: ${duration(tookMs)}`, await runsTable(runs)]
  if (runs.some(({ verdicts }) => verdicts.length > 0)) parts.push(await verdictsTable(runs))
  if (conclusions.length > 0) parts.push(conclusions.map(conclusionLine).join('\n'))
  if (unfinished.length > 0) parts.push(`not finished: ${unfinished.join(', ')}`)
  return parts.join('\n\n')
}

/** The columns of a run that tables of the report have as well. */
export const RUN_COLUMNS = [
  'run',
  'ready',
  'ops',
  'failed',
  'ops/s',
  'write p50',
  'p99',
  'read p50',
  'p99',
  'fresh',
  'memory',
] as const

/** One row a run, or a step of its ramp. */
export function runRows(runs: readonly RunSummary[]): string[][] {
  return runs.flatMap(run => {
    const { name, startedInMs, answered, failed, unknown, steps, latency, staleness } = run
    const [write, read] = (['write', 'read'] as const).map(kind => latency.filter(each => each.kind === kind))
    const fresh = staleness === null ? '' : `${((100 * staleness.fresh) / staleness.reads).toFixed(1)} %`
    const started = startedInMs === null ? '' : duration(startedInMs)
    const memory = byteSize(Math.max(...steps.map(({ rssBytesMax }) => rssBytesMax)))
    if (steps.length > 1) {
      return steps.map(({ clients, operationsPerSecond, p50Ms, p99Ms }) => {
        const all = [duration(p50Ms), duration(p99Ms), '', '']
        const label = `${name}, ${clients} at once`
        return [label, started, '', '', count(operationsPerSecond), ...all, fresh, memory]
      })
    }
    const times = [
      timesOf(write!, 'p50Ms'),
      timesOf(write!, 'p99Ms'),
      timesOf(read!, 'p50Ms'),
      timesOf(read!, 'p99Ms'),
    ]
    const rate = count(run.operationsPerSecond)
    return [[name, started, count(answered), count(failed + unknown), rate, ...times, fresh, memory]]
  })
}

function timesOf(latency: readonly LatencySummary[], percentile: 'p50Ms' | 'p99Ms'): string {
  return latency.map(each => duration(each[percentile])).join(' / ')
}

function runsTable(runs: readonly RunSummary[]): Promise<string> {
  return tableOf(RUN_COLUMNS, runRows(runs), RUN_COLUMNS.slice(1))
}

/** Promises by runs; what was found is said where it was the same for none. */
async function verdictsTable(runs: readonly RunSummary[]): Promise<string> {
  const rows = runs.flatMap(({ name, verdicts }) =>
    verdicts.map(({ what, ok, found }) => [
      name,
      ok ? 'kept' : 'BROKEN',
      what,
      shorten(found, FOUND_LENGTH_MAX),
    ]),
  )
  return tableOf(['run', 'verdict', 'promise', 'found'], rows)
}

function conclusionLine({ what, ok, found }: Verdict): string {
  return `${ok ? ' ' : '!'} ${what}: ${found}`
}
