/** Holds one run of an experiment against what Varve promises, and says in words what was found. */

import { withDistinctValues } from '../../history/distinct-values.js'
import { describeOperation, type HistoryOperation, isWrite } from '../../history/history-event.js'
import { judgeLog, judgeWeakWrites } from '../../history/promises.js'
import { type Verdict, verdictOn } from '../../history/verdict.js'
import { count, duration, plural } from '../../text.js'
import { failovers } from '../analysis/failovers.js'
import { loadTime } from '../analysis/load-time.js'
import type { RecordedRun } from '../record/recorded-run.js'

/** The verdicts of a run, the most important first. `problem`: why the replicas were not found equal, where they were not. */
export function judgeRun(run: RecordedRun, problem: string | undefined): Verdict[] {
  const all = [...run.preload, ...run.operations]
  const { operations, log, orphans } = withDistinctValues({ ...run, operations: all })
  const strong = operations.some(({ consistency }) => consistency === 'strong')
  const weak = operations.some(each => isWrite(each) && each.consistency !== 'strong')
  return [
    ...judgeLog(operations, log).filter(({ what }) => strong || !what.includes('strong')),
    ...(weak ? [judgeWeakWrites(operations, log, orphans)] : []),
    replicasEqual(run, problem),
    answered(run),
    faultsMade(run),
  ].filter(verdict => verdict !== undefined)
}

function replicasEqual({ quiet, about }: RecordedRun, problem: string | undefined): Verdict {
  const violations = quiet === undefined ? [problem ?? 'they were never found equal'] : []
  const shards = Object.keys(about.shards).length
  const found = `${plural(quiet?.replicas ?? 0, 'replica')} of ${plural(shards, 'shard')}, log and state`
  return verdictOn('replicas are equal after quiescence', violations, found)
}

/** A run that did nothing proves nothing. Failures are told, and where nothing was broken they are violations. */
function answered(run: RecordedRun): Verdict {
  const { operations, faults } = run
  const ok = operations.filter(({ outcome }) => outcome === 'ok').length
  if (ok === 0) return verdictOn('operations are answered', ['no operation was answered'], '')
  const failed = operations.filter(({ outcome }) => outcome !== 'ok')
  const shares = `${count(ok)} of ${count(operations.length)}`
  if (faults.length === 0) {
    return verdictOn('operations are answered', failed.map(describeOperation), shares)
  }
  return verdictOn('operations are answered', [], `${shares}${failedText(failed)}`)
}

function failedText(failed: readonly HistoryOperation[]): string {
  if (failed.length === 0) return ', none failed'
  const codes = new Map<string, number>()
  for (const { error } of failed) {
    const code = error?.split(':')[0] ?? 'no answer'
    codes.set(code, (codes.get(code) ?? 0) + 1)
  }
  return `; not: ${[...codes].map(([code, times]) => `${count(times)} ${code}`).join(', ')}`
}

function faultsMade(run: RecordedRun): Verdict | undefined {
  const { faults } = run
  if (faults.length === 0) return undefined
  const problems = faults.flatMap(({ action, target, problem }) =>
    problem === undefined ? [] : [`${action} ${target}: ${problem}`],
  )
  const windows = failovers(run).filter(({ fromMs }) => fromMs < loadTime(run).toMs)
  const longest = Math.max(0, ...windows.map(({ fromMs, toMs }) => toMs - fromMs))
  const heads =
    windows.length === 0
      ? ''
      : `; ${plural(windows.length, 'new head')}, the slowest after ${duration(longest)}`
  return verdictOn('faults were made as described', problems, `${plural(faults.length, 'fault')}${heads}`)
}
