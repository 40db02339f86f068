/** What clients saw of faults: how long nothing was answered, and what failed. */

import type { Verdict } from '../../history/verdict.js'
import { duration, plural } from '../../text.js'
import type { FaultEvent } from '../record/events.js'
import type { RecordedRun } from '../record/recorded-run.js'
import type { JudgedRun } from '../run-experiment.js'
import { judged, measured } from './measured.js'

/** The longest time without an answer after each fault, up to the next one. */
export function pauses(run: RecordedRun): Verdict {
  const answersMs = run.operations
    .flatMap(({ outcome, returnedMs }) => (outcome === 'ok' && returnedMs !== null ? [returnedMs] : []))
    .sort((a, b) => a - b)
  const found = run.faults.map((fault, at) => {
    const untilMs = run.faults[at + 1]?.atMs ?? Number.POSITIVE_INFINITY
    return `${nameOf(fault)} ${duration(longestPause(answersMs, fault.atMs, untilMs))}`
  })
  return measured(`longest time without an answer, ${run.name}`, found.join(', '))
}

/** An operation's time-out is longer than any failover: none may fail. */
export function requests(runs: readonly JudgedRun[]): Verdict {
  const failed = runs.reduce((sum, { summary }) => sum + summary.failed + summary.unknown, 0)
  const unavailable = runs.reduce((sum, { run }) => sum + countUnavailable(run), 0)
  const found =
    failed === 0 ? 'none failed' : `${plural(failed, 'operation')} failed, ${unavailable} with UNAVAILABLE`
  return judged('operations that failed for their clients', failed === 0, found)
}

function nameOf({ action, target }: FaultEvent): string {
  return target === 'last' ? action : `${action} ${target}`
}

function longestPause(answersMs: readonly number[], fromMs: number, untilMs: number): number {
  let longest = 0
  let before = fromMs
  for (const each of answersMs) {
    if (each < fromMs) continue
    // An answer that comes after the next fault still ends the pause that this one began.
    longest = Math.max(longest, each - before)
    if (each > untilMs) break
    before = each
  }
  return longest
}

function countUnavailable({ operations }: RecordedRun): number {
  return operations.filter(({ error }) => error?.startsWith('UNAVAILABLE') === true).length
}
