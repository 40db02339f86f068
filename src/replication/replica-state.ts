/**
 * What the parts of one replica share: its log, where it stands in which epoch, and the effects that the step under way
 * has gathered.
 */
import type { Log } from '../log/log.js'
import type { BaseName } from '../log/log-base.js'
import { BaseReceiver } from './base-receiver.js'
import type { BaseContent } from './base-sender.js'
import { Downstreams } from './downstreams.js'
import type { Body, Effect } from './effects.js'
import type { EpochContext } from './epoch-context.js'

export class ReplicaState implements EpochContext {
  readonly log: Log
  readonly downstreams: Downstreams
  /** A base that comes in. It outlives the epoch: the next upstream may have the same. */
  readonly baseReceiver: BaseReceiver
  /** Who sends it. */
  baseUpstream = ''
  /** The base that came in and can be installed. */
  preparedBase: BaseName | undefined
  /** The highest epoch adopted, synced or not. */
  epoch: number
  isActive = false
  /** Whoever waits until the log holds, matched, all up to an index. */
  onApplied: (index: number) => void = () => {}
  #commitIndex: number
  #effects: Effect[] = []

  constructor(log: Log, commitIndex: number, base: () => BaseContent | undefined) {
    this.log = log
    this.epoch = log.adoptedEpoch
    this.#commitIndex = commitIndex
    this.downstreams = new Downstreams(log, (to, body) => this.send(to, body), base)
    this.baseReceiver = new BaseReceiver(
      {
        begin: base => {
          this.preparedBase = undefined
          this.emit({ type: 'baseBegin', base })
        },
        write: bytes => this.emit({ type: 'baseWrite', bytes }),
        finish: () => this.emit({ type: 'baseFinish' }),
      },
      value => this.send(this.baseUpstream, { $case: 'baseReceipt', value }),
    )
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
