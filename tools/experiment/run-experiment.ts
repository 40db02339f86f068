/** An experiment from its description to the folder that it leaves. */

import { rmSync, writeFileSync } from 'node:fs'
import type { ClusterConfig } from '../../src/node/cluster-config.js'
import { CommandError } from '../exit-codes.js'
import type { Verdict } from '../history/verdict.js'
import { describeMachine } from '../machine.js'
import type { ExitHooks } from '../worker/worker-process.js'
import { type Experiment, type PlannedRun, plannedRuns } from './description/variants.js'
import { makeRun, type RunOutcome, type RunProgress } from './one-run.js'
import type { ExperimentFolder } from './record/experiment-folder.js'
import { readExperiment } from './record/read-experiment.js'
import type { RecordedRun } from './record/recorded-run.js'
import { Recorder } from './record/recorder.js'
import { type ExperimentSummary, SUMMARY_FORMAT } from './summary/experiment-summary.js'
import { type RunSummary, summarize } from './summary/run-summary.js'
import { judgeRun } from './verdicts/judge-run.js'

/** A run with all that is known of it, for conclusions. */
export interface JudgedRun {
  readonly planned: PlannedRun
  readonly run: RecordedRun
  readonly summary: RunSummary
}

/** What an experiment's runs show together, in words and numbers. */
export type Conclude = (runs: readonly JudgedRun[]) => Verdict[]

/** Of each run that is planned: where; undefined for a cluster that runs already. */
export type ConfigOf = (planned: PlannedRun) => ClusterConfig | undefined

export interface ExperimentOptions {
  readonly experiment: Experiment
  /** What it was read from: left in the folder, to be run again. */
  readonly described: unknown
  readonly configOf: ConfigOf
  readonly conclude: Conclude
  readonly folder: ExperimentFolder
  readonly hooks: ExitHooks
  /** Aborted by Ctrl-C: what was recorded is still written. */
  readonly signal: AbortSignal
  /** As it was typed, for the summary. */
  readonly command: string
  readonly progressOf: (planned: PlannedRun, at: number, of: number) => RunProgress
}

/** What came of it. */
export interface ExperimentResult {
  readonly summary: ExperimentSummary
  readonly runs: readonly RecordedRun[]
  /** What ended it early, other than the signal. */
  readonly failure: unknown
}

/**
 * Makes all runs, one after another, and writes `summary.json`. A failure or the signal ends it early: the runs that were made
 * are judged and written all the same. No process is left in any case.
 */
export async function runExperiment(options: ExperimentOptions): Promise<ExperimentResult> {
  const { experiment, folder } = options
  const startedMs = Date.now()
  const planned = plannedRuns(experiment)
  folder.create()
  writeFileSync(folder.descriptionFile, `${JSON.stringify(options.described, null, 2)}\n`)
  const recorder = new Recorder(folder, {
    experiment: experiment.name,
    runs: planned.map(({ name }) => name),
  })
  const { outcomes, failure } = await makeRuns(options, planned, recorder)
  recorder.close()
  rmSync(folder.workDir, { recursive: true, force: true })
  const { runs } = await readExperiment(folder.path)
  const judged = judge(planned, runs, outcomes)
  const isWhole = outcomes.size === planned.length
  const summary: ExperimentSummary = {
    ...SUMMARY_FORMAT,
    name: experiment.name,
    title: experiment.title,
    about: experiment.about,
    command: options.command,
    startedMs,
    tookMs: Date.now() - startedMs,
    machine: describeMachine(folder.path),
    unfinished: planned.filter(({ name }) => !outcomes.has(name)).map(({ name }) => name),
    runs: judged.map(each => each.summary),
    conclusions: isWhole ? options.conclude(judged) : [],
  }
  writeFileSync(folder.summaryFile, `${JSON.stringify(summary, null, 2)}\n`)
  return { summary, runs, failure }
}

async function makeRuns(
  { configOf, folder, hooks, signal, progressOf }: ExperimentOptions,
  planned: readonly PlannedRun[],
  recorder: Recorder,
): Promise<{ outcomes: Map<string, RunOutcome>; failure: unknown }> {
  const outcomes = new Map<string, RunOutcome>()
  for (const [at, each] of planned.entries()) {
    if (signal.aborted) break
    const progress = progressOf(each, at, planned.length)
    try {
      const run = { planned: each, config: configOf(each), folder, recorder, hooks, signal, progress }
      const outcome = await makeRun(run)
      if (!signal.aborted) outcomes.set(each.name, outcome)
    } catch (error) {
      if (signal.aborted) break
      const failure =
        error instanceof CommandError
          ? new CommandError(error.exitCode, `${each.name}: ${error.message}`)
          : error
      return { outcomes, failure }
    }
  }
  return { outcomes, failure: undefined }
}

function judge(
  planned: readonly PlannedRun[],
  runs: readonly RecordedRun[],
  outcomes: ReadonlyMap<string, RunOutcome>,
): JudgedRun[] {
  return planned.flatMap(each => {
    const run = runs.find(({ name }) => name === each.name)
    if (run === undefined) return []
    const outcome = outcomes.get(each.name)
    // Without what the replicas held in the end there is nothing to hold the answers against.
    const verdicts = outcome === undefined ? [] : judgeRun(run, outcome.state?.problem)
    return [{ planned: each, run, summary: summarize(each, run, verdicts) }]
  })
}
