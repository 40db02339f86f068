/**
 * Writes that were appended and wait for their acknowledgement: at commitIndex for strong ones, at the head's own
 * durableIndex for weak ones. A run of writes from one frame is one item here and 64 bytes on the wire.
 */
import type { Position } from '../log/entry.js'
import type { ReplySink } from './node-host.js'

/** One write whose answer says more than its index. */
export interface SingleAnswer {
  readonly id: number
  readonly index: number
  readonly applied: boolean
  /** Where the key's previous entry is, if it was asked for; 0 for none. */
  readonly previous: Position
  readonly wantsPrevious: boolean
}

export interface PendingRun {
  readonly sink: ReplySink
  /** Index whose commit or durability this waits for; rises from item to item. */
  readonly lastIndex: number
  readonly epoch: number
  readonly firstId: number
  readonly count: number
  readonly firstIndex: number
  readonly firstLamport: number
  readonly wallMs: number
  /** Undefined for a plain run: operation k has id, index and Lamport time k above the first. */
  readonly singles: readonly SingleAnswer[] | undefined
}

/** First in, first out; `take` gives what an index released. */
export class PendingAnswers {
  #items: PendingRun[] = []
  #first = 0
  #count = 0

  /** Writes in all items. */
  get count(): number {
    return this.#count
  }

  get isEmpty(): boolean {
    return this.#first === this.#items.length
  }

  /** Index that the youngest item waits for; 0 when there is none. */
  get lastIndex(): number {
    return this.isEmpty ? 0 : this.#items[this.#items.length - 1]!.lastIndex
  }

  push(run: PendingRun): void {
    this.#items.push(run)
    this.#count += run.count
  }

  /** The oldest item that waits for nothing above `index`. */
  take(index: number): PendingRun | undefined {
    const item = this.#items[this.#first]
    if (item === undefined || item.lastIndex > index) return undefined
    this.#first += 1
    this.#count -= item.count
    if (this.#first > 1_024 && this.#first * 2 > this.#items.length) {
      this.#items = this.#items.slice(this.#first)
      this.#first = 0
    }
    return item
  }

  /** Everything that still waits; the queue is empty afterwards. */
  drain(): PendingRun[] {
    const items = this.#items.slice(this.#first)
    this.#items = []
    this.#first = 0
    this.#count = 0
    return items
  }
}
