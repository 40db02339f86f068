/** One process of a cluster under chaos: started, signalled, watched. Its output goes to a file of its own. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, mkdirSync, openSync, readFileSync } from 'node:fs'

/** How a process ended although nobody had killed it. */
export interface ProcessEnd {
  readonly name: string
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
  /** It was to be expected: its disk was full. */
  readonly isExpected: boolean
  /** The last line that it wrote. */
  readonly lastLine: string
}

export interface ProcessSpec {
  /** For messages: `n1`, `coordinator`. */
  readonly name: string
  readonly address: string
  readonly args: readonly string[]
  readonly env: Readonly<Record<string, string>>
  readonly dataDir: string
  readonly outputFile: string
  /** It ended by itself. */
  readonly onEnd: (end: ProcessEnd) => void
}

export class ChaosProcess {
  readonly spec: ProcessSpec
  #child: ChildProcess | undefined
  #isKilled = false
  #mayEnd = false
  #isStopped = false

  constructor(spec: ProcessSpec) {
    this.spec = spec
  }

  get name(): string {
    return this.spec.name
  }

  get address(): string {
    return this.spec.address
  }

  get isRunning(): boolean {
    return this.#child !== undefined && this.#child.exitCode === null && this.#child.signalCode === null
  }

  /** Does nothing where it runs. */
  start(): void {
    if (this.isRunning) return
    const { args, env, dataDir, outputFile } = this.spec
    mkdirSync(dataDir, { recursive: true })
    const output = openSync(outputFile, 'a')
    const child = spawn(process.execPath, [...args], {
      stdio: ['ignore', output, output],
      env: { ...process.env, ...env },
    })
    closeSync(output)
    this.#child = child
    this.#isKilled = false
    this.#isStopped = false
    child.once('exit', (code, signal) => {
      if (this.#isKilled) return
      const { name } = this
      this.spec.onEnd({ name, code, signal, isExpected: this.#mayEnd, lastLine: this.lastLine() })
    })
  }

  /** `kill -9`; resolves when it is gone. */
  async kill(): Promise<void> {
    const child = this.#child
    if (child === undefined || !this.isRunning) return
    this.#isKilled = true
    const gone = once(child, 'exit')
    child.kill('SIGKILL')
    await gone
  }

  /** SIGSTOP: silent, with all of its connections open. */
  pause(): void {
    if (!this.isRunning) return
    this.#isStopped = true
    this.#child!.kill('SIGSTOP')
  }

  resume(): void {
    if (!this.#isStopped || !this.isRunning) return
    this.#isStopped = false
    this.#child!.kill('SIGCONT')
  }

  /** Whether it may end by itself from now on: its disk is full. */
  allowEnd(mayEnd: boolean): void {
    this.#mayEnd = mayEnd
  }

  /** The last line of its output. */
  lastLine(): string {
    return readFileSync(this.spec.outputFile, 'utf8').trimEnd().split('\n').at(-1) ?? ''
  }
}
