/** Writes what happens in the runs of an experiment into its folder, as it happens. */

import { createReadStream, existsSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { createInterface } from 'node:readline'
import type { LoggedEntry } from '../../history/history-event.js'
import { HISTORY_VERSION } from '../../history/history-file.js'
import { JsonLinesWriter } from '../../history/json-lines-writer.js'
import type { StampedEntry } from '../../history/replica-log.js'
import type { ExperimentEvent } from './events.js'
import type { ExperimentFolder } from './experiment-folder.js'

/** Of `events.jsonl`, as its first line says. */
export const EVENTS_FORMAT = { format: 'varve-experiment-events', version: 1 } as const

/** What was written reaches the files at least this often: little is lost with a process that is killed. */
const FLUSH_EVERY_MS = 500

export class Recorder {
  readonly #folder: ExperimentFolder
  readonly #history: JsonLinesWriter
  readonly #events: JsonLinesWriter
  readonly #log: JsonLinesWriter
  readonly #orphans: JsonLinesWriter
  readonly #flushing: NodeJS.Timeout
  /** Why something could not be written, such as a full disk. */
  #failure: unknown

  /** Makes the files anew, each with its header. */
  constructor(folder: ExperimentFolder, about: Readonly<Record<string, unknown>>) {
    this.#folder = folder
    this.#history = new JsonLinesWriter(folder.historyFile)
    this.#events = new JsonLinesWriter(folder.eventsFile)
    this.#log = new JsonLinesWriter(folder.logFile)
    this.#orphans = new JsonLinesWriter(folder.orphansFile)
    const clock = 'CLOCK_MONOTONIC, ms'
    this.#history.write({ format: 'varve-history', version: HISTORY_VERSION, clock, about })
    this.#events.write({ ...EVENTS_FORMAT, about })
    this.#log.write({ format: 'varve-entries', version: 1, kind: 'log' })
    this.#orphans.write({ format: 'varve-entries', version: 1, kind: 'orphans' })
    this.#flushing = setInterval(() => this.flush(), FLUSH_EVERY_MS)
  }

  event(event: ExperimentEvent): void {
    this.#events.write(event)
  }

  /** What the replicas of a run held in the end. */
  entries(run: string, log: readonly StampedEntry[], orphans: readonly LoggedEntry[]): void {
    for (const entry of log) this.#log.write({ run, ...entry })
    for (const entry of orphans) this.#orphans.write({ run, ...entry })
  }

  /**
   * Takes over what a run's load recorded so far, and removes it from where it was. Rejects also where anything of the run
   * could not be written before.
   */
  async takeHistory(run: string): Promise<void> {
    if (this.#failure !== undefined) throw this.#failure
    const part = this.#folder.historyPart(run)
    if (!existsSync(part)) return
    const name = JSON.stringify(run)
    let isHeader = true
    for await (const line of createInterface({ input: createReadStream(part), crlfDelay: Infinity })) {
      // A last line that is cut off has no closing brace.
      if (!isHeader && line.endsWith('}')) this.#history.writeLine(`{"run":${name},${line.slice(1)}`)
      isHeader = false
    }
    this.#history.flush()
    await rm(part, { force: true })
  }

  /** Idempotent. */
  close(): void {
    clearInterval(this.#flushing)
    for (const file of [this.#history, this.#events, this.#log, this.#orphans]) file.close()
  }

  /** Lets what was noted reach the files. What fails is told by `takeHistory`: nobody listens to a timer. */
  flush(): void {
    try {
      for (const file of [this.#events, this.#log, this.#orphans]) file.flush()
    } catch (error) {
      this.#failure ??= error
    }
  }
}
