/** Runs the processes of a cluster on this machine: starts them, starts them again when they die, ends them. */

import { setTimeout as delay } from 'node:timers/promises'
import { CommandError, ExitCode } from '../exit-codes.js'
import { Child, type ChildEnd, endReason } from './child.js'
import { describe, type ProcessSpec } from './cluster-processes.js'
import type { DataFolder } from './data-folder.js'

/** Processes started at once: more only compete for the processors. */
const STARTS_AT_ONCE_MAX = 4
/** How long a process may take to end after SIGTERM before it is killed. */
const STOP_GRACE_MS = 10_000
const RESTART_DELAY_FIRST_MS = 500
const RESTART_DELAY_MAX_MS = 30_000
/** A process that ran as long as this starts anew with the first delay. */
const RAN_WELL_MS = 10_000

/** What the supervisor tells while it works. */
export interface SupervisorEvents {
  /** A process of the first start listens. */
  started(listening: number, of: number): void
  /** Something happened to a process after the start, in words. */
  notice(line: string): void
  /** A process ended after the start, for whatever reason; `reason` says which, in words. */
  ended?(spec: ProcessSpec, reason: string): void
}

/** A cluster's processes. `start` once, then `stop` once. */
export class Supervisor {
  readonly #folder: DataFolder
  readonly #specs: readonly ProcessSpec[]
  readonly #restart: boolean
  readonly #events: SupervisorEvents
  readonly #children = new Map<string, Child>()
  readonly #attempts = new Map<string, number>()
  readonly #stopping = new AbortController()
  /** Rejects when a process ends before the start is over. */
  readonly #failed: Promise<never>
  #fail: (error: CommandError) => void = () => {}
  #restartsPending = 0
  #phase: 'starting' | 'running' | 'stopping' = 'starting'

  constructor(folder: DataFolder, specs: readonly ProcessSpec[], restart: boolean, events: SupervisorEvents) {
    this.#folder = folder
    this.#specs = specs
    this.#restart = restart
    this.#events = events
    this.#failed = new Promise((_, reject) => {
      this.#fail = reject
    })
    this.#failed.catch(() => {})
  }

  /**
   * Starts all processes, the first spec before the others, and resolves when all listen and `ready` has resolved
   * (its signal tells that the answer is not wanted any more). Rejects with a `CommandError` as soon as one ends
   * before that; `stop` is still to be called.
   */
  async start(ready: (signal: AbortSignal) => Promise<void>): Promise<void> {
    await Promise.race([this.#failed, this.#startAll().then(() => ready(this.#stopping.signal))])
    if (this.#phase === 'starting') this.#phase = 'running'
  }

  /** Ends all processes, the coordinator first: it must not take the others' going for failures. */
  async stop(): Promise<void> {
    this.#phase = 'stopping'
    this.#stopping.abort()
    const children = [...this.#children.values()]
    const coordinator = children.filter(child => child.spec.role === 'coordinator')
    const nodes = children.filter(child => child.spec.role === 'node')
    await Promise.all(coordinator.map(child => child.stop(STOP_GRACE_MS)))
    await Promise.all(nodes.map(child => child.stop(STOP_GRACE_MS)))
  }

  /**
   * Starts a process now, whatever became of it: one that died and waits for its next start or for none, or one that
   * is new to the cluster. From then on it is looked after as the others are. Once all runs; before and after that,
   * and where the process runs already, it does nothing and returns false.
   */
  startNow(spec: ProcessSpec): boolean {
    const before = this.#children.get(spec.name)
    if (this.#phase !== 'running' || (before !== undefined && before.end === undefined)) return false
    this.#attempts.delete(spec.name)
    void this.#watchStart(spec)
    return true
  }

  /** Signals all processes at once, without waiting. */
  signalAll(name: NodeJS.Signals): void {
    for (const child of this.#children.values()) child.signal(name)
  }

  /** True once no process runs and none will be started again. */
  get isAbandoned(): boolean {
    return this.#phase === 'running' && this.runningCount === 0 && this.#restartsPending === 0
  }

  /** How many processes run. */
  get runningCount(): number {
    return [...this.#children.values()].filter(child => child.end === undefined).length
  }

  async #startAll(): Promise<void> {
    const total = this.#specs.length
    let listening = 0
    const startOne = async (spec: ProcessSpec) => {
      if (this.#phase !== 'starting' || !(await this.#launch(spec).listening())) return
      listening++
      this.#events.started(listening, total)
    }
    const [first, ...others] = this.#specs
    await startOne(first!)
    const next = others.values()
    const worker = async () => {
      for (const spec of next) await startOne(spec)
    }
    await Promise.all(Array.from({ length: STARTS_AT_ONCE_MAX }, worker))
  }

  #launch(spec: ProcessSpec): Child {
    const child = new Child(this.#folder, spec)
    this.#children.set(spec.name, child)
    void child.ended.then(end => this.#onEnd(child, end))
    return child
  }

  #onEnd(child: Child, end: ChildEnd): void {
    if (this.#phase === 'stopping') return
    const reason = endReason(child.spec, end, this.#folder.logFile(child.spec.name))
    if (this.#phase === 'running') this.#events.ended?.(child.spec, reason)
    if (this.#phase === 'starting') {
      const exitCode = end.code === ExitCode.BAD_USAGE ? ExitCode.BAD_USAGE : ExitCode.UNAVAILABLE
      this.#fail(new CommandError(exitCode, reason))
    } else if (end.code === ExitCode.BAD_USAGE) {
      // It would say the same again: damage, a foreign folder, a configuration it cannot use.
      this.#events.notice(`${reason} (not started again)`)
    } else if (!this.#restart) {
      this.#events.notice(`${reason} (not started again: --no-restart)`)
    } else {
      void this.#startAgain(child, reason)
    }
  }

  async #startAgain(child: Child, reason: string): Promise<void> {
    const { spec } = child
    const ranWell = performance.now() - child.startedAt >= RAN_WELL_MS
    const attempt = ranWell ? 0 : (this.#attempts.get(spec.name) ?? 0)
    this.#attempts.set(spec.name, attempt + 1)
    const waitMs = Math.min(RESTART_DELAY_MAX_MS, RESTART_DELAY_FIRST_MS * 2 ** attempt)
    this.#events.notice(`${reason} (starting it again in ${waitMs / 1_000} s)`)
    this.#restartsPending++
    try {
      await delay(waitMs, undefined, { signal: this.#stopping.signal })
    } catch {
      // Everything is to end.
      return
    } finally {
      this.#restartsPending--
    }
    // Someone may have asked for it in the meantime.
    if (this.#phase === 'running' && this.#children.get(spec.name) === child)
      await this.#watchStart(spec, ' again')
  }

  async #watchStart(spec: ProcessSpec, again = ''): Promise<void> {
    try {
      const child = this.#launch(spec)
      if (await child.listening()) this.#events.notice(`${describe(spec)} listens${again} (pid ${child.pid})`)
    } catch (error) {
      this.#events.notice(`${describe(spec)}: ${(error as Error).message}`)
    }
  }
}
