/** When a run's load began and ended: what shares of time and rates are measured against. */

import type { RecordedRun } from '../record/recorded-run.js'

/** Milliseconds since the run's zero. */
export interface TimeSpan {
  readonly fromMs: number
  readonly toMs: number
}

/** From the first load event to the last that says it ended; where none was recorded, by the operations. */
export function loadTime(run: RecordedRun): TimeSpan {
  const begun = run.loads.find(({ state }) => state === 'begun')
  const ended = run.loads.findLast(({ state }) => state === 'ended')
  const fromMs = begun?.atMs ?? run.operations[0]?.invokedMs ?? 0
  return { fromMs, toMs: Math.max(fromMs, ended?.atMs ?? lastAnswerMs(run)) }
}

/** From the load's begin until the load and all faults are over and the replicas hold the same. */
export function shownTime(run: RecordedRun): TimeSpan {
  const { fromMs, toMs } = loadTime(run)
  const faults = run.faults.map(({ atMs, tookMs }) => atMs + tookMs)
  return { fromMs, toMs: Math.max(toMs, run.quiet?.atMs ?? toMs, ...faults) }
}

function lastAnswerMs({ operations }: RecordedRun): number {
  let last = 0
  for (const { invokedMs, returnedMs } of operations) last = Math.max(last, returnedMs ?? invokedMs)
  return last
}
