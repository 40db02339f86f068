/** Reads of one shard that are calls of their own: who is asked, and who next when that fails. */
import type { ClientUnaryCall } from '@grpc/grpc-js'
import { backoffMs } from './backoff.js'
import type { Peer } from './channels.js'
import type { ClientCore } from './core.js'
import { delay } from './delay.js'
import { VarveError } from './errors.js'
import { meansElsewhere, type ShardRoute } from './shard-route.js'
import { timedOut } from './timed-out.js'
import { callUnary, cancelled, type UnaryDone } from './unary.js'

/** How long a call may take, and who may end it. */
export interface CallBounds {
  /** Of the call, or of each wait for the next part of a stream. */
  readonly timeoutMs: number
  readonly signal: AbortSignal | undefined
}

/** Where a read goes: to the member that the client stays with, or to the head. */
export class ShardTarget {
  readonly route: ShardRoute
  readonly #core: ClientCore
  #atHead: boolean

  constructor(core: ClientCore, route: ShardRoute, atHead = false) {
    this.#core = core
    this.route = route
    this.#atHead = atHead
  }

  /** Who is asked next. Throws UNAVAILABLE where there is nobody. */
  get address(): string {
    const address = this.#atHead ? this.route.head : this.route.member
    if (address === undefined) {
      this.#core.refreshMap()
      throw this.route.headless()
    }
    return address
  }

  /** That process could not answer: the next one will be another, where there is one. */
  failed(address: string, error: VarveError): void {
    this.#core.refreshMap()
    // Who is behind sends on to the head: nobody is further.
    if (error.code === 'BEHIND' && !this.#atHead) this.#atHead = true
    else if ((this.#atHead ? this.route.head : this.route.member) !== address) return
    else if (!this.#atHead) this.route.memberFailed(address)
    else if (meansElsewhere(error.code)) this.route.headRefused(address, error.hint)
    else this.route.headLost(address)
  }
}

/**
 * Tries `once` until it succeeds, fails for good or its time is over; `next` says whom to ask and `failed` hears that it
 * was in vain. Rejects with `VarveError`.
 */
export async function repeated<T>(
  core: ClientCore,
  what: string,
  { timeoutMs, signal }: CallBounds,
  target: { readonly address: string; failed(address: string, error: VarveError): void },
  once: (address: string, leftMs: number) => Promise<T>,
): Promise<T> {
  const end = performance.now() + timeoutMs
  let failure: VarveError | undefined
  for (let attempt = 0; ; attempt++) {
    if (core.closed) throw new VarveError('CLOSED', 'the client is closed')
    if (signal?.aborted) throw cancelled()
    const leftMs = end - performance.now()
    if (leftMs <= 0) throw timedOut(what, timeoutMs, failure)
    let address: string | undefined
    try {
      address = target.address
      return await once(address, leftMs)
    } catch (thrown) {
      const error = thrown as VarveError
      if (error.code === 'CANCELLED' || !error.retryable) throw error
      // That nobody answered in the time that was left says less than what was answered before.
      if (failure === undefined || error.code !== 'DEADLINE_EXCEEDED') failure = error
      if (address !== undefined) target.failed(address, error)
    }
    await delay(backoffMs(attempt), signal)
  }
}

/** A unary call to one shard. */
export function askShard<T>(
  core: ClientCore,
  what: string,
  bounds: CallBounds,
  target: ShardTarget,
  start: (peer: Peer, done: UnaryDone<T>) => ClientUnaryCall,
): Promise<T> {
  return repeated(core, what, bounds, target, (address, leftMs) =>
    callUnary<T>(address, leftMs, bounds.signal, done => start(core.channels.peer(address), done)),
  )
}

/** A unary call that any process of the cluster can answer. */
export function askAny<T>(
  core: ClientCore,
  what: string,
  bounds: CallBounds,
  start: (peer: Peer, done: UnaryDone<T>) => ClientUnaryCall,
): Promise<T> {
  return repeated(core, what, bounds, new AnyTarget(core), (address, leftMs) =>
    callUnary<T>(address, leftMs, bounds.signal, done => start(core.channels.peer(address), done)),
  )
}

/** The members that reads go to first, then all others that are known. */
class AnyTarget {
  readonly #core: ClientCore
  #turn = 0

  constructor(core: ClientCore) {
    this.#core = core
  }

  get address(): string {
    const { routes, map } = this.#core
    const known = new Set<string>()
    for (const { member } of routes) if (member !== undefined) known.add(member)
    for (const { head, shard } of routes) {
      if (head !== undefined) known.add(head)
      for (const { address } of shard.members) known.add(address)
    }
    const coordinator = map.current?.coordinator ?? ''
    if (coordinator !== '') known.add(coordinator)
    if (known.size === 0) throw routes[0]!.headless()
    return [...known][this.#turn % known.size]!
  }

  failed(): void {
    this.#turn++
    this.#core.refreshMap()
  }
}
