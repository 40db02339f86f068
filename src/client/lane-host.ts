import type { Admission } from './admission.js'
import type { VarveError } from './errors.js'
import type { ReadGroup } from './read-group.js'
import type { Session } from './session.js'
import type { TokenTracker } from './token.js'
import type { WriteLane } from './write-lane.js'
import type { WriteOp } from './write-op.js'

/** What the lanes of writes and the groups of reads need of their client. All times are monotonic, in ms. */
export interface LaneHost {
  readonly admission: Admission
  readonly tokens: TokenTracker
  /** Whether writes may leave: not while one client id is being exchanged for another. */
  readonly writesHeld: boolean
  /** The session to that node, if it takes frames now. If not, whoever has work is flushed once it does. */
  session(address: string, now: number): Session | undefined
  /** Frames were pushed: flush the session at the end of this turn. */
  touch(session: Session): void
  /** It has work: flush it at the end of this turn. */
  markLane(lane: WriteLane): void
  markGroup(group: ReadGroup): void
  /** Flush whoever has work at that time. */
  wakeAt(time: number): void
  /** A call ends at that time, unless it is answered before. */
  armDeadline(time: number): void
  /** Ask for a newer shard map. */
  refreshMap(): void
  /** A value in the application's encoding. */
  decodeValue(bytes: Buffer, start: number, end: number): unknown
  /** The client id is known no more: get another one, once nothing is in flight under this one. */
  renewIdentity(): void
  /** Sends writes (one, or a whole batch) with an actor of their own as one unary call; the lane gets the answer. */
  sendUnary(ops: readonly WriteOp[], address: string, answer: UnaryAnswer): void
}

/** Takes the end of a unary write. */
export interface UnaryAnswer {
  (results: readonly WriteAnswer[]): void
  failed(error: VarveError): void
}

/** One write's answer, its previous value still in bytes. */
export interface WriteAnswer {
  readonly epoch: number
  readonly index: number
  readonly lamport: number
  readonly wallMs: number
  readonly committed: boolean
  readonly applied: boolean
  readonly previous: RawPrevious | undefined
}

/** What stood under the key before. */
export interface RawPrevious {
  readonly found: boolean
  readonly value: Buffer
  readonly index: number
}
