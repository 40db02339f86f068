/** Reads the folder of an experiment: what `Recorder` wrote, run by run. */

import { createReadStream, existsSync } from 'node:fs'
import { basename } from 'node:path'
import { createInterface } from 'node:readline'
import { badUsage } from '../../exit-codes.js'
import type { HistoryOperation, LoggedEntry } from '../../history/history-event.js'
import { operationOf } from '../../history/history-file.js'
import { parseLine } from '../../history/json-line.js'
import type { StampedEntry } from '../../history/replica-log.js'
import { PRELOAD_CLIENT } from '../workload/load-protocol.js'
import type { ExperimentEvent, RunEvent } from './events.js'
import { ExperimentFolder } from './experiment-folder.js'
import type { RecordedExperiment } from './recorded-experiment.js'
import type { RecordedEntry, RecordedOperation, RecordedRun } from './recorded-run.js'
import { EVENTS_FORMAT } from './recorder.js'

/** What the files hold of one run. */
interface Parts {
  readonly events: ExperimentEvent[]
  readonly operations: HistoryOperation[]
  readonly log: StampedEntry[]
  readonly orphans: LoggedEntry[]
}

/** Reads all runs of a folder, in the order in which they were made. Throws bad-usage errors that name file and line. */
export async function readExperiment(path: string): Promise<RecordedExperiment> {
  const folder = new ExperimentFolder(path)
  folder.checkExperiment()
  const parts = new Map<string, Parts>()
  const of = (run: unknown): Parts => {
    const name = String(run)
    const known = parts.get(name) ?? { events: [], operations: [], log: [], orphans: [] }
    parts.set(name, known)
    return known
  }
  await eachLine(folder.eventsFile, checkEvents, line =>
    of(line.run).events.push(line as unknown as ExperimentEvent),
  )
  await eachLine(
    folder.historyFile,
    () => {},
    (line, where) => of(line.run).operations.push(operationOf(line, where)),
  )
  await eachLine(
    folder.logFile,
    () => {},
    line => of(line.run).log.push(line as unknown as StampedEntry),
  )
  await eachLine(
    folder.orphansFile,
    () => {},
    line => of(line.run).orphans.push(line as unknown as LoggedEntry),
  )
  const runs = [...parts].map(([name, each]) => runOf(name, each)).filter(run => run !== undefined)
  return { name: basename(folder.path), runs }
}

/** A run as figures and verdicts want it; undefined where it ended before its load began. */
export function runOf(name: string, { events, operations, log, orphans }: Parts): RecordedRun | undefined {
  const about = events.find((event): event is RunEvent => event.type === 'run')
  if (about === undefined) return undefined
  const of = <Type extends ExperimentEvent['type']>(type: Type) =>
    events.filter((event): event is Extract<ExperimentEvent, { type: Type }> => event.type === type)
  const all = operations
    .map(operation => relative(operation, about.zeroMonotonicMs))
    .sort((a, b) => a.invokedMs - b.invokedMs)
  return {
    name,
    about,
    operations: all.filter(({ client }) => client !== PRELOAD_CLIENT),
    preload: all.filter(({ client }) => client === PRELOAD_CLIENT),
    samples: of('sample').sort((a, b) => a.atMs - b.atMs),
    memberships: of('membership'),
    faults: of('fault').sort((a, b) => a.atMs - b.atMs),
    loads: of('load'),
    processes: of('process'),
    quiet: of('quiet').at(-1),
    log: log.map(entry => stamped(entry, about.zeroWallMs)),
    orphans,
  }
}

function relative(operation: HistoryOperation, zeroMs: number): RecordedOperation {
  const { invokedMs, returnedMs, intendedMs = invokedMs } = operation
  return {
    ...operation,
    invokedMs: invokedMs - zeroMs,
    returnedMs: returnedMs === null ? null : returnedMs - zeroMs,
    intendedMs: intendedMs - zeroMs,
  }
}

function stamped({ wallMs, ...entry }: StampedEntry, zeroWallMs: number): RecordedEntry {
  return { ...entry, stampedMs: wallMs - zeroWallMs }
}

function checkEvents(header: Record<string, unknown>, file: string): void {
  const { format, version } = EVENTS_FORMAT
  if (header.format === format && header.version === version) return
  throw badUsage(
    `${file}: format ${header.format}, version ${header.version}; expected ${format}, ${version}`,
  )
}

/** Calls `take` with every line but the first, which is the header. A last line that was cut off is left out. */
async function eachLine(
  file: string,
  checkHeader: (header: Record<string, unknown>, file: string) => void,
  take: (line: Record<string, unknown>, where: string) => void,
): Promise<void> {
  if (!existsSync(file)) return
  let number = 0
  let last: string | undefined
  const takeLast = (isWhole: boolean) => {
    if (last === undefined) return
    const where = `${file}, line ${number}`
    if (!isWhole && !last.endsWith('}')) return
    const line = parseLine(last, where)
    if (number === 1) checkHeader(line, file)
    else take(line, where)
  }
  for await (const line of createInterface({ input: createReadStream(file), crlfDelay: Infinity })) {
    takeLast(true)
    last = line
    number += 1
  }
  takeLast(false)
}
