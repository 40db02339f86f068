/**
 * Writes that were appended and wait for their acknowledgement: at commitIndex for strong ones, at the head's own
 * durableIndex for weak ones. A run of writes from one frame is one item here and 64 bytes on the wire.
 */
import { Queue } from '../client/queue.js'
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
  readonly #runs = new Queue<PendingRun>()
  #lastIndex = 0
  #count = 0

  /** Writes in all items. */
  get count(): number {
    return this.#count
  }

  /** Index that the youngest item waits for; 0 when there is none. */
  get lastIndex(): number {
    return this.#runs.length === 0 ? 0 : this.#lastIndex
  }

  push(run: PendingRun): void {
    this.#runs.push(run)
    this.#lastIndex = run.lastIndex
    this.#count += run.count
  }

  /** The oldest item that waits for nothing above `index`. */
  take(index: number): PendingRun | undefined {
    const run = this.#runs.peek()
    if (run === undefined || run.lastIndex > index) return undefined
    this.#runs.drop()
    this.#count -= run.count
    return run
  }

  /** Everything that still waits; the queue is empty afterwards. */
  drain(): PendingRun[] {
    const runs = [...this.#runs]
    this.#runs.clear()
    this.#count = 0
    return runs
  }
}
