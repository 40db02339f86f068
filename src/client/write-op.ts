/** One write in flight, from the call to its answer. */
import type { VarveError } from './errors.js'
import type { LogPlace } from './log-place.js'
import type { FrameConsistency } from './session-frame.js'

/** What stood under a key before a write, where `returnPrevious` asked for it. */
export interface PreviousValue<V = unknown> {
  readonly found: boolean
  readonly value: V | undefined
  /** Index of the key's entry before this one; 0 if there was none. */
  readonly index: number
}

/** Where a write stands in its shard's log. */
export interface WriteResult<V = unknown> extends LogPlace {
  /** False where `ifIndex` or `ifAbsent` did not hold: nothing was written, and the index is the decision's. */
  readonly applied: boolean
  /** Only with `returnPrevious`. */
  readonly previous: PreviousValue<V> | undefined
}

/**
 * UNSENT: waits to be sent, or to be sent again. SENT: its node has not answered. SETTLED: its promise is
 * resolved or rejected.
 */
export const OpState = { UNSENT: 0, SENT: 1, SETTLED: 2 } as const
export type OpState = (typeof OpState)[keyof typeof OpState]

/** Undoes the listening to a caller's AbortSignal. */
export type Unlisten = () => void

export class WriteOp {
  /** Its number for this client and shard; 0 while it waits for room. Kept over all repeats. */
  sequence = 0
  state: OpState = OpState.UNSENT
  /** An attempt was lost without an answer: it may have happened, whatever the next attempt's answer is. */
  doubt = false
  /** Attempts as a unary call, to tell the answer of an old one. */
  attempt = 0
  /** The encoded write. */
  bytes: Buffer
  start: number
  end: number
  readonly consistency: FrameConsistency
  /** On the monotonic clock, ms. */
  readonly deadline: number
  readonly timeoutMs: number
  /** Who does it, where that is not the session's actor. */
  readonly actor: string | undefined
  /** The atomic batch that it belongs to, and its place there. */
  readonly batch: BatchCall | undefined
  readonly slot: number
  resolve!: (result: WriteResult) => void
  reject!: (error: VarveError) => void
  unlisten: Unlisten | undefined = undefined

  constructor(
    slab: { readonly bytes: Buffer; readonly start: number; readonly end: number },
    consistency: FrameConsistency,
    deadline: number,
    timeoutMs: number,
    actor: string | undefined,
    batch: BatchCall | undefined,
    slot: number,
  ) {
    this.bytes = slab.bytes
    this.start = slab.start
    this.end = slab.end
    this.consistency = consistency
    this.deadline = deadline
    this.timeoutMs = timeoutMs
    this.actor = actor
    this.batch = batch
    this.slot = slot
  }

  get sizeBytes(): number {
    return this.end - this.start
  }
}

/**
 * An atomic batch: its writes keep their places in flight until the last is answered, so that a repeat always
 * carries all of them.
 */
export class BatchCall {
  readonly ops: WriteOp[] = []
  readonly #results: (WriteResult | undefined)[] = []
  #answered = 0
  resolve!: (results: WriteResult[]) => void

  /** Of all its writes. */
  sizeBytes = 0

  /** Takes the result of one write; a repeated answer is ignored. */
  answer(slot: number, result: WriteResult): void {
    if (this.#results[slot] !== undefined) return
    this.#results[slot] = result
    this.#answered++
  }

  /** All results in the order of the writes, once they are there. */
  get results(): WriteResult[] | undefined {
    return this.#answered === this.ops.length ? (this.#results as WriteResult[]) : undefined
  }
}
