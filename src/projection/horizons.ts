/**
 * What can still be read of each key. Two things bound it: what is there (the log's base, and what more it keeps of some
 * keys), and rules that hide the past of some keys before its space is given back.
 */
import type { Horizon } from '../log/horizon.js'
import type { Log } from '../log/log.js'
import { beyondHorizon, horizonOf } from '../log/log-base.js'
import { fitting, longestFirst, type PrefixHorizon, rangeHorizon } from './kept-prefixes.js'

export class Horizons {
  readonly #log: Pick<Log, 'shard' | 'base' | 'baseIndex'>
  #kept: readonly PrefixHorizon[] = []
  #hidden: readonly PrefixHorizon[] = []
  #holds = 0

  constructor(log: Pick<Log, 'shard' | 'base' | 'baseIndex'>) {
    this.#log = log
  }

  /** The lowest index at which anything can be read. */
  get lowestIndex(): number {
    return this.#kept.reduce((lowest, { horizon }) => Math.min(lowest, horizon.index), this.#log.baseIndex)
  }

  /** The log is kept from another base, in which more is kept of these keys than their newest entries. */
  useBase(kept: readonly PrefixHorizon[]): void {
    this.#kept = longestFirst(kept)
  }

  /** From now on, what is below these horizons is not read any more, whether it is there or not. */
  hide(hidden: readonly PrefixHorizon[]): void {
    this.#hidden = longestFirst(hidden)
  }

  ofKey(key: Buffer): Horizon {
    const kept = fitting(this.#kept, key, 0, key.length)?.horizon ?? horizonOf(this.#log)
    const hidden = fitting(this.#hidden, key, 0, key.length)?.horizon
    return hidden !== undefined && hidden.index > kept.index ? hidden : kept
  }

  /** The highest horizon of the keys from `start` on and before `end`. */
  ofRange(start: Buffer, end: Buffer | undefined): Horizon {
    const kept = rangeHorizon(this.#kept, horizonOf(this.#log), start, end)
    const hidden = rangeHorizon(this.#hidden, kept, start, end)
    return hidden.index > kept.index ? hidden : kept
  }

  /** Of a watch of the keys with this prefix: it needs the log's own records, and no rule that hides all of its keys. */
  ofWatch(prefix: Buffer): Horizon {
    const log = horizonOf(this.#log)
    const hidden = fitting(this.#hidden, prefix, 0, prefix.length)?.horizon
    return hidden !== undefined && hidden.index > log.index ? hidden : log
  }

  /** Somebody reads at the horizon: it should stay where it is, for a time, until the function returned is called. */
  hold(): () => void {
    this.#holds += 1
    let isHeld = true
    return () => {
      if (isHeld) this.#holds -= 1
      isHeld = false
    }
  }

  get isHeld(): boolean {
    return this.#holds > 0
  }

  /** @throws LogError LOG_OUT_OF_RETENTION where a watch of these keys cannot begin with index `from` */
  checkWatch(prefix: Buffer, from: number): void {
    const horizon = this.ofWatch(prefix)
    if (from <= horizon.index) throw beyondHorizon(this.#log.shard, horizon)
  }

  /** @throws LogError LOG_OUT_OF_RETENTION where the key cannot be read at `index` any more */
  checkKey(key: Buffer, index: number): void {
    this.#check(this.ofKey(key), index)
  }

  /** @throws LogError LOG_OUT_OF_RETENTION where some keys of the range cannot be read at `index` any more */
  checkRange(start: Buffer, end: Buffer | undefined, index: number): void {
    this.#check(this.ofRange(start, end), index)
  }

  #check(horizon: Horizon, index: number): void {
    if (index < horizon.index) throw beyondHorizon(this.#log.shard, horizon)
  }
}
