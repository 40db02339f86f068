/** Calls about moments: what they come to, and what a key held then. */
import { Consistency, type GetRequest, type GetResponse } from '../generated/varve/v1/kv.js'
import type { ResolveResponse } from '../generated/varve/v1/time_travel.js'
import { horizonText } from '../log/horizon.js'
import { checkAddress, type Peer } from './channels.js'
import type { ClientCore } from './core.js'
import { VarveError } from './errors.js'
import { KeyScratch } from './frame-encoder.js'
import { keyBytes } from './key-range.js'
import {
  type AskedMoment,
  type At,
  answersNow,
  askedMoment,
  type Cut,
  cutIn,
  cutOf,
  indexMoment,
  momentError,
  NEWEST,
  type ResolvedMoment,
  resolvedOf,
  wireTime,
} from './moment.js'
import { type CallOptions, checkTimeout } from './options.js'
import type { EntryEncodings } from './past-entry.js'
import type { ReadResult } from './read-result.js'
import { askAny, askShard, type CallBounds, ShardTarget } from './shard-call.js'
import { shardOfKey } from './shard-of-key.js'
import type { ShardRoute } from './shard-route.js'
import { requestContext } from './token.js'
import { callUnary, type UnaryDone } from './unary.js'

/** What the calls of one client have in common. */
export interface TimeCallParts extends EntryEncodings {
  readonly timeoutMs: number
}

/** Options of `resolve`. */
export interface ResolveOptions extends CallOptions {
  /** Names of the shards that are asked for. Default: all. */
  shards?: readonly string[] | undefined
}

/** A key that is to be read, and where. */
export interface KeyPlace {
  readonly key: Buffer
  readonly route: ShardRoute
}

export class TimeCalls {
  readonly core: ClientCore
  readonly parts: TimeCallParts
  readonly #key = new KeyScratch()

  constructor(core: ClientCore, parts: TimeCallParts) {
    this.core = core
    this.parts = parts
  }

  /** Throws where the client is closed or the options are wrong. */
  bounds({ timeoutMs, signal }: CallOptions): CallBounds {
    if (this.core.closed) throw new VarveError('CLOSED', 'the client is closed')
    checkTimeout(timeoutMs)
    return { timeoutMs: timeoutMs ?? this.parts.timeoutMs, signal }
  }

  /** Reads a moment: "ago" counts from now on. */
  asked(at: At | undefined): AskedMoment {
    return askedMoment(at, Date.now(), this.core.shardNames)
  }

  place(key: unknown): KeyPlace {
    const bytes = keyBytes(key, this.parts.keyEncoding, 'the key')
    this.#key.load(bytes)
    return { key: bytes, route: this.core.routes[shardOfKey(bytes, this.core.routes.length)]! }
  }

  /** What the moment comes to in the shards named, or in all; what is resolved already may have more of them. */
  async resolve(
    asked: AskedMoment,
    bounds: CallBounds,
    shards: readonly string[] = [],
  ): Promise<ResolvedMoment> {
    const wanted = shards.length > 0 ? shards : this.core.shardNames
    for (const name of wanted) this.#checkShard(name)
    if (asked.kind === 'resolved') {
      const { cuts, moment } = asked.resolved
      if (wanted.every(name => cuts[name] !== undefined)) return asked.resolved
      return await this.resolve({ kind: 'wire', moment: wireTime(moment) }, bounds, shards)
    }
    if (asked.kind === 'start') return this.#startOf(await this.#ask(NEWEST, bounds, shards))
    const resolved = await this.#ask(asked, bounds, shards)
    for (const name of wanted) cutIn(resolved, name)
    return resolved
  }

  /** What a key held at a moment; its position is that of the key's newest entry then. */
  async get(key: unknown, asked: AskedMoment, bounds: CallBounds, replica?: string): Promise<ReadResult> {
    if (replica !== undefined) checkAddress(replica, 'the replica')
    const { key: bytes, route } = this.place(key)
    const { name } = route
    const known = asked.kind === 'wire' ? undefined : cutIn(await this.resolve(asked, bounds, [name]), name)
    // Nothing was there before the first entry.
    if (known?.index === 0) return nothingAt(name, known)
    const at = asked.kind === 'wire' ? asked.moment : indexMoment(name, known!.index)
    const request = { context: this.#context(route, replica), key: bytes, at }
    try {
      return this.#readResult(name, await this.#get(request, route, bounds, replica), known)
    } catch (error) {
      throw momentError(asked, error)
    }
  }

  #get(
    request: GetRequest,
    route: ShardRoute,
    bounds: CallBounds,
    replica: string | undefined,
  ): Promise<GetResponse> {
    const { core } = this
    const start = ({ kv }: Peer, done: UnaryDone<GetResponse>) => kv.get(request, done)
    if (replica !== undefined) {
      const peer = core.channels.peer(replica)
      return callUnary(replica, bounds.timeoutMs, bounds.signal, done => start(peer, done))
    }
    const target = new ShardTarget(core, route)
    return askShard(core, `a read of ${route.name} at a moment`, bounds, target, start)
  }

  async #ask(asked: AskedMoment, bounds: CallBounds, shards: readonly string[]): Promise<ResolvedMoment> {
    if (asked.kind !== 'wire') throw new VarveError('INTERNAL', `a moment is ${asked.kind}`)
    const { core } = this
    const { stamp } = core.tokens.wireToken(0, '')
    const request = { moment: asked.moment, shards: [...shards], hops: 0, stamp }
    const response = await askAny<ResolveResponse>(core, 'finding the moment', bounds, (peer, done) =>
      peer.timeTravel.resolve(request, done),
    ).catch(error => {
      throw momentError(asked, error)
    })
    const resolved = resolvedOf(response)
    for (const { lamport, wallMs } of Object.values(resolved.cuts)) core.tokens.observeStamp(lamport, wallMs)
    return resolved
  }

  /** Before all entries: where a shard has lost its first ones, nobody knows what was then. */
  #startOf({ cuts }: ResolvedMoment): ResolvedMoment {
    for (const [name, { horizon }] of Object.entries(cuts)) {
      if (horizon === undefined) continue
      const { index, lamport, wallMs, droppedMs } = horizon
      const text = horizonText(name, { index, stamp: { lamport, wallMs }, droppedMs })
      throw new VarveError('OUT_OF_RETENTION', text)
    }
    const before: Cut = { index: 0, epoch: 0, lamport: 0, wallMs: 0 }
    return {
      moment: { lamport: 0 },
      cuts: Object.fromEntries(Object.keys(cuts).map(name => [name, before])),
    }
  }

  #context(route: ShardRoute, replica: string | undefined) {
    const { core } = this
    const context = requestContext(core.tokens, route.ordinal, route.name, Consistency.WEAK, core.actor)
    return { ...context, localOnly: replica !== undefined }
  }

  #readResult(shard: string, response: GetResponse, known: Cut | undefined): ReadResult {
    const { found, value, position, appliedIndex, node, cut } = response
    if (cut === undefined) throw answersNow(node)
    const { stamp } = position ?? {}
    const { valueEncoding } = this.parts
    this.core.tokens.observeStamp(cut.stamp?.lamport ?? 0, cut.stamp?.wallMs ?? 0)
    return {
      found,
      value: found ? valueEncoding.decode(value, 0, value.length) : undefined,
      shard,
      epoch: position?.epoch ?? 0,
      index: position?.index ?? 0,
      lamport: stamp?.lamport ?? 0,
      wallMs: stamp?.wallMs ?? 0,
      committed: position?.committed ?? true,
      appliedIndex,
      node,
      cut: known ?? cutOf(cut),
    }
  }

  #checkShard(name: string): void {
    const names = this.core.shardNames
    if (names.includes(name)) return
    throw new VarveError(
      'UNKNOWN_SHARD',
      `shard ${JSON.stringify(name)}: the cluster has ${names.join(', ')}`,
    )
  }
}

function nothingAt(shard: string, cut: Cut): ReadResult {
  return {
    found: false,
    value: undefined,
    shard,
    epoch: 0,
    index: 0,
    lamport: 0,
    wallMs: 0,
    committed: true,
    appliedIndex: 0,
    node: '',
    cut,
  }
}
