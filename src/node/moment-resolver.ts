/**
 * From a moment to one index of each shard (docs/protocol.md, Time), at any process: each shard is closed at the moment by
 * whichever replica can tell, the head if none else. Moments that count in one shard, or have a name, become a Lamport or
 * wall time first, which is the same for all shards. The message that asks another process carries this one's stamp: a
 * time that one shard has reached is not the future of another.
 */
import { Metadata } from '@grpc/grpc-js'
import { VarveError } from '../client/errors.js'
import type { ShardMap } from '../generated/varve/v1/cluster.js'
import type {
  Cut,
  Moment as MomentMessage,
  ResolveRequest,
  ResolveResponse,
} from '../generated/varve/v1/time_travel.js'
import type { Moment } from '../log/moment.js'
import type { CallBudget } from './call-budget.js'
import { type Forwarding, knownMap } from './forwarding.js'
import { asVarveError } from './local-call.js'
import {
  type AskedMoment,
  askedMoment,
  type CommonMoment,
  commonMessage,
  NEWEST,
  shardMessage,
} from './moment-message.js'
import type { NodeHost, ShardPast } from './node-host.js'
import { emptyContext, passOn } from './pass-on.js'
import { momentText } from './past-errors.js'
import { ordinalOf } from './shard-names.js'

/** A shard that one process does not close by then is asked of another one. */
const ATTEMPT_TIMEOUT_MS = 2_000

/** Finds the moment that a tag names. Rejects with `VarveError`. */
export type TagLookup = (name: string, budget: CallBudget) => Promise<CommonMoment>

/** What one call asks, as far as it goes on to others. */
interface Asking {
  readonly budget: CallBudget
  readonly map: ShardMap
  /** How many processes have passed the call on already. */
  readonly hops: number
}

export class MomentResolver {
  readonly #host: NodeHost
  readonly #forwarding: Forwarding
  readonly #tagLookup: TagLookup

  constructor(host: NodeHost, forwarding: Forwarding, tagLookup: TagLookup) {
    this.#host = host
    this.#forwarding = forwarding
    this.#tagLookup = tagLookup
  }

  /**
   * The moment as a wall or Lamport time, and each shard's cut at it.
   * @throws VarveError INVALID_ARGUMENT, UNKNOWN_SHARD; OUT_OF_RANGE for a moment that is still to come, or before all
   *   entries; OUT_OF_RETENTION; UNAVAILABLE; FAILED_PRECONDITION for a tag that is not there
   */
  async resolve(request: ResolveRequest, budget: CallBudget): Promise<ResolveResponse> {
    const map = knownMap(this.#host)
    this.#host.observe(request.stamp?.lamport ?? 0)
    const asking: Asking = { budget, map, hops: request.hops }
    const all = map.shards.map(({ ordinal }) => ordinal)
    const named = request.shards.map(name => ordinalOf(name, map))
    const shards = [...new Set(named.length === 0 ? all : named)].sort((a, b) => a - b)
    const { moment, cuts } = await this.#resolve(askedMoment(request.moment, map), shards, asking)
    if (request.hops === 0 && cuts.every(({ index }) => index === 0)) {
      const others = all.filter(ordinal => !shards.includes(ordinal))
      const rest = others.length === 0 ? [] : await this.#closeAll(moment, others, asking)
      if (rest.every(({ index }) => index === 0)) throw await this.#beforeAll(moment, all, asking)
    }
    return { moment: commonMessage(moment), cuts }
  }

  /** What a moment means in one shard, without asking that shard. Rejects as `resolve`. */
  async inShard(
    message: MomentMessage | undefined,
    shard: number,
    hops: number,
    budget: CallBudget,
  ): Promise<Moment | { readonly kind: 'newest' }> {
    const map = knownMap(this.#host)
    const asked = askedMoment(message, map)
    if (asked.kind === 'tag') return await this.#tagLookup(asked.name, budget)
    if (asked.kind !== 'index' || asked.shard === shard) return asked
    const cut = await this.#cut(asked.shard, asked, { budget, map, hops })
    return this.#lamportOf([cut])
  }

  async #resolve(
    asked: AskedMoment,
    shards: readonly number[],
    asking: Asking,
  ): Promise<{ moment: CommonMoment; cuts: Cut[] }> {
    switch (asked.kind) {
      case 'tag': {
        const moment = await this.#tagLookup(asked.name, asking.budget)
        return { moment, cuts: await this.#closeAll(moment, shards, asking) }
      }
      case 'index': {
        const cut = await this.#cut(asked.shard, asked, asking)
        return await this.#resolveAtCuts([cut], [asked.shard], shards, asking)
      }
      case 'newest': {
        const cuts = await Promise.all(shards.map(shard => this.#newest(shard, asking)))
        return await this.#resolveAtCuts(cuts, shards, shards, asking)
      }
      default:
        return { moment: asked, cuts: await this.#closeAll(asked, shards, asking) }
    }
  }

  /** At the greatest Lamport time of these cuts, which is theirs already where there is one shard only. */
  async #resolveAtCuts(
    cuts: readonly Cut[],
    of: readonly number[],
    shards: readonly number[],
    asking: Asking,
  ): Promise<{ moment: CommonMoment; cuts: Cut[] }> {
    const moment = this.#lamportOf(cuts)
    if (of.length === 1 && shards.length === 1 && of[0] === shards[0]) return { moment, cuts: [...cuts] }
    return { moment, cuts: await this.#closeAll(moment, shards, asking) }
  }

  /** The time of entries that are there is known here from now on: no shard takes it for the future. */
  #lamportOf(cuts: readonly Cut[]): { kind: 'lamport'; lamport: number } {
    const lamport = Math.max(...cuts.map(({ stamp }) => stamp?.lamport ?? 0))
    this.#host.observe(lamport)
    return { kind: 'lamport', lamport }
  }

  async #closeAll(moment: CommonMoment, shards: readonly number[], asking: Asking): Promise<Cut[]> {
    const close = (shard: number) => this.#cut(shard, moment, asking)
    const results = await Promise.allSettled(shards.map(close))
    const failures = results.flatMap(each => (each.status === 'rejected' ? [each.reason as unknown] : []))
    if (failures.length === 0) return results.map(each => (each as PromiseFulfilledResult<Cut>).value)
    const [error] = failures
    const isToCome = failures.every(each => asVarveError(each).code === 'OUT_OF_RANGE')
    if (!isToCome || moment.kind !== 'lamport' || asking.hops > 0) throw error
    // A Lamport time that any shard has reached is not the future, only news to the others.
    const others = asking.map.shards.map(({ ordinal }) => ordinal).filter(each => !shards.includes(each))
    const elsewhere = await Promise.allSettled(others.map(close))
    if (![...results, ...elsewhere].some(({ status }) => status === 'fulfilled')) throw error
    this.#host.observe(moment.lamport)
    return await Promise.all(shards.map(close))
  }

  #cut(shard: number, moment: Moment, asking: Asking): Promise<Cut> {
    const { name } = this.#forwarding.shard(shard)
    const message = shardMessage(name, moment)
    return this.#ask(shard, message, asking, 'self', (past, signal) => past.cut(moment, signal))
  }

  #newest(shard: number, asking: Asking): Promise<Cut> {
    return this.#ask(shard, NEWEST, asking, 'head', past => past.newest())
  }

  /** One shard's cut, of this process's replica or of another's. */
  async #ask(
    shard: number,
    moment: MomentMessage,
    { budget, hops }: Asking,
    by: 'self' | 'head',
    here: (past: ShardPast, signal: AbortSignal) => Promise<Cut>,
  ): Promise<Cut> {
    const { name } = this.#forwarding.shard(shard)
    return await this.#forwarding.run<Cut>({
      shard,
      by,
      isWrite: false,
      context: { ...emptyContext(), hops },
      budget,
      attemptTimeoutMs: ATTEMPT_TIMEOUT_MS,
      here: (host, signal) => here(host.past, signal),
      there: async ({ timeTravel }, address, hops, timeoutMs, signal) => {
        const stamp = { lamport: this.#host.observe(0), wallMs: 0 }
        const request = { moment, shards: [name], hops, stamp }
        const { cuts } = await passOn<ResolveResponse>(address, timeoutMs, signal, (options, done) =>
          timeTravel.resolve(request, new Metadata(), options, done),
        )
        if (cuts[0] !== undefined) return cuts[0]
        throw new VarveError('INTERNAL', `${address} answered without a cut of ${name}`)
      },
    })
  }

  async #beforeAll(moment: CommonMoment, shards: readonly number[], asking: Asking): Promise<VarveError> {
    const asked = momentText('', moment)
    const firsts = await Promise.allSettled(
      shards.map(shard => this.#cut(shard, { kind: 'index', index: 1 }, asking)),
    )
    const stamps = firsts.flatMap(each =>
      each.status === 'fulfilled' && each.value.stamp !== undefined ? [each.value.stamp] : [],
    )
    if (stamps.length === 0) {
      return new VarveError('OUT_OF_RANGE', `${asked} is before the first entry: there is none yet`)
    }
    const wallMs = Math.min(...stamps.map(stamp => stamp.wallMs))
    const lamport = Math.min(...stamps.map(stamp => stamp.lamport))
    const first = `${new Date(wallMs).toISOString()} (Lamport ${lamport})`
    return new VarveError('OUT_OF_RANGE', `${asked} is before the first entry, which is of ${first}`)
  }
}
