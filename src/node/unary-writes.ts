/**
 * Set, Delete and Batch as unary calls. All attempts to carry one out, here and at other processes, go under one request
 * id, so that a repeat after a lost answer is recognised and answered with the original's result.
 */
import { type ClientUnaryCall, Metadata } from '@grpc/grpc-js'
import { shardOfKey } from '../client/shard-of-key.js'
import type { UnaryDone } from '../client/unary.js'
import { Operation as OperationMessage } from '../generated/varve/v1/entry.js'
import type {
  BatchOperation,
  BatchRequest,
  BatchResponse,
  DeleteRequest,
  KvClient,
  RequestContext,
  SetRequest,
  WriteResponse,
} from '../generated/varve/v1/kv.js'
import type { CallBudget } from './call-budget.js'
import { positionMessage } from './entry-message.js'
import { type Forwarding, knownMap } from './forwarding.js'
import { checkContext, checkedBatch, checkedWrite, writeConsistency } from './kv-requests.js'
import { asVarveError, type UnaryWrite, type WriteResultOf, writeHere } from './local-call.js'
import type { NodeHost } from './node-host.js'
import { emptyContext, onward, passOn } from './pass-on.js'
import { RequestNumbers } from './request-numbers.js'

type PassOn<Response> = (
  kv: KvClient,
  context: RequestContext,
  options: { deadline: number },
  done: UnaryDone<Response>,
) => ClientUnaryCall

export class UnaryWrites {
  readonly #host: NodeHost
  readonly #forwarding: Forwarding
  readonly #numbers: RequestNumbers

  constructor(host: NodeHost, forwarding: Forwarding) {
    this.#host = host
    this.#forwarding = forwarding
    this.#numbers = new RequestNumbers(() => host.newClientId())
  }

  /**
   * Rejects with `VarveError` that says the outcome. `isSystem`: the cluster itself asks for it, and may write the keys
   * that it reserves.
   */
  async set(
    { condition, ...request }: SetRequest,
    budget: CallBudget,
    isSystem = false,
  ): Promise<WriteResponse> {
    const write = { ...request, operation: OperationMessage.SET, condition }
    return await this.#write(write, request.context, budget, isSystem, (kv, context, options, done) =>
      kv.set({ ...request, condition, context }, new Metadata(), options, done),
    )
  }

  /** As `set`. */
  async delete(
    { condition, ...request }: DeleteRequest,
    budget: CallBudget,
    isSystem = false,
  ): Promise<WriteResponse> {
    const write = { ...request, operation: OperationMessage.DELETE, value: Buffer.alloc(0), condition }
    return await this.#write(write, request.context, budget, isSystem, (kv, context, options, done) =>
      kv.delete({ ...request, condition, context }, new Metadata(), options, done),
    )
  }

  async #write(
    operation: BatchOperation,
    context: RequestContext | undefined,
    budget: CallBudget,
    isSystem: boolean,
    passOnTo: PassOn<WriteResponse>,
  ): Promise<WriteResponse> {
    // A process that passes a write on has checked who asked for it.
    const mayBeSystem = isSystem || (context?.hops ?? 0) > 0
    const writes = [checkedWrite(operation, mayBeSystem)]
    return await this.#carryOutWrites(writes, context, budget, mayBeSystem, results => results[0]!, passOnTo)
  }

  /** Rejects with `VarveError` that says the outcome. */
  async batch(request: BatchRequest, budget: CallBudget): Promise<BatchResponse> {
    const writes = checkedBatch(request.operations, knownMap(this.#host))
    return await this.#carryOutWrites(
      writes,
      request.context,
      budget,
      false,
      results => ({ results }),
      (kv, context, options, done) => kv.batch({ ...request, context }, new Metadata(), options, done),
    )
  }

  /** With the client's request id, or with one of ours, under which all attempts are one request. */
  async #carryOutWrites<Response>(
    writes: readonly UnaryWrite[],
    context: RequestContext | undefined,
    budget: CallBudget,
    writesSystemKeys: boolean,
    answer: (results: WriteResponse[]) => Response,
    passOnTo: PassOn<Response>,
  ): Promise<Response> {
    checkContext(context)
    const map = knownMap(this.#host)
    const shard = shardOfKey(writes[0]!.key, map.shards.length)
    const attempt = (clientId: Buffer, sequence: number, acknowledgedBelow: number) => {
      const own = { ...(context ?? emptyContext()), requestId: { clientId, sequence } }
      const consistency = writeConsistency(context, map)
      const seen = context?.token?.stamp
      const lamport = this.#host.observe(seen?.lamport ?? 0)
      this.#host.observeWall(seen?.wallMs ?? 0)
      const numbers = { clientId, firstSequence: sequence, acknowledgedBelow }
      const call = { writes, ...numbers, actor: own.actor, consistency, lamport, writesSystemKeys }
      return this.#forwarding.run<Response>({
        shard,
        by: 'head',
        isWrite: true,
        context,
        budget,
        here: async (host, signal) => {
          const results = await writeHere(host, call, signal)
          return answer(results.map(result => writeMessage(host.name, result)))
        },
        there: ({ kv }, address, hops, timeoutMs, signal) =>
          passOn(address, timeoutMs, signal, (options, done) =>
            passOnTo(kv, onward(own, hops), options, done),
          ),
      })
    }
    const given = context?.requestId
    if (given !== undefined) return await attempt(given.clientId, given.sequence, 0)
    return await this.#numbered(shard, writes.length, attempt)
  }

  /** Under a number of ours; under a new client's where the shard has forgotten the one we were. */
  async #numbered<Response>(
    shard: number,
    count: number,
    attempt: (clientId: Buffer, sequence: number, acknowledgedBelow: number) => Promise<Response>,
  ): Promise<Response> {
    for (let turn = 0; ; turn += 1) {
      const number = this.#numbers.take(shard, count)
      try {
        return await attempt(number.clientId, number.sequence, number.acknowledgedBelow)
      } catch (error) {
        const { code, outcome } = asVarveError(error)
        // Only where no earlier attempt of this call may have gone through: that one would be done twice.
        if (code !== 'SESSION_EXPIRED' || outcome !== 'failed' || turn > 0) throw error
        this.#numbers.expire(shard, number)
      } finally {
        this.#numbers.done(number)
      }
    }
  }
}

function writeMessage(
  shard: string,
  { applied, previous, committed, ...entry }: WriteResultOf,
): WriteResponse {
  return { position: positionMessage(shard, entry, committed), applied, previous }
}
