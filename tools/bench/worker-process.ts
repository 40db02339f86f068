/** The parent's side of a worker: a process of its own that is asked one thing at a time. */

import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { unavailable } from '../exit-codes.js'
import type { Cleanup } from './cleanup.js'
import type { WorkerMessage } from './worker.js'

/** Workers by the name of their main file, here in this folder. */
export type WorkerName = 'load' | 'limit' | 'history/replay'

export class WorkerProcess {
  readonly pid: number
  readonly #child: ChildProcess
  readonly #what: string
  readonly #forget: () => void
  readonly #ended: Promise<unknown>

  /** Starts the worker with additional arguments for Node.js. `what` names it in messages. */
  constructor(name: WorkerName, what: string, cleanup: Cleanup, nodeArguments: readonly string[] = []) {
    const extension = import.meta.url.endsWith('.ts') ? 'ts' : 'js'
    const file = fileURLToPath(new URL(`./${name}-main.${extension}`, import.meta.url))
    this.#child = fork(file, {
      execArgv: [...process.execArgv, ...nodeArguments],
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    })
    this.#what = what
    this.pid = this.#child.pid ?? 0
    this.#ended = once(this.#child, 'exit').catch(() => {})
    this.#forget = cleanup.onExit(() => this.#child.kill('SIGKILL'))
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
      if (child.connected) child.send(request)
      else onEnd()
    })
  }

  /** Lets it end by itself. Resolves when it is gone. */
  async stop(): Promise<void> {
    if (this.#child.connected) this.#child.disconnect()
    await this.#ended
    this.#forget()
  }
}
