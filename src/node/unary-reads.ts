/**
 * Get and Scan as unary calls, of now and of the past. A read of the past closes its shard at the moment and reads there,
 * at whichever replica can tell; when none but the head can, at the head.
 */
import { Metadata } from '@grpc/grpc-js'
import { FrameConsistency } from '../client/session-frame.js'
import { shardOfKey } from '../client/shard-of-key.js'
import type { ShardMap } from '../generated/varve/v1/cluster.js'
import { Operation } from '../generated/varve/v1/entry.js'
import {
  Consistency,
  type GetRequest,
  type GetResponse,
  type RequestContext,
  type ScanRequest,
  type ScanResponse,
} from '../generated/varve/v1/kv.js'
import type { Cut } from '../generated/varve/v1/time_travel.js'
import type { Moment } from '../log/moment.js'
import type { CallBudget } from './call-budget.js'
import { positionMessage } from './entry-message.js'
import { type Answerer, type Errand, type Forwarding, knownMap } from './forwarding.js'
import { checkContext, checkKey, checkScan, readConsistency } from './kv-requests.js'
import { asVarveError, readHere } from './local-call.js'
import { NEWEST, shardMessage } from './moment-message.js'
import type { MomentResolver } from './moment-resolver.js'
import type { NodeHost, ShardPast } from './node-host.js'
import { onward, passOn } from './pass-on.js'
import { mergePages } from './scan-merge.js'
import { ordinalOf } from './shard-names.js'

/** A read that one replica does not answer by then is asked of another one. */
const READ_ATTEMPT_TIMEOUT_MS = 2_000
/** The same of a read of the past, which may have to go through a part of the log. */
const PAST_ATTEMPT_TIMEOUT_MS = 5_000
const NOTHING = Buffer.alloc(0)

/** A moment of one shard. */
type ShardMoment = Moment | { readonly kind: 'newest' }

export class UnaryReads {
  readonly #host: NodeHost
  readonly #forwarding: Forwarding
  readonly #resolver: MomentResolver

  constructor(host: NodeHost, forwarding: Forwarding, resolver: MomentResolver) {
    this.#host = host
    this.#forwarding = forwarding
    this.#resolver = resolver
  }

  /** Rejects with `VarveError`. */
  async get(request: GetRequest, budget: CallBudget): Promise<GetResponse> {
    const { context, key, at } = request
    checkContext(context)
    checkKey(key)
    const map = knownMap(this.#host)
    const lamport = this.#observe(context)
    const shard = shardOfKey(key, map.shards.length)
    if (at !== undefined) {
      const inPast = (moment: ShardMoment) => this.#getAt(request, shard, moment, budget)
      return await this.#atMoment(request, shard, budget, inPast, ({ cut }) => cut!)
    }
    const consistency = readConsistency(context, map)
    return await this.#forwarding.run<GetResponse>({
      ...this.#errand(shard, context, budget),
      by: answererOf(consistency),
      attemptTimeoutMs: READ_ATTEMPT_TIMEOUT_MS,
      here: async (host, signal) => {
        const token = context?.token?.parts.find(part => part.shard === host.name)
        const read = {
          key,
          consistency,
          tokenIndex: token?.index ?? 0,
          tokenEpoch: token?.epoch ?? 0,
          lamport,
        }
        const { found, value, appliedIndex, committed, ...entry } = await readHere(host, read, signal)
        const position = positionMessage(host.name, entry, committed)
        return { found, value, position, appliedIndex, node: this.#host.address, cut: undefined }
      },
      there: ({ kv }, address, hops, timeoutMs, signal) =>
        passOn(address, timeoutMs, signal, (options, done) =>
          kv.get({ ...request, context: onward(context, hops) }, new Metadata(), options, done),
        ),
    })
  }

  /** Rejects with `VarveError`. */
  async scan(request: ScanRequest, budget: CallBudget): Promise<ScanResponse> {
    const { context, shard: name, at } = request
    checkContext(context)
    checkScan(request)
    const map = knownMap(this.#host)
    this.#observe(context)
    if (name !== '' && at !== undefined) {
      const shard = ordinalOf(name, map)
      const inPast = (moment: ShardMoment) => this.#scanAt(request, shard, moment, budget)
      return await this.#atMoment(request, shard, budget, inPast, ({ cuts }) => cuts[0]!)
    }
    if (name !== '') return await this.#scanShard(request, ordinalOf(name, map), map, budget)
    if (at !== undefined) return await this.#scanAllAt(request, map, budget)
    const pages = map.shards.map(shard =>
      this.#scanShard({ ...request, shard: shard.name }, shard.ordinal, map, budget),
    )
    return mergePages(await Promise.all(pages), request, this.#host.address)
  }

  async #scanShard(
    request: ScanRequest,
    shard: number,
    map: ShardMap,
    budget: CallBudget,
  ): Promise<ScanResponse> {
    const { context } = request
    return await this.#forwarding.run<ScanResponse>({
      ...this.#errand(shard, context, budget),
      by: answererOf(readConsistency(context, map)),
      here: (host, signal) => host.scan(request, signal),
      there: ({ kv }, address, hops, timeoutMs, signal) =>
        passOn(address, timeoutMs, signal, (options, done) =>
          kv.scan({ ...request, context: onward(context, hops) }, new Metadata(), options, done),
        ),
    })
  }

  /** Every shard at the same moment; one that had no entry then has no keys. */
  async #scanAllAt(request: ScanRequest, map: ShardMap, budget: CallBudget): Promise<ScanResponse> {
    const hops = request.context?.hops ?? 0
    const asked = { moment: request.at, shards: [], hops, stamp: undefined }
    const { cuts } = await this.#resolver.resolve(asked, budget)
    const pages = cuts
      .filter(({ index }) => index > 0)
      .map(({ shard: name, index }) =>
        this.#scanAt({ ...request, shard: name }, ordinalOf(name, map), { kind: 'index', index }, budget),
      )
    const merged = mergePages(await Promise.all(pages), request, this.#host.address)
    return { ...merged, cuts }
  }

  /**
   * Reads at the moment of `request.at` in one shard. A Lamport time that this shard has not reached and another one has
   * is no future; a shard that had no entry at a time before all entries is no answer: the resolver looks at all of them.
   */
  async #atMoment<T>(
    { at, context }: Pick<GetRequest, 'at' | 'context'>,
    shard: number,
    budget: CallBudget,
    inPast: (moment: ShardMoment) => Promise<T>,
    cutOf: (answer: T) => Cut,
  ): Promise<T> {
    const hops = context?.hops ?? 0
    const moment = await this.#resolver.inShard(at, shard, hops, budget)
    if (hops > 0) return await inPast(moment)
    const { name } = this.#forwarding.shard(shard)
    const resolve = async (): Promise<ShardMoment> => {
      const asked = { moment: messageOf(name, moment), shards: [name], hops, stamp: undefined }
      const { cuts } = await this.#resolver.resolve(asked, budget)
      return { kind: 'index', index: cuts[0]!.index }
    }
    let answer: T
    try {
      answer = await inPast(moment)
    } catch (error) {
      if (moment.kind !== 'lamport' || asVarveError(error).code !== 'OUT_OF_RANGE') throw error
      return await inPast(await resolve())
    }
    if (cutOf(answer).index === 0) await resolve()
    return answer
  }

  async #getAt(
    request: GetRequest,
    shard: number,
    moment: ShardMoment,
    budget: CallBudget,
  ): Promise<GetResponse> {
    const { context, key } = request
    const { name } = this.#forwarding.shard(shard)
    const node = this.#host.address
    return await this.#forwarding.run<GetResponse>({
      ...this.#errand(shard, context, budget),
      by: moment.kind === 'newest' ? 'head' : 'self',
      attemptTimeoutMs: PAST_ATTEMPT_TIMEOUT_MS,
      here: async ({ past }, signal) => {
        const cut = await cutHere(past, moment, signal)
        const entry = await past.get(key, cut.index, signal)
        const found = entry !== undefined && entry.operation === Operation.SET
        const nowhere = positionMessage(name, { epoch: 0, index: 0, lamport: 0, wallMs: 0 }, true)
        const position = entry?.position ?? nowhere
        return { found, value: found ? entry.value : NOTHING, position, appliedIndex: cut.index, node, cut }
      },
      there: ({ kv }, address, hops, timeoutMs, signal) => {
        const at = messageOf(name, moment)
        const passed = { ...request, at, context: this.#stamped(context, hops) }
        return passOn(address, timeoutMs, signal, (options, done) =>
          kv.get(passed, new Metadata(), options, done),
        )
      },
    })
  }

  async #scanAt(
    request: ScanRequest,
    shard: number,
    moment: ShardMoment,
    budget: CallBudget,
  ): Promise<ScanResponse> {
    const { context, shard: name } = request
    return await this.#forwarding.run<ScanResponse>({
      ...this.#errand(shard, context, budget),
      by: moment.kind === 'newest' ? 'head' : 'self',
      here: async ({ past }, signal) => {
        const cut = await cutHere(past, moment, signal)
        return { ...(await past.scan(request, cut.index, signal)), cuts: [cut] }
      },
      there: ({ kv }, address, hops, timeoutMs, signal) => {
        const at = messageOf(name, moment)
        const passed = { ...request, at, context: this.#stamped(context, hops) }
        return passOn(address, timeoutMs, signal, (options, done) =>
          kv.scan(passed, new Metadata(), options, done),
        )
      },
    })
  }

  #errand(
    shard: number,
    context: RequestContext | undefined,
    budget: CallBudget,
  ): Pick<Errand<never>, 'shard' | 'isWrite' | 'context' | 'budget'> {
    return { shard, isWrite: false, context, budget }
  }

  /** What a read of the past says on its way: the time that is known here, no token to wait for. */
  #stamped(context: RequestContext | undefined, hops: number): RequestContext {
    const stamp = { lamport: this.#host.observe(0), wallMs: 0 }
    const token = { parts: [], stamp }
    return { ...onward(context, hops), consistency: Consistency.WEAK, token }
  }

  #observe(context: RequestContext | undefined): number {
    const { lamport = 0, wallMs = 0 } = context?.token?.stamp ?? {}
    this.#host.observeWall(wallMs)
    return this.#host.observe(lamport)
  }
}

function cutHere(past: ShardPast, moment: ShardMoment, signal: AbortSignal): Promise<Cut> {
  return moment.kind === 'newest' ? past.newest() : past.cut(moment, signal)
}

function messageOf(name: string, moment: ShardMoment) {
  return moment.kind === 'newest' ? NEWEST : shardMessage(name, moment)
}

function answererOf(consistency: FrameConsistency): Answerer {
  return consistency === FrameConsistency.WEAK ? 'member' : 'self'
}
