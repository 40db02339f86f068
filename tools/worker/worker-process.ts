/** The parent's side of a worker: a process of its own that is asked one thing at a time. */

import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { unavailable } from '../exit-codes.js'
import type { ParentMessage, WorkerMessage } from './worker.js'

/** Where a worker is registered to be ended at once, should its parent end before it is stopped. */
export interface ExitHooks {
  /** Registers what ends a process without waiting. Returns what takes it back. */
  onExit(kill: () => void): () => void
}

export class WorkerProcess {
  readonly pid: number
  readonly #child: ChildProcess
  readonly #what: string
  readonly #forget: () => void
  readonly #ended: Promise<unknown>

  /** Starts the worker of that main file with additional arguments for Node.js. `what` names it in messages. */
  constructor(main: URL, what: string, hooks: ExitHooks, nodeArguments: readonly string[] = []) {
    this.#child = fork(fileURLToPath(main), {
      execArgv: [...process.execArgv, ...nodeArguments],
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    })
    this.#what = what
    this.pid = this.#child.pid ?? 0
    this.#ended = once(this.#child, 'exit').catch(() => {})
    this.#forget = hooks.onExit(() => this.#child.kill('SIGKILL'))
  }

  /** Asks and waits for the answer. Rejects with the worker's own error, or when it ends instead of answering. */
  ask<T>(request: object, onEvent: (event: unknown) => void = () => {}): Promise<T> {
    const child = this.#child
    return new Promise<T>((resolve, reject) => {
      const onMessage = (message: WorkerMessage) => {
        if (message.kind === 'event') return onEvent(message.event)
        settle()
        if (message.kind === 'done') resolve(message.answer as T)
        else reject(unavailable(`${this.#what}: ${message.message}`))
      }
      const onEnd = () => {
        settle()
        reject(unavailable(`${this.#what} ended in the middle of its work`))
      }
      const settle = () => {
        child.off('message', onMessage).off('exit', onEnd).off('error', onEnd)
      }
      child.on('message', onMessage).on('exit', onEnd).on('error', onEnd)
      if (child.connected) child.send({ kind: 'ask', request } satisfies ParentMessage)
      else onEnd()
    })
  }

  /** Tells it something that it does not answer. Nothing happens where it is gone. */
  tell(message: object): void {
    if (this.#child.connected) this.#child.send({ kind: 'tell', message } satisfies ParentMessage)
  }

  /** Lets it end by itself. Resolves when it is gone. */
  async stop(): Promise<void> {
    if (this.#child.connected) this.#child.disconnect()
    await this.#ended
    this.#forget()
  }
}

/** The main file of a worker beside the module that asks: `load-main` is built as JavaScript where that module is. */
export function mainBeside(module: string, name: string): URL {
  return new URL(`./${name}.${module.endsWith('.ts') ? 'ts' : 'js'}`, module)
}
