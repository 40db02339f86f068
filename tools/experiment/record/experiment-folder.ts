/**
 * The folder that an experiment leaves (docs/experiments.md):
 *
 *   experiment.json   the description, to be run again
 *   history.jsonl     every operation of every run, as clients saw it
 *   events.jsonl      samples, memberships, faults
 *   log.jsonl         the final logs; orphans.jsonl what was cut off them
 *   summary.json      figures and verdicts
 *   figures/*.svg     report.html
 *   logs/<run>/       what each process said
 *
 * Lines of all runs stand in the same files, each with its run's name.
 */

import { existsSync, mkdirSync, readdirSync, statSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { badUsage } from '../../exit-codes.js'
import { fileNameOf } from './file-name.js'

/** A folder in which clusters and unfinished histories are while runs are made. */
const WORK = '.work'

/** Names of what is in an experiment's folder. */
export class ExperimentFolder {
  readonly path: string
  /** As the person gave it, for messages. */
  readonly given: string

  constructor(given: string) {
    this.given = given
    this.path = resolve(given)
  }

  get descriptionFile(): string {
    return join(this.path, 'experiment.json')
  }

  get historyFile(): string {
    return join(this.path, 'history.jsonl')
  }

  get eventsFile(): string {
    return join(this.path, 'events.jsonl')
  }

  get logFile(): string {
    return join(this.path, 'log.jsonl')
  }

  get orphansFile(): string {
    return join(this.path, 'orphans.jsonl')
  }

  get summaryFile(): string {
    return join(this.path, 'summary.json')
  }

  get reportFile(): string {
    return join(this.path, 'report.html')
  }

  get figuresDir(): string {
    return join(this.path, 'figures')
  }

  /** Where a run's cluster lives, and its history until it is whole. Removed in the end. */
  get workDir(): string {
    return join(this.path, WORK)
  }

  logDir(run: string): string {
    return join(this.path, 'logs', fileNameOf(run))
  }

  clusterDir(run: string): string {
    return join(this.workDir, `cluster-${fileNameOf(run)}`)
  }

  historyPart(run: string): string {
    return join(this.workDir, `history-${fileNameOf(run)}.jsonl`)
  }

  /** Refuses a path where something is already: an experiment is never written over. */
  checkNew(): void {
    if (!existsSync(this.path)) return
    if (!statSync(this.path).isDirectory()) {
      throw badUsage(`--out: ${this.given} is a file, expected a path where a folder can be made`)
    }
    const [found] = readdirSync(this.path)
    if (found === undefined) return
    throw badUsage(`--out: ${this.given} is not empty (${found} is in it): give an empty or a new folder`)
  }

  /** Makes the folders. */
  create(): void {
    try {
      for (const each of [this.path, this.workDir, this.figuresDir]) mkdirSync(each, { recursive: true })
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException
      throw badUsage(`--out: ${this.given} cannot be made (${code}): expected a path that can be written to`)
    }
  }

  /** Refuses what is no folder of an experiment. Throws bad-usage errors. */
  checkExperiment(): void {
    const { given } = this
    const found = statSync(this.path, { throwIfNoEntry: false })
    if (found === undefined) {
      throw badUsage(`${given} given, there is no such folder: give what \`varve experiment\` left`)
    }
    if (!found.isDirectory())
      throw badUsage(`${given} is a file, expected the folder that \`varve experiment\` left`)
    if (existsSync(this.eventsFile) && existsSync(this.historyFile)) return
    throw badUsage(`${given} holds no experiment: expected the folder that \`varve experiment\` left`)
  }
}
