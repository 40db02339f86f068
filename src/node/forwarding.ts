/**
 * Passing a request on to the process that can answer it. The process that took the request from its client looks
 * for that one until the call's time is over; one that got it passed on tries once, so that two processes with
 * different maps cannot keep a request going between them.
 */

import { backoffMs } from '../client/backoff.js'
import { Channels, type Peer } from '../client/channels.js'
import { delay } from '../client/delay.js'
import { type ErrorCode, VarveError } from '../client/errors.js'
import type { Shard, ShardMap } from '../generated/varve/v1/cluster.js'
import type { RequestContext } from '../generated/varve/v1/kv.js'
import type { CallBudget } from './call-budget.js'
import { asVarveError } from './local-call.js'
import type { NodeHost, ShardHost } from './node-host.js'

/** A request is passed on at most so often: to a node whose map is older than ours, and from there. */
export const HOPS_MAX = 3

const ATTEMPT_MS_MIN = 20

/** What may go better elsewhere or later. Anything else is the answer. */
const elsewhereCodes: ReadonlySet<ErrorCode> = new Set([
  'NOT_HEAD',
  'NOT_MEMBER',
  'UNAVAILABLE',
  'BEHIND',
  'CLOSED',
])
/** The same of a process that went away in the middle of a call, as gRPC words it. */
const brokenCallCodes: ReadonlySet<ErrorCode> = new Set([
  'INTERNAL',
  'CANCELLED',
  'DEADLINE_EXCEEDED',
  'UNAVAILABLE',
])

/** Who may answer: the head, preferably this process's own replica, or whichever member. */
export type Answerer = 'head' | 'self' | 'member'

export interface Errand<T> {
  /** Ordinal. */
  readonly shard: number
  readonly by: Answerer
  readonly isWrite: boolean
  readonly context: RequestContext | undefined
  readonly budget: CallBudget
  /** How long one process may take before another one is asked. Default: as long as the call may. */
  readonly attemptTimeoutMs?: number
  /** Carries it out at a replica of this process. */
  here(host: ShardHost, signal: AbortSignal): Promise<T>
  /** Passes it on, with `hops` in its context. */
  there(peer: Peer, address: string, hops: number, timeoutMs: number, signal: AbortSignal): Promise<T>
}

export class Forwarding {
  readonly #host: NodeHost
  readonly #channels: Channels
  readonly #endMapWatch: () => void
  /** Ends everything that waits. */
  readonly #waiting = new Set<() => void>()
  #closed = false

  /** The channels are this object's own from here on: it closes them. */
  constructor(host: NodeHost, channels: Channels = new Channels()) {
    this.#host = host
    this.#channels = channels
    this.#endMapWatch = host.onShardMap(map => this.#channels.prune(address => isNamed(map, address)))
  }

  /** Carries out an errand where it can be. Rejects with `VarveError`; a write's error says its outcome. */
  async run<T>(errand: Errand<T>): Promise<T> {
    const passedOn = (errand.context?.hops ?? 0) > 0 || errand.context?.localOnly === true
    const doubt = new WriteDoubt(errand.isWrite)
    for (let round = 0; ; round += 1) {
      const failure = await this.#round(errand, passedOn, doubt)
      if ('answer' in failure) return failure.answer
      const { error } = failure
      if (passedOn || !mayGoElsewhere(error)) throw doubt.settle(error)
      await this.#pause(backoffMs(round), errand.budget)
      // An attempt with hardly any time would end in doubt where there is none yet.
      if (errand.budget.leftMs < ATTEMPT_MS_MIN) throw doubt.settle(overdue(errand.budget, error))
      if (this.#closed) throw doubt.settle(this.#stopping())
    }
  }

  /** A connection to another process; shared, do not close it. */
  peer(address: string): Peer {
    return this.#channels.peer(address)
  }

  /** The shard as the map has it now. Throws UNAVAILABLE before there is a map. */
  shard(ordinal: number): Shard {
    const shard = knownMap(this.#host).shards.find(each => each.ordinal === ordinal)
    if (shard === undefined)
      throw new VarveError('UNKNOWN_SHARD', `the cluster has no shard number ${ordinal}`)
    return shard
  }

  /** Gives up all errands; they end with UNAVAILABLE. */
  close(): void {
    this.#closed = true
    for (const end of [...this.#waiting]) end()
    this.#endMapWatch()
    this.#channels.close()
  }

  /** Asks everybody who may know, once. */
  async #round<T>(
    errand: Errand<T>,
    passedOn: boolean,
    doubt: WriteDoubt,
  ): Promise<{ answer: T } | { error: VarveError }> {
    let error: VarveError | undefined
    try {
      const targets = this.targets(errand)
      if (passedOn) targets.splice(1)
      for (const target of targets) {
        try {
          return { answer: await this.#attempt(errand, target) }
        } catch (thrown) {
          error = asVarveError(thrown)
          doubt.add(error)
          if (errand.budget.isOver) return { error: overdue(errand.budget, error) }
          if (passedOn || !mayGoElsewhere(error)) return { error }
          const { hint } = error
          if (hint !== undefined && !targets.includes(hint) && targets.length < HOPS_MAX * 2)
            targets.push(hint)
        }
      }
      return { error: error ?? headless(this.shard(errand.shard)) }
    } catch (thrown) {
      return { error: asVarveError(thrown) }
    }
  }

  /** Addresses to try, best first, this process's own among them where it holds the shard. */
  targets({ shard: ordinal, by, context }: Pick<Errand<unknown>, 'shard' | 'by' | 'context'>): string[] {
    const own = this.#host.address
    const isHere = this.#host.shard(ordinal) !== undefined
    if (context?.localOnly) {
      if (isHere) return [own]
      throw new VarveError('NOT_MEMBER', `${own} has no replica of shard number ${ordinal}`, {
        outcome: 'failed',
      })
    }
    // Whoever passed it on has reason to think so, perhaps by a newer map than ours; if not, it hears of our head.
    if (isHere && (context?.hops ?? 0) > 0) return [own]
    const shard = this.shard(ordinal)
    const head = shard.head === '' ? [] : [shard.head]
    if (by === 'head') return head
    const others = shuffled(shard.members.map(member => member.address))
    const rest = by === 'member' ? [...others, ...head] : [...head, ...others]
    return [...new Set(isHere ? [own, ...rest] : rest)]
  }

  async #attempt<T>(errand: Errand<T>, target: string): Promise<T> {
    const { budget, isWrite, context } = errand
    if (budget.isOver) throw budget.reason!.withOutcome('failed')
    if (this.#closed) throw this.#stopping().withOutcome('failed')
    const ending = new AbortController()
    const end = (error: VarveError) => ending.abort(error)
    const onOver = () => end(budget.reason!)
    const onClose = () => end(this.#stopping())
    const timeoutMs = Math.min(budget.leftMs, errand.attemptTimeoutMs ?? Number.POSITIVE_INFINITY)
    const onTooLong = () =>
      end(new VarveError('UNAVAILABLE', `${target} did not answer within ${Math.round(timeoutMs)} ms`))
    const timer = timeoutMs < budget.leftMs ? setTimeout(onTooLong, timeoutMs) : undefined
    const endMapWatch = isWrite ? this.#watchHead(errand.shard, target, end) : () => {}
    budget.signal.addEventListener('abort', onOver, { once: true })
    this.#waiting.add(onClose)
    try {
      const host = target === this.#host.address ? this.#host.shard(errand.shard) : undefined
      if (host !== undefined) return await errand.here(host, ending.signal)
      const hops = (context?.hops ?? 0) + 1
      if (target === this.#host.address) throw noReplica(target, this.shard(errand.shard))
      if (hops > HOPS_MAX) throw tooManyHops(this.shard(errand.shard), target)
      return await errand.there(this.peer(target), target, hops, timeoutMs, ending.signal)
    } catch (error) {
      throw ending.signal.aborted ? ending.signal.reason : error
    } finally {
      clearTimeout(timer)
      endMapWatch()
      budget.signal.removeEventListener('abort', onOver)
      this.#waiting.delete(onClose)
    }
  }

  /** A head that hangs is not waited for once the map names another one: the repeat is recognised there. */
  #watchHead(ordinal: number, target: string, end: (error: VarveError) => void): () => void {
    if (target === this.#host.address) return () => {}
    return this.#host.onShardMap(map => {
      const head = map.shards.find(shard => shard.ordinal === ordinal)?.head ?? ''
      if (head !== '' && head !== target)
        end(new VarveError('UNAVAILABLE', `${target} is no longer the head`))
    })
  }

  /** Until the back-off is over or a newer map is here. */
  async #pause(ms: number, budget: CallBudget): Promise<void> {
    const waking = new AbortController()
    const wake = () => waking.abort()
    const endMapWatch = this.#host.onShardMap(wake)
    this.#waiting.add(wake)
    await delay(Math.min(ms, budget.leftMs), AbortSignal.any([waking.signal, budget.signal]))
    this.#waiting.delete(wake)
    endMapWatch()
  }

  #stopping(): VarveError {
    return new VarveError('UNAVAILABLE', `${this.#host.address} is stopping`)
  }
}

/** Whether any attempt of a write may have gone through. */
class WriteDoubt {
  readonly #isWrite: boolean
  #unknown = false

  constructor(isWrite: boolean) {
    this.#isWrite = isWrite
  }

  add(error: VarveError): void {
    if (error.outcome !== 'failed') this.#unknown = true
  }

  settle(error: VarveError): VarveError {
    if (!this.#isWrite) return error
    return error.withOutcome(this.#unknown ? 'unknown' : 'failed')
  }
}

/** The map, sorted or not as it came. Throws UNAVAILABLE before there is one. */
export function knownMap(host: NodeHost): ShardMap {
  const map = host.shardMap()
  if (map !== undefined && map.shards.length > 0) return map
  throw new VarveError(
    'UNAVAILABLE',
    `${host.address} knows no shard map yet: it waits for the coordinator; try again shortly`,
    { outcome: 'failed' },
  )
}

function mayGoElsewhere(error: VarveError): boolean {
  if (elsewhereCodes.has(error.code)) return true
  // An error with a cause was worded by gRPC, not by a process of ours.
  return error.cause !== undefined && brokenCallCodes.has(error.code)
}

/** The error of a call whose time is over: what held it up is worth more than that it took too long. */
function overdue(budget: CallBudget, last: VarveError): VarveError {
  if (budget.reason?.code === 'CANCELLED' || last.code === 'UNAVAILABLE') return last
  const reason = last.code === 'DEADLINE_EXCEEDED' ? '' : `; last: ${last.code}: ${last.message}`
  return new VarveError('DEADLINE_EXCEEDED', `no answer within ${Math.round(budget.timeoutMs)} ms${reason}`, {
    outcome: last.outcome,
  })
}

function headless({ name, status, waitingFor }: Shard): VarveError {
  const why = waitingFor === '' ? `it is ${status || 'not ready'}` : waitingFor
  return new VarveError('UNAVAILABLE', `${name} has no head now: ${why}`, { outcome: 'failed' })
}

function noReplica(address: string, shard: Shard): VarveError {
  return new VarveError('NOT_MEMBER', `${address} has no replica of ${shard.name}`, {
    outcome: 'failed',
    hint: shard.head === '' || shard.head === address ? undefined : shard.head,
  })
}

function tooManyHops(shard: Shard, target: string): VarveError {
  return new VarveError('NOT_MEMBER', `a request for ${shard.name} was passed on ${HOPS_MAX} times already`, {
    outcome: 'failed',
    hint: target,
  })
}

function isNamed(map: ShardMap, address: string): boolean {
  return map.shards.some(
    shard => shard.head === address || shard.members.some(one => one.address === address),
  )
}

function shuffled(addresses: string[]): string[] {
  for (let at = addresses.length - 1; at > 0; at -= 1) {
    const other = Math.floor(Math.random() * (at + 1))
    ;[addresses[at], addresses[other]] = [addresses[other]!, addresses[at]!]
  }
  return addresses
}
