/**
 * Watching one shard (`Kv.Watch`), at any process: from the replica here, or else passed through from a member's. Its
 * client sees a stream that ends where the replica's does and asks again from the index that it has reached.
 */
import type { ServerWritableStream, ServiceError } from '@grpc/grpc-js'
import { VarveError } from '../client/errors.js'
import { fromServiceError } from '../client/grpc-errors.js'
import type { KvClient, WatchRequest, WatchResponse } from '../generated/varve/v1/kv.js'
import { type Forwarding, HOPS_MAX, knownMap } from './forwarding.js'
import { checkKeyPrefix } from './kv-requests.js'
import type { NodeHost } from './node-host.js'
import { onward } from './pass-on.js'
import { ordinalOf } from './shard-names.js'
import { OpenStreams } from './stream-pump.js'

/** Watches open at one process; more are refused. */
export const WATCHES_MAX = 10_000

export class WatchService {
  readonly #host: NodeHost
  readonly #forwarding: Forwarding
  readonly #streams = new OpenStreams()

  constructor(host: NodeHost, forwarding: Forwarding) {
    this.#host = host
    this.#forwarding = forwarding
  }

  get count(): number {
    return this.#streams.count
  }

  /** The handler, to be registered with a server. */
  readonly watch = (stream: ServerWritableStream<WatchRequest, WatchResponse>): void => {
    void this.#streams.pump(stream, signal => this.#watch(stream.request, signal))
  }

  /** Ends all watches; new ones are refused. */
  endAll(): void {
    this.#streams.endAll(
      new VarveError('UNAVAILABLE', `${this.#host.address} is stopping: go to another process`),
    )
  }

  async *#watch(request: WatchRequest, signal: AbortSignal): AsyncGenerator<WatchResponse, void, void> {
    const { address } = this.#host
    if (this.#streams.count > WATCHES_MAX) {
      throw new VarveError('RESOURCE_EXHAUSTED', `${address} has ${WATCHES_MAX} watches open`)
    }
    checkKeyPrefix(request.prefix)
    const { context, shard: name } = request
    this.#host.observe(context?.token?.stamp?.lamport ?? 0)
    const shard = ordinalOf(name, knownMap(this.#host))
    const [target] = this.#forwarding.targets({ shard, by: 'member', context })
    if (target === undefined)
      throw new VarveError('UNAVAILABLE', `${name} has no member now that could be watched`)
    const here = target === address ? this.#host.shard(shard) : undefined
    if (here !== undefined) {
      yield* here.watch(request, signal)
      return
    }
    const hops = (context?.hops ?? 0) + 1
    if (hops > HOPS_MAX || target === address) {
      throw new VarveError('NOT_MEMBER', `${address} has no replica of ${name}`, { hint: target })
    }
    yield* passThrough(
      this.#forwarding.peer(target).kv,
      target,
      { ...request, context: onward(context, hops) },
      signal,
    )
  }
}

async function* passThrough(
  kv: KvClient,
  address: string,
  request: WatchRequest,
  signal: AbortSignal,
): AsyncGenerator<WatchResponse, void, void> {
  const stream = kv.watch(request)
  const cancel = () => stream.cancel()
  signal.addEventListener('abort', cancel, { once: true })
  try {
    if (signal.aborted) cancel()
    for await (const message of stream) yield message as WatchResponse
  } catch (error) {
    throw fromServiceError(error as ServiceError, address)
  } finally {
    signal.removeEventListener('abort', cancel)
    stream.on('error', () => {})
    stream.cancel()
  }
}
