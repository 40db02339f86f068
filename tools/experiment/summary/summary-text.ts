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
  if (runs.some(({ verdicts }) => verdicts.length > 0))
    parts.push(await tableOf(PROMISE_COLUMNS, promiseRows(runs)))
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
        // A step's latency is of all of its operations.
        const all = [`${duration(p50Ms)} (all)`, duration(p99Ms), '', '']
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

export const PROMISE_COLUMNS = ['promise', 'verdict', 'found'] as const

/** A row for each promise: what was found in the runs, or in those that broke it. */
export function promiseRows(runs: readonly RunSummary[]): string[][] {
  const names = [...new Set(runs.flatMap(({ verdicts }) => verdicts.map(({ what }) => what)))]
  return names.map(name => {
    const judged = runs.flatMap(run =>
      run.verdicts.filter(({ what }) => what === name).map(({ ok, found }) => ({ run: run.name, ok, found })),
    )
    const broken = judged.filter(({ ok }) => !ok)
    const shown =
      broken.length > 0
        ? broken.map(({ run, found }) => `${run}: ${found}`)
        : judged.map(({ found }) => found)
    const verdict = broken.length > 0 ? `BROKEN in ${broken.length} of ${judged.length}` : 'kept'
    return [name, verdict, shorten([...new Set(shown)].join(' | '), FOUND_LENGTH_MAX)]
  })
}

function conclusionLine({ what, ok, found }: Verdict): string {
  return `${ok ? ' ' : '!'} ${what}: ${found}`
}
