/** The past, as any client in any language asks for it (`TimeTravel` in time_travel.proto). */
import type { ServerWritableStream } from '@grpc/grpc-js'
import { VarveError } from '../client/errors.js'
import type {
  BlameRequest,
  BlameResponse,
  DiffRequest,
  DiffResponse,
  HistoryRequest,
  HistoryResponse,
  TimeTravelServer,
} from '../generated/varve/v1/time_travel.js'
import type { ClusterRetention } from './cluster-retention.js'
import type { ClusterTags } from './cluster-tags.js'
import { checkKey, checkScan } from './kv-requests.js'
import type { MomentResolver } from './moment-resolver.js'
import type { NodeHost } from './node-host.js'
import { replicaHere } from './shard-names.js'
import { OpenStreams } from './stream-pump.js'
import { UnaryCalls } from './unary-calls.js'

type TimeTravelMethods = Pick<
  TimeTravelServer,
  | 'resolve'
  | 'history'
  | 'diff'
  | 'blame'
  | 'addTag'
  | 'removeTag'
  | 'listTags'
  | 'getRetention'
  | 'setRetention'
>

/** Streams open at one process; more are refused. */
export const PAST_STREAMS_MAX = 1_000

export class TimeTravelService {
  readonly #host: NodeHost
  readonly #resolver: MomentResolver
  readonly #tags: ClusterTags
  readonly #retention: ClusterRetention
  readonly #calls: UnaryCalls
  readonly #streams = new OpenStreams()

  constructor(host: NodeHost, resolver: MomentResolver, tags: ClusterTags, retention: ClusterRetention) {
    this.#host = host
    this.#resolver = resolver
    this.#tags = tags
    this.#retention = retention
    this.#calls = new UnaryCalls(() => host.address)
  }

  /** The handlers, to be registered with a server. */
  readonly methods: TimeTravelMethods = {
    resolve: (call, done) =>
      this.#calls.handle(call, done, (request, budget) => this.#resolver.resolve(request, budget)),
    history: (stream: ServerWritableStream<HistoryRequest, HistoryResponse>) =>
      void this.#streams.pump(stream, signal => this.#history(stream.request, signal)),
    diff: (stream: ServerWritableStream<DiffRequest, DiffResponse>) =>
      void this.#streams.pump(stream, signal => this.#diff(stream.request, signal)),
    blame: (stream: ServerWritableStream<BlameRequest, BlameResponse>) =>
      void this.#streams.pump(stream, signal => this.#blame(stream.request, signal)),
    addTag: (call, done) =>
      this.#calls.handle(call, done, (request, budget) => this.#tags.add(request, budget)),
    removeTag: (call, done) =>
      this.#calls.handle(call, done, (request, budget) => this.#tags.remove(request, budget)),
    listTags: (call, done) => this.#calls.handle(call, done, (_request, budget) => this.#tags.list(budget)),
    getRetention: (call, done) =>
      this.#calls.handle(call, done, (_request, budget) => this.#retention.get(budget)),
    setRetention: (call, done) =>
      this.#calls.handle(call, done, (request, budget) => this.#retention.set(request, budget)),
  }

  /** Ends all streams; new ones are refused. */
  endAll(): void {
    this.#streams.endAll(
      new VarveError('UNAVAILABLE', `${this.#host.address} is stopping: go to another process`),
    )
  }

  async *#history(request: HistoryRequest, signal: AbortSignal): AsyncGenerator<HistoryResponse, void, void> {
    this.#checkCount()
    checkKey(request.key)
    yield* replicaHere(this.#host, request.shard).past.history(request, signal)
  }

  async *#diff(request: DiffRequest, signal: AbortSignal): AsyncGenerator<DiffResponse, void, void> {
    this.#checkCount()
    checkScan(request)
    yield* replicaHere(this.#host, request.shard).past.diff(request, signal)
  }

  async *#blame(request: BlameRequest, signal: AbortSignal): AsyncGenerator<BlameResponse, void, void> {
    this.#checkCount()
    checkScan(request)
    yield* replicaHere(this.#host, request.shard).past.blame(request, signal)
  }

  #checkCount(): void {
    if (this.#streams.count <= PAST_STREAMS_MAX) return
    const text = `${this.#host.address} has ${PAST_STREAMS_MAX} reads of the past open, try again`
    throw new VarveError('RESOURCE_EXHAUSTED', text)
  }
}
