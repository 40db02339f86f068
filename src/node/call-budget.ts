/**
 * How long a call may take and whether its client still waits. A client's gRPC deadline is a moment of the wall
 * clock; from the moment the call is here, its time is measured by the monotonic one.
 */
import { setMaxListeners } from 'node:events'
import type { ServerUnaryCall } from '@grpc/grpc-js'
import { VarveError } from '../client/errors.js'

/** What a call gets whose client set no deadline. */
export const DEFAULT_TIMEOUT_MS = 10_000
/** An answer that says what is missing must still reach the client before its own deadline does. */
const ANSWER_MARGIN_MS = 250
const ANSWER_MARGIN_SHARE = 0.1
const TIMER_MS_MAX = 2_147_483_647

type Call = Pick<ServerUnaryCall<unknown, unknown>, 'getDeadline' | 'on' | 'cancelled'>

export class CallBudget {
  readonly timeoutMs: number
  readonly #endsAt: number
  readonly #timer: NodeJS.Timeout
  readonly #controller = new AbortController()

  constructor(call: Call) {
    // A scan waits at every shard at once: each is a listener.
    setMaxListeners(0, this.#controller.signal)
    const deadline = call.getDeadline()
    const givenMs = Number(deadline) - Date.now()
    const fromClient = Number.isFinite(givenMs)
    this.timeoutMs = fromClient ? Math.max(0, givenMs) : DEFAULT_TIMEOUT_MS
    const margin = fromClient ? Math.min(ANSWER_MARGIN_MS, this.timeoutMs * ANSWER_MARGIN_SHARE) : 0
    const usableMs = this.timeoutMs - margin
    this.#endsAt = performance.now() + usableMs
    this.#timer = setTimeout(() => this.#end('DEADLINE_EXCEEDED'), Math.min(usableMs, TIMER_MS_MAX))
    call.on('cancelled', () => this.#end('CANCELLED'))
    if (call.cancelled) this.#end('CANCELLED')
  }

  /** Aborts when the time is over or the client gave up; its reason is a `VarveError`. */
  get signal(): AbortSignal {
    return this.#controller.signal
  }

  get isOver(): boolean {
    return this.signal.aborted
  }

  /** Why the call is over; undefined while it is not. */
  get reason(): VarveError | undefined {
    return this.isOver ? (this.signal.reason as VarveError) : undefined
  }

  get leftMs(): number {
    return Math.max(0, this.#endsAt - performance.now())
  }

  /** To be called when the call is answered. */
  release(): void {
    clearTimeout(this.#timer)
  }

  #end(code: 'DEADLINE_EXCEEDED' | 'CANCELLED'): void {
    const what =
      code === 'CANCELLED'
        ? 'the client cancelled the call'
        : `no answer within ${Math.round(this.timeoutMs)} ms`
    this.#controller.abort(new VarveError(code, what))
  }
}
