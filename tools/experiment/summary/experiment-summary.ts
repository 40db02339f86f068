/** What an experiment comes to as a whole: `summary.json`, and what its commands print. */

import { existsSync, readFileSync } from 'node:fs'
import { badUsage } from '../../exit-codes.js'
import type { Verdict } from '../../history/verdict.js'
import type { Machine } from '../../machine.js'
import type { ExperimentFolder } from '../record/experiment-folder.js'
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

/** Reads the summary of a folder. Throws a bad-usage error where there is none, or of another version. */
export function readSummary({ summaryFile, given }: ExperimentFolder): ExperimentSummary {
  if (!existsSync(summaryFile)) {
    throw badUsage(`${given} holds no summary.json: the experiment was killed before it could be judged`)
  }
  const summary = JSON.parse(readFileSync(summaryFile, 'utf8')) as ExperimentSummary
  const { format, version } = SUMMARY_FORMAT
  if (summary.format === format && summary.version === version) return summary
  const found = `format ${summary.format}, version ${summary.version}`
  throw badUsage(`${summaryFile}: ${found}; expected ${format}, ${version}`)
}
