/** One process of a local cluster: started, watched until it listens, and asked why it ended. */

import { type ChildProcess, spawn } from 'node:child_process'
import { closeSync, openSync } from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'
import { ExitCode } from '../exit-codes.js'
import { describe, type ProcessSpec } from './cluster-processes.js'
import type { DataFolder } from './data-folder.js'
import { lastMessage, logSize } from './log-file.js'
import { forget, readPid, signal, writePid } from './pid-file.js'
import { accepts } from './ports.js'

/** How a process ended. */
export interface ChildEnd {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
  /** What it said last about it, where it said anything. */
  readonly message: string | undefined
}

/** A running process. Its output goes to its log; its pid file exists as long as it runs. */
export class Child {
  readonly spec: ProcessSpec
  readonly pid: number
  /** Monotonic, ms. */
  readonly startedAt = performance.now()
  /** Resolves when the process is gone. Never rejects. */
  readonly ended: Promise<ChildEnd>
  #end: ChildEnd | undefined
  readonly #process: ChildProcess

  /** Starts the process. Throws where the operating system cannot start one. */
  constructor(folder: DataFolder, spec: ProcessSpec) {
    this.spec = spec
    const logFile = folder.logFile(spec.name)
    const logStart = logSize(logFile)
    const log = openSync(logFile, 'a')
    // A group of its own: a Ctrl-C in the terminal reaches the supervisor alone, which then ends all in order.
    this.#process = spawn(process.execPath, spec.args, { detached: true, stdio: ['ignore', log, log] })
    closeSync(log)
    this.pid = this.#process.pid ?? 0
    if (this.pid > 0) writePid(folder.pidFile(spec.name), this.pid)
    this.ended = new Promise(resolve => {
      const end = (code: number | null, signal: NodeJS.Signals | null, message: string | undefined) => {
        if (this.#end !== undefined) return
        this.#end = { code, signal, message }
        if (readPid(folder.pidFile(spec.name)) === this.pid) forget(folder, spec.name)
        resolve(this.#end)
      }
      this.#process.once('error', error => end(ExitCode.UNAVAILABLE, null, error.message))
      this.#process.once('exit', (code, signal) => end(code, signal, lastMessage(logFile, logStart)))
    })
  }

  /** How it ended; undefined while it runs. */
  get end(): ChildEnd | undefined {
    return this.#end
  }

  /** Resolves with true when something accepts connections at its address, with false once it has ended. */
  async listening(): Promise<boolean> {
    for (let waitMs = 20; this.#end === undefined; waitMs = Math.min(200, waitMs * 1.5)) {
      if (await accepts(this.spec.address)) return true
      await Promise.race([delay(waitMs), this.ended])
    }
    return false
  }

  /** Asks it to end; it is killed if it is still there after `graceMs`. Resolves when it is gone. */
  async stop(graceMs: number): Promise<void> {
    if (this.#end !== undefined || this.pid === 0) return
    this.signal('SIGTERM')
    const kill = setTimeout(() => this.signal('SIGKILL'), graceMs)
    await this.ended
    clearTimeout(kill)
  }

  /** Lets this process end before that one, which then goes on by itself. */
  release(): void {
    this.#process.unref()
  }

  /** Sends a signal, unless it has ended: its id may be someone else's then. */
  signal(name: NodeJS.Signals): void {
    if (this.#end === undefined && this.pid > 0) signal(this.pid, name)
  }
}

/** Why a process ended, in one line. */
export function endReason(spec: ProcessSpec, end: ChildEnd, logFile: string): string {
  if (end.signal !== null) return `${describe(spec)} was ended by ${end.signal}`
  if (end.code === ExitCode.DONE) return `${describe(spec)} was told to end, and did`
  const why = end.message ?? `it did not say why; see ${logFile}`
  return `${describe(spec)} ended with exit code ${end.code}: ${why}`
}
