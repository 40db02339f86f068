/** What clients asked for and what they heard, with the times at which they did. */
import type { ResolvedMoment } from '../../src/client/moment.js'
import type { HistoryOperation } from '../../tools/history/history-event.js'

/** An operation as the history has it, and what else the simulator knows of it. Times are virtual, ms. */
export interface Operation extends HistoryOperation {
  /** Order of invocation and of return among everything that happened: exact where times are equal. */
  readonly invokedAt: number
  readonly returnedAt: number | null
  /** False where a condition did not hold: nothing was written. */
  readonly applied: boolean
}

/** What a client was shown of the past: all keys, or one, at a moment. */
export interface Look {
  readonly client: string
  /** As the cluster gave it. */
  readonly resolved: ResolvedMoment
  /** The only key that was asked for; undefined: all of them. */
  readonly key: string | undefined
  /** The keys that had a value, and that. */
  readonly shown: ReadonlyMap<string, string>
}

export class History {
  readonly operations: Operation[] = []
  readonly looks: Look[] = []
  /** Called with each look that came back. */
  onLooked: (look: Look) => void = () => {}
  /** Called with each operation that came back. */
  onReturned: (operation: Operation) => void = () => {}
  #events = 0
  #ids = 0

  /** The order of an event: greater than of all before it. */
  tick(): number {
    this.#events += 1
    return this.#events
  }

  nextId(): number {
    this.#ids += 1
    return this.#ids
  }
}
