/**
 * Reads of one shard that go the same way: at one consistency, to the head, to a member, or to one replica that
 * the caller named. Reads issued in one turn leave as one frame; a read that could not be answered goes again.
 */
import type { Waiter } from './admission.js'
import { backoffMs } from './backoff.js'
import type { VarveError } from './errors.js'
import type { ReadFrameEncoder } from './frame-encoder.js'
import type { LaneHost } from './lane-host.js'
import { Queue } from './queue.js'
import type { Session } from './session.js'
import { FRAME_SIZE_BYTES_TARGET, FrameConsistency } from './session-frame.js'
import type { ResponseFrameReader } from './session-frame-reader.js'
import { meansElsewhere, type ShardRoute } from './shard-route.js'
import { timedOut } from './timed-out.js'
import type { Unlisten } from './write-op.js'

const FRAME_READS_MAX = 4_096
// So often a read goes elsewhere at once; after that it waits, lest two nodes that name each other make a storm.
const PROMPT_ATTEMPTS = 2

/** One read in flight, from the call to its answer. */
export class ReadOp {
  /** As given, encoded: 1 to 4,096 bytes. A byte array is read when the read is sent: not to be changed before. */
  readonly key: string | Uint8Array
  readonly deadline: number
  readonly timeoutMs: number
  /** Makes the answer out of what the frame says. */
  readonly decode: (reader: ResponseFrameReader, shard: string, node: string) => unknown
  settled = false
  /** Whether it counts among what is in flight. */
  admitted = false
  resolve!: (answer: unknown) => void
  reject!: (error: VarveError) => void
  unlisten: Unlisten | undefined = undefined

  constructor(key: string | Uint8Array, deadline: number, timeoutMs: number, decode: ReadOp['decode']) {
    this.key = key
    this.deadline = deadline
    this.timeoutMs = timeoutMs
    this.decode = decode
  }
}

/** Reads that travelled in one frame. Read k has the id firstId + k. */
export interface ReadFrame {
  readonly group: ReadGroup
  readonly firstId: number
  readonly ops: readonly ReadOp[]
  unanswered: number
  readonly tokenEpoch: number
  readonly tokenIndex: number
}

/** Where reads of a group go. */
export type ReadTarget = 'head' | 'member' | { readonly address: string }

export class ReadGroup implements Waiter {
  readonly route: ShardRoute
  readonly target: ReadTarget
  readonly #host: LaneHost
  readonly #consistency: FrameConsistency
  readonly #encoder: ReadFrameEncoder
  /** Where reads go that this target cannot answer for being behind. */
  readonly #fallback: ReadGroup | undefined
  #queue: ReadOp[] = []
  readonly #waiting = new Queue<ReadOp>()
  #pausedUntil = 0
  #attempt = 0
  #lastFailure: VarveError | undefined
  dirty = false

  constructor(
    host: LaneHost,
    route: ShardRoute,
    consistency: FrameConsistency,
    target: ReadTarget,
    encoder: ReadFrameEncoder,
    fallback?: ReadGroup,
  ) {
    this.#host = host
    this.route = route
    this.#consistency = consistency
    this.target = target
    this.#encoder = encoder
    this.#fallback = fallback
  }

  get hasWork(): boolean {
    return this.#queue.length > 0
  }

  get isEmpty(): boolean {
    return this.#queue.length === 0 && this.#waiting.length === 0
  }

  /** Takes a new read: it leaves at the end of this turn, or waits for room. */
  issue(op: ReadOp): void {
    this.#host.armDeadline(op.deadline)
    if (this.#waiting.length > 0 || !this.#host.admission.hasRoom(1, op.key.length)) {
      this.#waiting.push(op)
      this.#host.admission.wait(this)
      return
    }
    this.#admit(op)
  }

  admitWaiting(): boolean {
    for (let op = this.#waiting.peek(); op !== undefined; op = this.#waiting.peek()) {
      if (!op.settled) {
        if (!this.#host.admission.hasRoom(1, op.key.length)) return false
        this.#admit(op)
      }
      this.#waiting.drop()
    }
    return true
  }

  /** Sends what is queued, if the target can take it. */
  flush(now: number): void {
    if (this.#queue.length === 0) return
    if (now < this.#pausedUntil) {
      this.#host.wakeAt(this.#pausedUntil)
      return
    }
    const address = this.#address()
    if (address === undefined) {
      this.#host.refreshMap()
      this.#pause(this.route.headless())
      return
    }
    const session = this.#host.session(address, now)
    if (session === undefined) return
    const queue = this.#queue
    this.#queue = []
    for (let at = 0; at < queue.length; ) at = this.#send(session, queue, at)
    this.#host.touch(session)
  }

  /** An answer to `count` reads of the frame from `firstId` on. */
  answered(reads: ReadFrame, reader: ResponseFrameReader, node: string): void {
    this.#attempt = 0
    const shard = this.route.name
    for (let at = reader.firstId - reads.firstId; reader.next(); at++) {
      this.#host.tokens.advance(this.route.ordinal, reader.epoch, reader.index)
      this.#host.tokens.observeStamp(reader.lamport, reader.wallMs)
      const op = reads.ops[at]
      if (op === undefined || op.settled) continue
      this.#release(op)
      try {
        op.resolve(op.decode(reader, shard, node))
      } catch (error) {
        op.reject(error as VarveError)
      }
    }
  }

  /** Reads of a frame, `count` from `first` on, were refused by `address` or lost with its stream. */
  failed(reads: ReadFrame, first: number, count: number, error: VarveError, address: string): void {
    const ops = reads.ops
      .slice(first - reads.firstId, first - reads.firstId + count)
      .filter(op => !op.settled)
    if (error.code === 'TOKEN_LOST') {
      this.#host.tokens.forget(this.route.ordinal, reads.tokenEpoch, reads.tokenIndex)
    }
    if (ops.length === 0) return
    if (!this.#mayRepeat(error)) {
      for (const op of ops) this.#reject(op, error)
      return
    }
    if (error.code === 'BEHIND' && this.#fallback !== undefined) {
      this.#fallback.#requeue(ops)
      return
    }
    this.#requeue(ops)
    this.#reroute(error, address)
  }

  /** The session to `address` broke or could not be opened. */
  sessionLost(address: string, error: VarveError): void {
    if (this.#queue.length === 0 || this.#address() !== address) return
    if (typeof this.target === 'object') {
      for (const op of this.#queue) this.#reject(op, error)
      this.#queue = []
      return
    }
    this.#reroute(error, address)
  }

  /** The map changed: what was held back may try again. */
  mapChanged(): void {
    this.#pausedUntil = 0
    this.#host.markGroup(this)
  }

  /** Whether reads go to another process than that one now, wherever they went before. */
  isElsewhere(address: string): boolean {
    const now = this.#address()
    return typeof this.target !== 'object' && now !== undefined && now !== address
  }

  /** Sends the reads of a frame again that are not answered yet. */
  again(reads: ReadFrame): void {
    this.#requeue(reads.ops.filter(op => !op.settled))
  }

  /** Gives up reads whose time is over. Returns the earliest deadline among the others. */
  expire(now: number): number {
    const earliest = Math.min(this.expireAmong(this.#queue, now), this.expireAmong(this.#waiting, now))
    if (this.#queue.some(op => op.settled)) this.#queue = this.#queue.filter(op => !op.settled)
    return earliest
  }

  /** The same for reads that are in flight. */
  expireAmong(ops: Iterable<ReadOp>, now: number): number {
    let earliest = Infinity
    for (const op of ops) {
      if (op.settled) continue
      if (op.deadline <= now)
        this.#reject(op, timedOut(`a read of ${this.route.name}`, op.timeoutMs, this.#lastFailure))
      else if (op.deadline < earliest) earliest = op.deadline
    }
    return earliest
  }

  /** Ends one read with an error of the caller's making. */
  abandon(op: ReadOp, error: VarveError): void {
    if (!op.settled) this.#reject(op, error)
  }

  /** Ends all that is not in flight. */
  abandonAll(error: VarveError): void {
    for (const op of this.#queue) this.abandon(op, error)
    for (const op of this.#waiting) this.abandon(op, error)
    this.#queue = []
    this.#waiting.clear()
  }

  #admit(op: ReadOp): void {
    op.admitted = true
    this.#host.admission.enter(op.key.length)
    this.#queue.push(op)
    this.#host.markGroup(this)
  }

  #send(session: Session, queue: readonly ReadOp[], from: number): number {
    const encoder = this.#encoder
    const ops: ReadOp[] = []
    encoder.begin()
    let at = from
    for (; at < queue.length && ops.length < FRAME_READS_MAX; at++) {
      const op = queue[at]!
      if (op.settled) continue
      if (encoder.sizeBytes > FRAME_SIZE_BYTES_TARGET) break
      encoder.add(op.key)
      ops.push(op)
    }
    if (ops.length === 0) return at
    const { ordinal } = this.route
    const carriesToken = this.#consistency === FrameConsistency.SESSION
    const tokenEpoch = carriesToken ? this.#host.tokens.epoch(ordinal) : 0
    const tokenIndex = carriesToken ? this.#host.tokens.index(ordinal) : 0
    const firstId = session.takeReadIds(ops.length)
    const frame = encoder.finish({
      shard: ordinal,
      firstId,
      observedLamport: this.#host.tokens.lamport,
      consistency: this.#consistency,
      acknowledgedBelowOrTokenIndex: tokenIndex,
      tokenEpoch,
    })
    session.pushReads(frame, { group: this, firstId, ops, unanswered: ops.length, tokenEpoch, tokenIndex })
    return at
  }

  #address(): string | undefined {
    if (typeof this.target === 'object') return this.target.address
    return this.target === 'head' ? this.route.head : this.route.member
  }

  #mayRepeat(error: VarveError): boolean {
    if (typeof this.target === 'object') return error.retryable && !meansElsewhere(error.code)
    return error.retryable
  }

  #requeue(ops: readonly ReadOp[]): void {
    this.#queue = [...ops, ...this.#queue]
    this.#host.markGroup(this)
  }

  #reroute(error: VarveError, address: string): void {
    this.#lastFailure = error
    this.#host.markGroup(this)
    if (this.#address() !== address) return
    let elsewhere = false
    if (this.target === 'head') {
      elsewhere = meansElsewhere(error.code)
        ? this.route.headRefused(address, error.hint)
        : this.route.headLost(address)
      this.#host.refreshMap()
    } else if (this.target === 'member') {
      elsewhere = this.route.memberFailed(address)
    }
    if (elsewhere && this.#attempt < PROMPT_ATTEMPTS) this.#attempt++
    else this.#pause(error)
  }

  #pause(error: VarveError): void {
    this.#lastFailure = error
    const now = performance.now()
    if (now >= this.#pausedUntil) this.#pausedUntil = now + backoffMs(this.#attempt++)
    this.#host.wakeAt(this.#pausedUntil)
  }

  #reject(op: ReadOp, error: VarveError): void {
    this.#release(op)
    op.reject(error)
  }

  #release(op: ReadOp): void {
    op.settled = true
    op.unlisten?.()
    if (op.admitted) this.#host.admission.leave(op.key.length)
  }
}
