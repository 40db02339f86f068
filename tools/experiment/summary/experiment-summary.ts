/** What an experiment comes to as a whole: `summary.json`, and what its commands print. */

import type { Verdict } from '../../history/verdict.js'
import type { Machine } from '../../machine.js'
import type { RunSummary } from './run-summary.js'

export const SUMMARY_FORMAT = { format: 'varve-experiment', version: 1 } as const

export interface ExperimentSummary {
  readonly format: typeof SUMMARY_FORMAT.format
  readonly version: typeof SUMMARY_FORMAT.version
  readonly name: string
  readonly title: string
  readonly about: string
  /** The command that was typed, so that the next one can type it. */
  readonly command: string
  /** Epoch ms. */
  readonly startedMs: number
  readonly tookMs: number
  readonly machine: Machine
  /** Runs that were planned and not made, or not to the end: the experiment was interrupted. */
  readonly unfinished: readonly string[]
  readonly runs: readonly RunSummary[]
  /** What the runs show together. */
  readonly conclusions: readonly Verdict[]
}

/** Whether every promise was kept, and nothing is left out. */
export function isGreen({ unfinished, runs, conclusions }: ExperimentSummary): boolean {
  const verdicts = [...runs.flatMap(run => run.verdicts), ...conclusions]
  return unfinished.length === 0 && runs.length > 0 && verdicts.every(({ ok }) => ok)
}
