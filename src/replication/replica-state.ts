/**
 * What the parts of one replica share: its log, where it stands in which epoch, and the effects that the step under way
 * has gathered.
 */
import type { Log } from '../log/log.js'
import { Downstreams } from './downstreams.js'
import type { Body, Effect } from './effects.js'
import type { EpochContext } from './epoch-context.js'

export class ReplicaState implements EpochContext {
  readonly log: Log
  readonly downstreams: Downstreams
  /** The highest epoch adopted, synced or not. */
  epoch: number
  isActive = false
  /** Whoever waits until the log holds, matched, all up to an index. */
  onApplied: (index: number) => void = () => {}
  #commitIndex: number
  #effects: Effect[] = []

  constructor(log: Log, commitIndex: number) {
    this.log = log
    this.epoch = log.adoptedEpoch
    this.#commitIndex = commitIndex
    this.downstreams = new Downstreams(log, (to, body) => this.send(to, body))
  }

  /** Invariant: never falls, never above the log's last index. */
  get commitIndex(): number {
    return this.#commitIndex
  }

  // Arrow functions: the parts of a replica take them out of the state by name.
  readonly send = (to: string, body: Body): void => {
    this.#effects.push({ type: 'send', to, epoch: this.epoch, body })
  }

  readonly emit = (effect: Effect): void => {
    this.#effects.push(effect)
  }

  alarm(message: string): void {
    this.#effects.push({ type: 'alarm', message })
  }

  readonly commitTo = (index: number): void => {
    if (index <= this.#commitIndex) return
    this.#commitIndex = index
    this.#effects.push({ type: 'commit', index })
  }

  readonly applied = (index: number): void => {
    this.onApplied(index)
  }

  /** The effects of the step, in order; the next step begins with none. */
  takeEffects(): Effect[] {
    const effects = this.#effects
    this.#effects = []
    return effects
  }
}
