/**
 * The unanswered writes of one client to one shard, and what answers do to them. They lie in a ring by sequence,
 * so that one answer for thousands of writes is a walk along an array.
 */
import type { VarveError, WriteOutcome } from './errors.js'
import type { LaneHost, RawPrevious, WriteAnswer } from './lane-host.js'
import { WriteResultFlag } from './session-frame.js'
import type { ResponseFrameReader } from './session-frame-reader.js'
import type { ShardRoute } from './shard-route.js'
import { OpState, type PreviousValue, type WriteOp, type WriteResult } from './write-op.js'
import { WriteRing } from './write-ring.js'

export class WritesInFlight {
  readonly #host: Pick<LaneHost, 'admission' | 'tokens' | 'decodeValue'>
  readonly #route: ShardRoute
  readonly #ring = new WriteRing()
  /** Invariant: no lower sequence is unsent. */
  #sendFrom = 1
  #sentCount = 0

  constructor(host: Pick<LaneHost, 'admission' | 'tokens' | 'decodeValue'>, route: ShardRoute) {
    this.#host = host
    this.#route = route
  }

  /** Writes that a node has and did not answer yet. */
  get sentCount(): number {
    return this.#sentCount
  }

  /** How many sequences lie between the oldest unanswered and the newest. */
  get span(): number {
    return this.#ring.span
  }

  /** Every lower sequence is answered or given up. */
  get base(): number {
    return this.#ring.base
  }

  /** The sequence that the next write gets. */
  get next(): number {
    return this.#ring.next
  }

  /** Where to begin to look for unsent writes. `next`, where there are none. */
  get sendFrom(): number {
    return this.#sendFrom
  }

  get(sequence: number): WriteOp | undefined {
    return this.#ring.get(sequence)
  }

  [Symbol.iterator](): Iterator<WriteOp> {
    return this.#ring[Symbol.iterator]()
  }

  /** Numbers a write; it is unsent. */
  add(op: WriteOp): void {
    this.#ring.add(op)
    this.#host.admission.enter(op.sizeBytes)
  }

  markSent(op: WriteOp): void {
    op.state = OpState.SENT
    this.#sentCount++
  }

  /** All unsent writes have been sent. */
  markAllSent(): void {
    this.#sendFrom = this.#ring.next
  }

  /** A write, and the batch that it belongs to, was refused and may go again. */
  markUnsent(op: WriteOp, doubt: boolean): void {
    for (const one of op.batch?.ops ?? [op]) {
      if (one.state === OpState.SENT) this.#sentCount--
      one.state = OpState.UNSENT
      if (doubt) one.doubt = true
      this.#sendFrom = Math.min(this.#sendFrom, one.sequence)
    }
  }

  /** Nobody will answer what was sent: it may have happened, and is to be sent again. */
  markAllUnsent(): void {
    for (const op of this.#ring) {
      if (op.state !== OpState.SENT) continue
      op.state = OpState.UNSENT
      op.doubt = true
      this.#sendFrom = Math.min(this.#sendFrom, op.sequence)
    }
    this.#sentCount = 0
  }

  /** A run of writes is done: operation k has the reader's index and Lamport time plus k. */
  done(reader: ResponseFrameReader): void {
    const { firstId, count, epoch, index, lamport, wallMs } = reader
    const committed = reader.flags !== 0
    const shard = this.#route.name
    this.#host.tokens.advance(this.#route.ordinal, epoch, index + count - 1)
    this.#host.tokens.observeStamp(lamport + count - 1, wallMs)
    const end = Math.min(count, this.#ring.next - firstId)
    for (let k = Math.max(0, this.#ring.base - firstId); k < end; k++) {
      const op = this.#ring.get(firstId + k)
      if (op === undefined) continue
      this.#complete(op, {
        shard,
        epoch,
        index: index + k,
        lamport: lamport + k,
        wallMs,
        committed,
        applied: true,
        previous: undefined,
      })
    }
  }

  /** Writes that were answered one by one. */
  results(reader: ResponseFrameReader): void {
    while (reader.next()) {
      const { epoch, index, lamport, wallMs, flags, frame, previousIndex, valueStart, valueLength } = reader
      const op = this.#ring.get(reader.id)
      if (op === undefined) continue
      const committed = (flags & WriteResultFlag.COMMITTED) !== 0
      const applied = (flags & WriteResultFlag.APPLIED) !== 0
      let previous: RawPrevious | undefined
      if ((flags & WriteResultFlag.PREVIOUS_REQUESTED) !== 0) {
        const found = (flags & WriteResultFlag.PREVIOUS_FOUND) !== 0
        previous = {
          found,
          value: frame.subarray(valueStart, valueStart + valueLength),
          index: previousIndex,
        }
      }
      this.answer(op, { epoch, index, lamport, wallMs, committed, applied, previous })
    }
  }

  /** One write's own answer. A previous value that is not in the client's encoding ends it with an error. */
  answer(op: WriteOp, answer: WriteAnswer): void {
    this.#host.tokens.advance(this.#route.ordinal, answer.epoch, answer.index)
    this.#host.tokens.observeStamp(answer.lamport, answer.wallMs)
    const raw = answer.previous
    let previous: PreviousValue | undefined
    if (raw !== undefined) {
      const { found, index } = raw
      try {
        const value = found ? this.#host.decodeValue(raw.value, 0, raw.value.length) : undefined
        previous = { found, value, index }
      } catch (error) {
        this.abandon(op, () => error as VarveError)
        return
      }
    }
    const { epoch, index, lamport, wallMs, committed, applied } = answer
    this.#complete(op, {
      shard: this.#route.name,
      epoch,
      index,
      lamport,
      wallMs,
      committed,
      applied,
      previous,
    })
  }

  /** Ends a write, and the batch that it belongs to, without an answer. What may have happened ends as unknown. */
  abandon(op: WriteOp, error: (outcome: WriteOutcome) => VarveError): void {
    if (op.state === OpState.SETTLED) return
    const ops = op.batch?.ops ?? [op]
    const doubt = ops.some(one => one.doubt || one.state === OpState.SENT)
    for (const one of ops) this.#release(one)
    const outcome = doubt ? 'unknown' : 'failed'
    op.reject(error(outcome).withOutcome(outcome))
  }

  /** From now on they go under another client id: numbered anew, but for those that may have happened under the old. */
  renumber(error: VarveError): void {
    for (const op of [...this.#ring]) if (op.doubt) this.abandon(op, () => error)
    this.#ring.renumber()
    this.#sendFrom = 1
  }

  #complete(op: WriteOp, result: WriteResult): void {
    const batch = op.batch
    if (batch === undefined) {
      this.#release(op)
      op.resolve(result)
      return
    }
    batch.answer(op.slot, result)
    const { results } = batch
    if (results === undefined) return
    for (const one of batch.ops) this.#release(one)
    batch.resolve(results)
  }

  #release(op: WriteOp): void {
    if (op.state === OpState.SENT) this.#sentCount--
    op.state = OpState.SETTLED
    op.unlisten?.()
    if (op.sequence === 0) return
    this.#ring.remove(op.sequence)
    this.#host.admission.leave(op.sizeBytes)
  }
}
