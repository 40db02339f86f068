/** Writes runs that were made up into a folder, through the recorder that real ones are written with. */

import { ExperimentFolder } from '../../../tools/experiment/record/experiment-folder.js'
import type { RecordedExperiment } from '../../../tools/experiment/record/recorded-experiment.js'
import type { RecordedRun } from '../../../tools/experiment/record/recorded-run.js'
import { Recorder } from '../../../tools/experiment/record/recorder.js'
import { HistoryWriter } from '../../../tools/history/history-file.js'

export async function writeRecorded(path: string, experiment: RecordedExperiment): Promise<ExperimentFolder> {
  const folder = new ExperimentFolder(path)
  folder.create()
  const recorder = new Recorder(folder, { experiment: experiment.name })
  for (const run of experiment.runs) {
    recordEvents(recorder, run)
    writeHistory(folder, run)
    await recorder.takeHistory(run.name)
  }
  recorder.close()
  return folder
}

function recordEvents(recorder: Recorder, run: RecordedRun): void {
  const { about, samples, memberships, faults, loads, processes, quiet, log, orphans } = run
  const rest = [...samples, ...memberships, ...faults, ...loads, ...processes]
  for (const event of [about, ...rest, ...(quiet === undefined ? [] : [quiet])]) recorder.event(event)
  const stamped = log.map(({ stampedMs, ...entry }) => ({ ...entry, wallMs: stampedMs + about.zeroWallMs }))
  recorder.entries(run.name, stamped, orphans)
}

function writeHistory(folder: ExperimentFolder, { name, about, preload, operations }: RecordedRun): void {
  const writer = new HistoryWriter(folder.historyPart(name), 'made up')
  for (const operation of [...preload, ...operations]) {
    const { invokedMs, returnedMs, intendedMs } = operation
    writer.write({
      ...operation,
      invokedMs: invokedMs + about.zeroMonotonicMs,
      intendedMs: intendedMs + about.zeroMonotonicMs,
      returnedMs: returnedMs === null ? null : returnedMs + about.zeroMonotonicMs,
    })
  }
  writer.close()
}
