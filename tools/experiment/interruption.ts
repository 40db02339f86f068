/** Ctrl-C: the first one ends an experiment in order, the next one at once. No process is left either way. */

import type { ExitHooks } from '../worker/worker-process.js'

/** A second signal within this time is the same wish, passed on by npm or a shell. */
const SAME_SIGNAL_MS = 1_000
/** 128 + the signal's number, as shells have it. */
const SIGNALS = { SIGINT: 130, SIGTERM: 143, SIGHUP: 129 } as const

export class Interruption implements ExitHooks {
  readonly #told = new AbortController()
  readonly #kills = new Set<() => void>()
  readonly #listeners = new Map<NodeJS.Signals, () => void>()
  #firstMs = 0

  /** Listens from now on. */
  constructor() {
    for (const [name, exitCode] of Object.entries(SIGNALS)) {
      const listener = () => this.#onSignal(exitCode)
      this.#listeners.set(name as NodeJS.Signals, listener)
      process.on(name, listener)
    }
    process.on('exit', this.#killAll)
  }

  /** Aborted by the first signal. */
  get signal(): AbortSignal {
    return this.#told.signal
  }

  onExit(kill: () => void): () => void {
    this.#kills.add(kill)
    return () => this.#kills.delete(kill)
  }

  /** Listens no more. */
  dispose(): void {
    for (const [name, listener] of this.#listeners) process.off(name, listener)
    process.off('exit', this.#killAll)
  }

  #onSignal(exitCode: number): void {
    if (!this.#told.signal.aborted) {
      this.#firstMs = performance.now()
      this.#told.abort(new Error('interrupted'))
    } else if (performance.now() - this.#firstMs > SAME_SIGNAL_MS) {
      process.exit(exitCode)
    }
  }

  readonly #killAll = (): void => {
    for (const kill of this.#kills) kill()
  }
}
