/** A process made silent, with all of its connections open, for as long as the process that wants it so lives. */

import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { unavailable } from '../exit-codes.js'

/**
 * Who holds the other one silent is a process of its own: it lets go when its standard input ends, be it because it is told to
 * or because nobody is left to tell it. A process that is stopped runs no code, and could not end by itself.
 */
const HOLD = 'kill -STOP "$1" && echo held && read -r _; kill -CONT "$1" 2>/dev/null'

export class Pause {
  readonly #holder: ChildProcess

  private constructor(holder: ChildProcess) {
    this.#holder = holder
  }

  /** Resolves when the process is silent (SIGSTOP). Rejects where there is none of that id, or it may not be signalled. */
  static async begin(pid: number): Promise<Pause> {
    // Of a group of its own: a Ctrl-C in the terminal must not end it before it has let go.
    const holder = spawn('sh', ['-c', HOLD, 'sh', String(pid)], {
      stdio: ['pipe', 'pipe', 'ignore'],
      detached: true,
    })
    const ended = once(holder, 'exit').then(() => 'ended' as const)
    const held = once(holder.stdout!, 'data').then(() => 'held' as const)
    if ((await Promise.race([held, ended])) === 'held') return new Pause(holder)
    throw unavailable(`process ${pid} cannot be made silent: it is gone, or another user's`)
  }

  /** Lets the process go on (SIGCONT); resolves when it was told. One that is gone meanwhile is no error. */
  async end(): Promise<void> {
    if (this.#holder.exitCode !== null || this.#holder.signalCode !== null) return
    const gone = once(this.#holder, 'exit')
    this.#holder.stdin!.end()
    await gone
  }
}
