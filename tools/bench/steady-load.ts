/** A closed loop of strong writes that goes on until it is told to stop, whatever happens to the shard meanwhile. */

import type { VarveClient } from '../../src/client/client.js'
import { makeKeys, Random, ValuePool } from './workload.js'

export interface SteadyLoadOptions {
  readonly outstanding: number
  readonly keys: number
  readonly valueSizeBytes: number
}

/** How much was acknowledged up to a moment of `performance.now`. */
export interface LoadMark {
  readonly atMs: number
  readonly acknowledged: number
}

/** How often the progress is noted: what happens in less is not seen. */
const MARK_EVERY_MS = 50

export class SteadyLoad {
  readonly #client: VarveClient<string, Buffer>
  readonly #options: SteadyLoadOptions
  readonly #keys: readonly string[]
  readonly #values: ValuePool
  readonly #random = new Random(1)
  readonly #marks: LoadMark[] = []
  readonly #timer: NodeJS.Timeout
  readonly #lanes: Promise<unknown>
  #acknowledged = 0
  #isStopping = false

  /** Begins at once. The client's time-out is how long one write may take; after that this fails. */
  constructor(client: VarveClient<string, Buffer>, options: SteadyLoadOptions) {
    this.#client = client
    this.#options = options
    this.#keys = makeKeys(options.keys)
    this.#values = new ValuePool(options.valueSizeBytes)
    this.mark()
    this.#timer = setInterval(() => this.mark(), MARK_EVERY_MS)
    this.#lanes = Promise.all(Array.from({ length: options.outstanding }, () => this.#lane()))
    this.#lanes.catch(() => {})
  }

  /** Rejects with the first write that failed; resolves after `stop`. */
  get failed(): Promise<unknown> {
    return this.#lanes
  }

  /** What was acknowledged by now. */
  mark(): LoadMark {
    const mark = { atMs: performance.now(), acknowledged: this.#acknowledged }
    this.#marks.push(mark)
    return mark
  }

  /** The marks from one to another, both included. */
  between(from: LoadMark, to: LoadMark): LoadMark[] {
    return this.#marks.filter(({ atMs }) => atMs >= from.atMs && atMs <= to.atMs)
  }

  /** Resolves when all that is outstanding is acknowledged; rejects with the first write that failed. */
  async stop(): Promise<void> {
    this.#isStopping = true
    clearInterval(this.#timer)
    await this.#lanes
  }

  async #lane(): Promise<void> {
    const { keys } = this.#options
    while (!this.#isStopping) {
      await this.#client.set(this.#keys[this.#random.below(keys)]!, this.#values.at(this.#acknowledged))
      this.#acknowledged += 1
    }
  }
}

/** Writes a second between two marks. */
export function rateBetween(from: LoadMark, to: LoadMark): number {
  return ((to.acknowledged - from.acknowledged) / (to.atMs - from.atMs)) * 1_000
}

/** The least writes a second in any stretch of `spanMs`; over all marks where they do not last that long. */
export function lowestRate(marks: readonly LoadMark[], spanMs: number): number {
  const [first, last] = [marks[0], marks.at(-1)]
  if (first === undefined || last === undefined || last.atMs === first.atMs) return 0
  let lowest = last.atMs - first.atMs < spanMs ? rateBetween(first, last) : Number.POSITIVE_INFINITY
  let from = 0
  for (const to of marks) {
    if (to.atMs - first.atMs < spanMs) continue
    while (to.atMs - marks[from + 1]!.atMs >= spanMs) from += 1
    lowest = Math.min(lowest, rateBetween(marks[from]!, to))
  }
  return lowest
}
