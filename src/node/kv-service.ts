/**
 * The unary calls of `Kv`, for any client in any language at any process. Each finds the shard by the key, then the
 * replica that may answer: here, or at another process that gets the request passed on.
 */
import { Metadata, type ServerUnaryCall, type sendUnaryData } from '@grpc/grpc-js'
import { VarveError } from '../client/errors.js'
import { toServiceError } from '../client/grpc-errors.js'
import { FrameConsistency } from '../client/session-frame.js'
import { shardOfKey } from '../client/shard-of-key.js'
import type { ShardMap } from '../generated/varve/v1/cluster.js'
import type {
  GetRequest,
  GetResponse,
  KvServer,
  RequestContext,
  ScanRequest,
  ScanResponse,
} from '../generated/varve/v1/kv.js'
import { CallBudget } from './call-budget.js'
import { positionMessage } from './entry-message.js'
import { type Answerer, type Forwarding, knownMap } from './forwarding.js'
import { checkContext, checkKey, checkScan, readConsistency } from './kv-requests.js'
import { asVarveError, readHere } from './local-call.js'
import type { NodeHost } from './node-host.js'
import { onward, passOn } from './pass-on.js'
import { mergePages } from './scan-merge.js'
import { UnaryWrites } from './unary-writes.js'

/** Unary calls under way at this process; more are refused. */
export const CALLS_MAX = 10_000
/** A read that one replica does not answer by then is asked of another one. */
const READ_ATTEMPT_TIMEOUT_MS = 2_000

type UnaryMethods = Pick<KvServer, 'get' | 'set' | 'delete' | 'batch' | 'scan'>

export class KvService {
  readonly #host: NodeHost
  readonly #forwarding: Forwarding
  readonly #writes: UnaryWrites
  #calls = 0

  constructor(host: NodeHost, forwarding: Forwarding) {
    this.#host = host
    this.#forwarding = forwarding
    this.#writes = new UnaryWrites(host, forwarding)
  }

  /** The handlers, to be registered with a server. */
  readonly methods: UnaryMethods = {
    get: (call, done) => this.#handle(call, done, (request, budget) => this.#get(request, budget)),
    set: (call, done) => this.#handle(call, done, (request, budget) => this.#writes.set(request, budget)),
    delete: (call, done) =>
      this.#handle(call, done, (request, budget) => this.#writes.delete(request, budget)),
    batch: (call, done) => this.#handle(call, done, (request, budget) => this.#writes.batch(request, budget)),
    scan: (call, done) => this.#handle(call, done, (request, budget) => this.#scan(request, budget)),
  }

  #handle<Request, Response>(
    call: ServerUnaryCall<Request, Response>,
    done: sendUnaryData<Response>,
    carryOut: (request: Request, budget: CallBudget) => Promise<Response>,
  ): void {
    if (this.#calls >= CALLS_MAX) {
      const message = `${this.#host.address} has ${CALLS_MAX} calls under way, try again`
      return done(toServiceError(new VarveError('RESOURCE_EXHAUSTED', message, { outcome: 'failed' })))
    }
    this.#calls += 1
    const budget = new CallBudget(call)
    carryOut(call.request, budget)
      .then(
        response => done(null, response),
        error => done(toServiceError(asVarveError(error))),
      )
      .finally(() => {
        this.#calls -= 1
        budget.release()
      })
  }

  async #get(request: GetRequest, budget: CallBudget): Promise<GetResponse> {
    const { context, key } = request
    checkContext(context)
    checkKey(key)
    const map = knownMap(this.#host)
    const consistency = readConsistency(context, map)
    const lamport = this.#observe(context)
    const shard = shardOfKey(key, map.shards.length)
    return await this.#forwarding.run<GetResponse>({
      shard,
      by: answererOf(consistency),
      isWrite: false,
      context,
      budget,
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
      there: (kv, address, hops, timeoutMs, signal) =>
        passOn(address, timeoutMs, signal, (options, done) =>
          kv.get({ ...request, context: onward(context, hops) }, new Metadata(), options, done),
        ),
    })
  }

  async #scan(request: ScanRequest, budget: CallBudget): Promise<ScanResponse> {
    const { context, shard: name } = request
    checkContext(context)
    checkScan(request)
    const map = knownMap(this.#host)
    this.#observe(context)
    if (name !== '') return await this.#scanShard(request, ordinalOf(name, map), map, budget)
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
      shard,
      by: answererOf(readConsistency(context, map)),
      isWrite: false,
      context,
      budget,
      here: (host, signal) => host.scan(request, signal),
      there: (kv, address, hops, timeoutMs, signal) =>
        passOn(address, timeoutMs, signal, (options, done) =>
          kv.scan({ ...request, context: onward(context, hops) }, new Metadata(), options, done),
        ),
    })
  }

  #observe(context: RequestContext | undefined): number {
    return this.#host.observe(context?.token?.stamp?.lamport ?? 0)
  }
}

/** The ordinal of a shard by its name. Throws UNKNOWN_SHARD. */
export function ordinalOf(name: string, map: ShardMap): number {
  const shard = map.shards.find(each => each.name === name)
  if (shard !== undefined) return shard.ordinal
  const names = map.shards.map(each => each.name).join(', ')
  throw new VarveError('UNKNOWN_SHARD', `there is no shard "${name}", the cluster has: ${names}`)
}

function answererOf(consistency: FrameConsistency): Answerer {
  return consistency === FrameConsistency.WEAK ? 'member' : 'self'
}
