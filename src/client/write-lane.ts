/**
 * The writes of one client to one shard: numbered, sent in order, repeated under the same number until they are
 * answered or their time is over. (client, sequence) is what makes a repeat harmless: the shard's request table
 * answers it with the first one's result.
 */
import type { Waiter } from './admission.js'
import { backoffMs } from './backoff.js'
import type { VarveError, WriteOutcome } from './errors.js'
import { type WriteFrameBuilder, WriteSlab } from './frame-encoder.js'
import type { LaneHost, UnaryAnswer, WriteAnswer } from './lane-host.js'
import { Queue } from './queue.js'
import type { Session } from './session.js'
import { FRAME_SIZE_BYTES_TARGET } from './session-frame.js'
import type { ResponseFrameReader } from './session-frame-reader.js'
import { meansElsewhere, type ShardRoute } from './shard-route.js'
import { timedOut } from './timed-out.js'
import { OpState, type WriteOp } from './write-op.js'
import { WritesInFlight } from './writes-in-flight.js'

/** At most so many sequences lie between a shard's oldest unanswered write and its newest. */
export const LANE_SPAN_MAX = 16_384

// So often a write goes to another head at once; after that it waits, lest two nodes that name each other make a storm.
const PROMPT_ATTEMPTS = 2

export class WriteLane implements Waiter {
  readonly route: ShardRoute
  /** Where new writes are encoded, before they are made into a `WriteOp`. */
  readonly slab = new WriteSlab()
  /** In the list of those that are flushed at the end of this turn. */
  dirty = false
  readonly #host: LaneHost
  readonly #builder: WriteFrameBuilder
  readonly #writes: WritesInFlight
  /** Writes that found no room. A batch waits as its first write. */
  readonly #waiting = new Queue<WriteOp>()
  /** Where the writes that are in flight went. */
  #session: Session | undefined
  #pausedUntil = 0
  #attempt = 0
  #lastFailure: VarveError | undefined

  constructor(host: LaneHost, route: ShardRoute, builder: WriteFrameBuilder) {
    this.#host = host
    this.route = route
    this.#builder = builder
    this.#writes = new WritesInFlight(host, route)
  }

  /** Whether something may be sent. */
  get hasWork(): boolean {
    return this.#writes.sendFrom < this.#writes.next
  }

  /** Writes that a node has and did not answer yet. */
  get sentCount(): number {
    return this.#writes.sentCount
  }

  /** Sequence of the oldest write that is not answered. */
  get oldest(): number {
    return this.#writes.base
  }

  /** Takes a new write, or a batch by its first one: it leaves at the end of this turn, or waits for room. */
  issue(op: WriteOp): void {
    this.#host.armDeadline(op.deadline)
    if (this.#waiting.length === 0 && this.#hasRoom(op)) {
      this.#admit(op)
      return
    }
    this.#waiting.push(op)
    this.#host.admission.wait(this)
  }

  admitWaiting(): boolean {
    for (let op = this.#waiting.peek(); op !== undefined; op = this.#waiting.peek()) {
      if (op.state !== OpState.SETTLED) {
        if (!this.#hasRoom(op)) return false
        this.#admit(op)
      }
      this.#waiting.drop()
    }
    return true
  }

  /** Sends what is unsent, if the head can take it. */
  flush(now: number): void {
    if (!this.hasWork || this.#host.writesHeld) return
    if (now < this.#pausedUntil) {
      this.#host.wakeAt(this.#pausedUntil)
      return
    }
    const address = this.route.head
    if (address === undefined) {
      this.#host.refreshMap()
      this.#pause(this.route.headless())
      return
    }
    const session = this.#host.session(address, now)
    if (session === undefined) return
    if (session !== this.#session) {
      this.#writes.markAllUnsent()
      this.#session = session
    }
    this.#send(session)
    this.#host.touch(session)
  }

  /** A run of writes is done. */
  done(reader: ResponseFrameReader): void {
    this.#attempt = 0
    this.#writes.done(reader)
  }

  /** Writes that were answered one by one. */
  results(reader: ResponseFrameReader): void {
    this.#attempt = 0
    this.#writes.results(reader)
  }

  /** A node refused `count` writes from `firstId` on. */
  refused(firstId: number, count: number, error: VarveError, session: Session): void {
    // An older attempt's answer: the newer attempt will have its own.
    if (session !== this.#session) return
    const end = Math.min(firstId + count, this.#writes.next)
    let kept = false
    for (let sequence = Math.max(firstId, this.#writes.base); sequence < end; sequence++) {
      const op = this.#writes.get(sequence)
      if (op?.state === OpState.SENT) kept = this.#refuse(op, error) || kept
    }
    if (kept) this.#reroute(error, session.address)
  }

  /** The stream to that node broke, or could not be opened. */
  sessionLost(session: Session, error: VarveError): void {
    if (session === this.#session) {
      this.#writes.markAllUnsent()
      this.#session = undefined
    }
    if (this.hasWork) this.#reroute(error, session.address)
  }

  /** The map changed: what is in flight at a head of old goes to the new one. */
  mapChanged(): void {
    const head = this.route.head
    if (this.#session !== undefined && head !== undefined && this.#session.address !== head) {
      this.#writes.markAllUnsent()
      this.#session = undefined
    }
    this.#pausedUntil = 0
    if (this.hasWork) this.#host.markLane(this)
  }

  /** Gives up writes whose time is over. Returns the earliest deadline among the others. */
  expire(now: number): number {
    let earliest = Infinity
    const check = (op: WriteOp) => {
      if (op.state === OpState.SETTLED) return
      if (op.deadline > now) earliest = Math.min(earliest, op.deadline)
      else this.abandon(op, outcome => this.#timedOut(op, outcome))
    }
    for (const op of this.#writes) check(op)
    for (const op of this.#waiting) check(op)
    return earliest
  }

  /** Ends a write, and the batch that it belongs to, without an answer. What may have happened ends as unknown. */
  abandon(op: WriteOp, error: (outcome: WriteOutcome) => VarveError): void {
    this.#writes.abandon(op, error)
  }

  /** Ends all of them. */
  abandonAll(error: VarveError): void {
    for (const op of this.#writes) this.abandon(op, () => error)
    for (const op of this.#waiting) this.abandon(op, () => error)
    this.#waiting.clear()
  }

  /** From now on they go under another client id: numbered anew, but for those that may have happened under the old. */
  renumber(error: VarveError): void {
    this.#writes.renumber(error)
    this.#session = undefined
    if (this.hasWork) this.#host.markLane(this)
  }

  #hasRoom(op: WriteOp): boolean {
    const count = op.batch?.ops.length ?? 1
    const fits = this.#writes.span + count <= LANE_SPAN_MAX
    return fits && this.#host.admission.hasRoom(count, op.batch?.sizeBytes ?? op.sizeBytes)
  }

  #admit(op: WriteOp): void {
    if (op.batch === undefined) this.#writes.add(op)
    else for (const one of op.batch.ops) this.#writes.add(one)
    this.#host.markLane(this)
  }

  /** Frames of neighbours that go at one consistency; a batch is never parted. */
  #send(session: Session): void {
    const writes = this.#writes
    let firstId = 0
    let last: WriteOp | undefined
    for (let sequence = writes.sendFrom; sequence < writes.next; sequence++) {
      const op = writes.get(sequence)
      if (last !== undefined && !(op !== undefined && continues(last, op, this.#builder.sizeBytes))) {
        this.#pushFrame(session, firstId, last)
        last = undefined
      }
      if (op === undefined || op.state !== OpState.UNSENT) continue
      writes.markSent(op)
      if (op.actor !== undefined) {
        this.#sendUnary(op, session.address)
        continue
      }
      if (last === undefined) {
        this.#builder.begin()
        firstId = sequence
      }
      this.#builder.add(op.bytes, op.start, op.end)
      last = op
    }
    if (last !== undefined) this.#pushFrame(session, firstId, last)
    writes.markAllSent()
  }

  #pushFrame(session: Session, firstId: number, op: WriteOp): void {
    const frame = this.#builder.finish({
      shard: this.route.ordinal,
      firstId,
      observedLamport: this.#host.tokens.lamport,
      consistency: op.consistency,
      acknowledgedBelowOrTokenIndex: this.#writes.base,
      tokenEpoch: 0,
    })
    session.push(frame)
  }

  /** An actor of its own: the session's frames have no room for one. A batch goes with its first write. */
  #sendUnary(op: WriteOp, address: string): void {
    if (op.slot > 0) return
    const ops = op.batch?.ops ?? [op]
    const attempt = ++op.attempt
    const answer = (results: readonly WriteAnswer[]) => {
      this.#attempt = 0
      ops.forEach((one, slot) => {
        const result = results[slot]
        if (result !== undefined && this.#writes.get(one.sequence) === one) this.#writes.answer(one, result)
      })
    }
    const failed = (error: VarveError) => {
      if (op.attempt !== attempt || op.state !== OpState.SENT) return
      if (this.#refuse(op, error)) this.#reroute(error, address)
    }
    this.#host.sendUnary(ops, address, Object.assign(answer, { failed }) satisfies UnaryAnswer)
  }

  /** One write was refused. Returns whether it is to be sent again. */
  #refuse(op: WriteOp, error: VarveError): boolean {
    this.#writes.markUnsent(op, error.outcome !== 'failed')
    const expired = error.code === 'SESSION_EXPIRED'
    if (expired) this.#host.renewIdentity()
    if (error.retryable || (expired && !op.doubt)) return true
    this.abandon(op, () => error)
    return false
  }

  #reroute(error: VarveError, address: string): void {
    this.#lastFailure = error
    this.#host.markLane(this)
    if (this.route.head !== address) return
    this.#host.refreshMap()
    const elsewhere = meansElsewhere(error.code)
      ? this.route.headRefused(address, error.hint)
      : this.route.headLost(address)
    if (elsewhere && this.#attempt < PROMPT_ATTEMPTS) this.#attempt++
    else this.#pause(error)
  }

  #pause(error: VarveError): void {
    this.#lastFailure = error
    const now = performance.now()
    if (now >= this.#pausedUntil) this.#pausedUntil = now + backoffMs(this.#attempt++)
    this.#host.wakeAt(this.#pausedUntil)
  }

  #timedOut(op: WriteOp, outcome: WriteOutcome): VarveError {
    const what = op.batch === undefined ? 'a write' : 'a batch'
    return timedOut(`${what} to ${this.route.name}`, op.timeoutMs, this.#lastFailure, outcome)
  }
}

/** Whether a write may lie behind another one in a frame of that size. */
function continues(last: WriteOp, op: WriteOp, sizeBytes: number): boolean {
  if (op.state !== OpState.UNSENT || op.actor !== undefined || op.consistency !== last.consistency)
    return false
  if (last.batch !== undefined && last.batch === op.batch) return true
  return sizeBytes + op.sizeBytes <= FRAME_SIZE_BYTES_TARGET
}
