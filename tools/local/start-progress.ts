/** How far the start of a cluster is: first its processes, then its shards. */

import { type Progress, showProgress } from '../progress.js'

export class StartProgress {
  readonly #progress: Progress
  #part: 'processes' | 'shards' | 'over' = 'processes'

  private constructor(progress: Progress) {
    this.#progress = progress
  }

  /** Shows it on a terminal; elsewhere it is silent. */
  static async show(processes: number): Promise<StartProgress> {
    return new StartProgress(await showProgress('starting processes', processes))
  }

  started(listening: number): void {
    if (this.#part === 'processes') this.#progress.update(listening)
  }

  active(shards: number, of: number): void {
    if (this.#part === 'processes') {
      this.#part = 'shards'
      this.#progress.restart('waiting for shards', of)
    }
    if (this.#part === 'shards') this.#progress.update(shards)
  }

  /** Takes it away; again, it does nothing. */
  stop(): void {
    if (this.#part !== 'over') this.#progress.stop()
    this.#part = 'over'
  }
}
