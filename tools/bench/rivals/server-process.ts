/** Another system's server, started and ended by the benchmark. */

import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { accessSync, closeSync, constants, openSync, readFileSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { unavailable } from '../../exit-codes.js'
import type { Cleanup } from '../cleanup.js'
import type { ProcessUsage } from '../subject.js'

/** Where a program is on the PATH; undefined where it is not. */
export function findOnPath(program: string): string | undefined {
  for (const folder of (process.env.PATH ?? '').split(delimiter)) {
    const file = join(folder, program)
    try {
      accessSync(file, constants.X_OK)
      return file
    } catch {}
  }
  return undefined
}

/** Clock ticks a second in /proc: what Linux shows to programs, whatever it uses inside. */
const TICKS_PER_SECOND = 100
const PAGE_SIZE_BYTES = 4_096

export class ServerProcess {
  readonly name: string
  /** Rejects when it ends by itself; never resolves. */
  readonly failed: Promise<never>
  readonly #child: ChildProcess
  readonly #ended: Promise<unknown>
  readonly #forget: () => void
  #isStopping = false

  /** Starts the program; what it says goes to `logFile`. */
  constructor(name: string, file: string, args: readonly string[], logFile: string, cleanup: Cleanup) {
    this.name = name
    const log = openSync(logFile, 'a')
    this.#child = spawn(file, args, { stdio: ['ignore', log, log] })
    closeSync(log)
    this.#forget = cleanup.onExit(() => this.#child.kill('SIGKILL'))
    this.#ended = once(this.#child, 'exit').catch(() => {})
    this.failed = new Promise((_, reject) => {
      this.#child.once('error', error => reject(unavailable(`${file} cannot be started: ${error.message}`)))
      this.#child.once('exit', code => {
        if (!this.#isStopping)
          reject(unavailable(`${name} ended with exit code ${code}; it said: ${lastLine(logFile)}`))
      })
    })
    this.failed.catch(() => {})
  }

  /** CPU and memory as the system counts them; zeros where it does not tell (no /proc). */
  usage(): ProcessUsage {
    try {
      const stat = readFileSync(`/proc/${this.#child.pid}/stat`, 'utf8')
      // The name, in brackets, may hold spaces. Of what follows, user and system time are the 12th and 13th.
      const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
      const cpuSeconds = (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND
      return { name: this.name, cpuSeconds, rssBytes: Number(fields[21]) * PAGE_SIZE_BYTES }
    } catch {
      return { name: this.name, cpuSeconds: 0, rssBytes: 0 }
    }
  }

  /** Ends it at once: nothing of its data is wanted. */
  async stop(): Promise<void> {
    this.#isStopping = true
    this.#child.kill('SIGKILL')
    await this.#ended
    this.#forget()
  }
}

function lastLine(logFile: string): string {
  const lines = readFileSync(logFile, 'utf8').trim().split('\n')
  return lines.at(-1)?.slice(0, 300) || 'nothing'
}
