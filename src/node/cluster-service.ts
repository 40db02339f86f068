/** The shape and state of the cluster as this process knows it (`Cluster`), for clients, tools and operators. */
import { setTimeout as delay } from 'node:timers/promises'
import type { ServerWritableStream, sendUnaryData } from '@grpc/grpc-js'
import { VarveError } from '../client/errors.js'
import { toServiceError } from '../client/grpc-errors.js'
import type {
  ClusterServer,
  GetShardMapRequest,
  NodeStatus,
  ReadBaseRequest,
  ReadBaseResponse,
  ReadLogRequest,
  ReadLogResponse,
  ReadOrphansRequest,
  ReadOrphansResponse,
  ReadRecordsRequest,
  ReadRecordsResponse,
  ShardMap,
  WatchNodeStatusRequest,
} from '../generated/varve/v1/cluster.js'
import type { ClusterAdmin } from './cluster-admin.js'
import { knownMap } from './forwarding.js'
import { asVarveError } from './local-call.js'
import type { NodeHost } from './node-host.js'
import { replicaHere } from './shard-names.js'
import { OpenStreams } from './stream-pump.js'

/** How often a process that is watched says how it is, unless told, and the least and most that it may be told. */
const STATUS_INTERVAL_MS = 1_000
const STATUS_INTERVAL_MS_MIN = 10
const STATUS_INTERVAL_MS_MAX = 60_000

type ClusterMethods = Pick<
  ClusterServer,
  | 'getShardMap'
  | 'watchShardMap'
  | 'getNodeStatus'
  | 'watchNodeStatus'
  | 'readLog'
  | 'readRecords'
  | 'readBase'
  | 'getDigest'
  | 'readOrphans'
  | 'resubmit'
  | 'listNodes'
  | 'leave'
  | 'join'
  | 'recover'
>

export class ClusterService {
  readonly #host: NodeHost
  readonly #streams = new OpenStreams()

  constructor(host: NodeHost) {
    this.#host = host
  }

  /** The handlers, to be registered with a server. */
  readonly methods: ClusterMethods = {
    getShardMap: (_call, done) => answer(done, async () => knownMap(this.#host)),
    watchShardMap: (stream: ServerWritableStream<GetShardMapRequest, ShardMap>) =>
      void this.#streams.pump(stream, signal => this.#maps(signal)),
    getNodeStatus: (_call, done) => answer(done, async () => this.#host.status()),
    watchNodeStatus: (stream: ServerWritableStream<WatchNodeStatusRequest, NodeStatus>) =>
      void this.#streams.pump(stream, signal => this.#statuses(stream.request, signal)),
    readLog: (stream: ServerWritableStream<ReadLogRequest, ReadLogResponse>) =>
      void this.#streams.pump(stream, signal => this.#readLog(stream.request, signal)),
    readRecords: (stream: ServerWritableStream<ReadRecordsRequest, ReadRecordsResponse>) =>
      void this.#streams.pump(stream, signal => this.#readRecords(stream.request, signal)),
    readBase: (stream: ServerWritableStream<ReadBaseRequest, ReadBaseResponse>) =>
      void this.#streams.pump(stream, signal => this.#readBase(stream.request, signal)),
    getDigest: (call, done) =>
      answer(done, async () => await replicaHere(this.#host, call.request.shard).digest()),
    readOrphans: (stream: ServerWritableStream<ReadOrphansRequest, ReadOrphansResponse>) =>
      void this.#streams.pump(stream, signal => this.#readOrphans(stream.request, signal)),
    resubmit: (call, done) =>
      answer(done, async () => await replicaHere(this.#host, call.request.shard).resubmit(call.request)),
    listNodes: (_call, done) => answer(done, async () => this.#admin().listNodes()),
    leave: (call, done) => answer(done, async () => this.#admin().leave(call.request)),
    join: (call, done) => answer(done, async () => this.#admin().join(call.request)),
    recover: (call, done) => answer(done, async () => await this.#admin().recover(call.request)),
  }

  /** Ends all streams; new ones are refused. */
  endAll(): void {
    this.#streams.endAll(
      new VarveError('UNAVAILABLE', `${this.#host.address} is stopping: go to another process`),
    )
  }

  /** The map once there is one, then each newer one; a client that is slow gets the newest, not every one. */
  async *#maps(signal: AbortSignal): AsyncGenerator<ShardMap, void, void> {
    let wake = () => {}
    let newest = this.#host.shardMap()
    const endWatch = this.#host.onShardMap(map => {
      newest = map
      wake()
    })
    const onAbort = () => wake()
    signal.addEventListener('abort', onAbort, { once: true })
    try {
      while (!signal.aborted) {
        if (newest !== undefined) {
          const map = newest
          newest = undefined
          yield map
        } else {
          await new Promise<void>(resolve => {
            wake = resolve
          })
        }
      }
    } finally {
      endWatch()
      signal.removeEventListener('abort', onAbort)
    }
  }

  /** Until the signal aborts. The next one is made when the last one has left and its time has come. */
  async *#statuses(
    { intervalMs }: WatchNodeStatusRequest,
    signal: AbortSignal,
  ): AsyncGenerator<NodeStatus, void, void> {
    const everyMs = intervalMs === 0 ? STATUS_INTERVAL_MS : intervalMs
    if (everyMs < STATUS_INTERVAL_MS_MIN || everyMs > STATUS_INTERVAL_MS_MAX) {
      const allowed = `from ${STATUS_INTERVAL_MS_MIN} to ${STATUS_INTERVAL_MS_MAX}, or 0`
      throw new VarveError('INVALID_ARGUMENT', `interval_ms is ${everyMs}, expected ${allowed}`)
    }
    for (let due = performance.now(); !signal.aborted; due = Math.max(performance.now(), due + everyMs)) {
      await delay(Math.max(0, due - performance.now()), undefined, { signal })
      yield this.#host.status()
    }
  }

  async *#readLog(request: ReadLogRequest, signal: AbortSignal): AsyncGenerator<ReadLogResponse, void, void> {
    yield* replicaHere(this.#host, request.shard).readLog(request, signal)
  }

  async *#readRecords(
    request: ReadRecordsRequest,
    signal: AbortSignal,
  ): AsyncGenerator<ReadRecordsResponse, void, void> {
    yield* replicaHere(this.#host, request.shard).readRecords(request, signal)
  }

  async *#readBase(
    { shard }: ReadBaseRequest,
    signal: AbortSignal,
  ): AsyncGenerator<ReadBaseResponse, void, void> {
    yield* replicaHere(this.#host, shard).readBase(signal)
  }

  async *#readOrphans(
    request: ReadOrphansRequest,
    signal: AbortSignal,
  ): AsyncGenerator<ReadOrphansResponse, void, void> {
    yield* replicaHere(this.#host, request.shard).readOrphans(request, signal)
  }

  /** What only the coordinator decides is not passed on: whoever asks for it has to know whom they talk to. */
  #admin(): ClusterAdmin {
    if (this.#host.admin !== undefined) return this.#host.admin
    const coordinator = this.#host.shardMap()?.coordinator ?? ''
    const problem = `${this.#host.address} does not decide who holds which shard`
    if (coordinator === '') {
      throw new VarveError('UNAVAILABLE', `${problem}, and does not know its coordinator yet: ask that`)
    }
    throw new VarveError('FAILED_PRECONDITION', `${problem}: ask the coordinator, ${coordinator}`, {
      hint: coordinator,
    })
  }
}

function answer<Response>(done: sendUnaryData<Response>, make: () => Promise<Response>): void {
  make().then(
    response => done(null, response),
    error => done(toServiceError(asVarveError(error))),
  )
}
