/**
 * Questions to one process, for tools and operators: its map, its status, its log, its own copy of a shard.
 * Nothing here is routed or retried: who is asked is who answers, or the call fails.
 */

import type { ClientReadableStream, ClientUnaryCall, ServiceError } from '@grpc/grpc-js'
import type {
  Digest,
  JoinRequest,
  JoinResponse,
  LeaveRequest,
  LeaveResponse,
  NodeList,
  NodeStatus,
  ReadBaseRequest,
  ReadBaseResponse,
  ReadLogRequest,
  ReadLogResponse,
  ReadOrphansRequest,
  ReadOrphansResponse,
  ReadRecordsRequest,
  ReadRecordsResponse,
  RecoverRequest,
  RecoverResponse,
  ResubmitRequest,
  ResubmitResponse,
  ShardMap,
} from '../generated/varve/v1/cluster.js'
import { Consistency, type ScanResponse } from '../generated/varve/v1/kv.js'
import type {
  BlameRequest,
  BlameResponse,
  DiffRequest,
  DiffResponse,
  HistoryRequest,
  HistoryResponse,
  ResolveRequest,
  ResolveResponse,
} from '../generated/varve/v1/time_travel.js'
import { Channels, type Peer } from './channels.js'
import { VarveError } from './errors.js'
import { fromServiceError } from './grpc-errors.js'
import { callUnary, type UnaryDone } from './unary.js'

/** How long a question may take. */
export interface InspectorOptions {
  /** Of each call, and of each wait for the next part of a stream. Default 5,000. */
  readonly timeoutMs?: number
}

/** Which part of a replica's own copy is asked for. */
export interface LocalScan {
  readonly shard: string
  /** First key wanted; empty for the first of all. */
  readonly start: Buffer
  /** At most so many keys; the page may end earlier. */
  readonly limit: number
}

/**
 * Asks processes by address. All calls reject with `VarveError`: UNAVAILABLE where nobody listens,
 * DEADLINE_EXCEEDED after the time-out, else what the process answers. Holds a channel to each process that was
 * asked until `close`.
 */
export class Inspector {
  readonly #timeoutMs: number
  readonly #channels = new Channels()

  constructor(options: InspectorOptions = {}) {
    this.#timeoutMs = options.timeoutMs ?? 5_000
  }

  /** The shard map as that process knows it. */
  shardMap(address: string): Promise<ShardMap> {
    return this.#ask(address, (peer, done) => peer.cluster.getShardMap({}, done))
  }

  /** What that process says of itself. */
  nodeStatus(address: string): Promise<NodeStatus> {
    return this.#ask(address, (peer, done) => peer.cluster.getNodeStatus({}, done))
  }

  /** What that process says of itself at once and then every `intervalMs`. Ending the iteration ends the call. */
  watchNodeStatus(address: string, intervalMs: number): AsyncGenerator<NodeStatus> {
    return this.#stream(address, peer => peer.cluster.watchNodeStatus({ intervalMs }))
  }

  /** The shard map as that process knows it, at once and then at each change. Ending the iteration ends the call. */
  watchShardMap(address: string): AsyncGenerator<ShardMap> {
    return this.#stream(address, peer => peer.cluster.watchShardMap({}), Number.POSITIVE_INFINITY)
  }

  /** The digest of that process's replica of a shard. */
  digest(address: string, shard: string): Promise<Digest> {
    return this.#ask(address, (peer, done) => peer.cluster.getDigest({ shard }, done))
  }

  /** A page of what that process's own replica holds, committed or not, without asking any other. */
  scanLocal(address: string, scan: LocalScan): Promise<ScanResponse> {
    const context = {
      consistency: Consistency.WEAK,
      token: undefined,
      actor: '',
      requestId: undefined,
      hops: 0,
      localOnly: true,
    }
    const request = { context, ...scan, end: Buffer.alloc(0), keysOnly: false, reverse: false, at: undefined }
    return this.#ask(address, (peer, done) => peer.kv.scan(request, done))
  }

  /** Entries of that process's replica of a shard, in order. Ending the iteration ends the call. */
  readLog(address: string, request: ReadLogRequest): AsyncGenerator<ReadLogResponse> {
    return this.#stream(address, peer => peer.cluster.readLog(request))
  }

  /** What was cut off that process's log of a shard, by epoch and index. Ending the iteration ends the call. */
  readOrphans(address: string, request: ReadOrphansRequest): AsyncGenerator<ReadOrphansResponse> {
    return this.#stream(address, peer => peer.cluster.readOrphans(request))
  }

  /** Whole records of that process's replica of a shard, byte for byte, in order. Ending the iteration ends the call. */
  readRecords(address: string, request: ReadRecordsRequest): AsyncGenerator<ReadRecordsResponse> {
    return this.#stream(address, peer => peer.cluster.readRecords(request))
  }

  /**
   * What that process's log of a shard is kept from, in pieces. A log that is kept from its beginning answers with one
   * part whose index is 0.
   */
  readBase(address: string, request: ReadBaseRequest): AsyncGenerator<ReadBaseResponse> {
    return this.#stream(address, peer => peer.cluster.readBase(request))
  }

  /**
   * Where each shard stood at a moment, closed there by the heads. Also OUT_OF_RANGE for a moment that is still to come
   * or before all entries, and OUT_OF_RETENTION.
   */
  resolve(address: string, request: ResolveRequest): Promise<ResolveResponse> {
    return this.#ask(address, (peer, done) => peer.timeTravel.resolve(request, done))
  }

  /** The entries of a key in that process's replica, newest first. */
  history(address: string, request: HistoryRequest): AsyncGenerator<HistoryResponse> {
    return this.#stream(address, peer => peer.timeTravel.history(request))
  }

  /** The keys that differ between two indexes of that process's replica, in key order. OUT_OF_RETENTION below the horizon. */
  diff(address: string, request: DiffRequest): AsyncGenerator<DiffResponse> {
    return this.#stream(address, peer => peer.timeTravel.diff(request))
  }

  /** The entry that each key had its value from at an index of that process's replica, in key order. */
  blame(address: string, request: BlameRequest): AsyncGenerator<BlameResponse> {
    return this.#stream(address, peer => peer.timeTravel.blame(request))
  }

  /** Has the head of a shard write orphans anew, each once at most; the results are in their order. */
  resubmit(head: string, request: ResubmitRequest): Promise<ResubmitResponse> {
    return this.#ask(head, (peer, done) => peer.cluster.resubmit(request, done))
  }

  /** The nodes as the coordinator knows them, by address. FAILED_PRECONDITION from any other process. */
  listNodes(coordinator: string): Promise<NodeList> {
    return this.#ask(coordinator, (peer, done) => peer.cluster.listNodes({}, done))
  }

  /** Begins to take a node out of its shards. FAILED_PRECONDITION where a rule forbids it, saying which. */
  leave(coordinator: string, request: LeaveRequest): Promise<LeaveResponse> {
    return this.#ask(coordinator, (peer, done) => peer.cluster.leave(request, done))
  }

  /** Lets a node hold replicas again, and begins to give it one where a shard is named. */
  join(coordinator: string, request: JoinRequest): Promise<JoinResponse> {
    return this.#ask(coordinator, (peer, done) => peer.cluster.join(request, done))
  }

  /** Puts a shard without survivors into office with what is left of it. */
  recover(coordinator: string, request: RecoverRequest): Promise<RecoverResponse> {
    return this.#ask(coordinator, (peer, done) => peer.cluster.recover(request, done))
  }

  /** Ends all channels. Calls that are under way reject. */
  close(): void {
    this.#channels.close()
  }

  [Symbol.dispose](): void {
    this.close()
  }

  async *#stream<T>(
    address: string,
    start: (peer: Peer) => ClientReadableStream<T>,
    silenceMsMax = this.#timeoutMs,
  ): AsyncGenerator<T> {
    const call = start(this.#channels.peer(address))
    try {
      yield* this.#parts(address, call, silenceMsMax)
    } finally {
      call.cancel()
    }
  }

  async *#parts<T>(address: string, call: ClientReadableStream<T>, silenceMsMax: number): AsyncGenerator<T> {
    const parts = call[Symbol.asyncIterator]() as AsyncIterator<T>
    // A cancelled call reports an error that nobody waits for any more.
    call.on('error', () => {})
    for (;;) {
      let expired = false
      const timer = whenSilent(silenceMsMax, () => {
        expired = true
        call.cancel()
      })
      const next = await parts
        .next()
        .catch(error => {
          if (expired)
            throw new VarveError('DEADLINE_EXCEEDED', `${address} sent nothing for ${silenceMsMax} ms`)
          throw plain(fromServiceError(error as ServiceError, address), address)
        })
        .finally(() => clearTimeout(timer))
      if (next.done) return
      yield next.value
    }
  }

  async #ask<T>(address: string, start: (peer: Peer, done: UnaryDone<T>) => ClientUnaryCall): Promise<T> {
    const peer = this.#channels.peer(address)
    try {
      return await callUnary<T>(address, this.#timeoutMs, undefined, done => start(peer, done))
    } catch (error) {
      throw plain(error as VarveError, address)
    }
  }
}

/** Undefined where silence has no bound: such a stream speaks when something changes. */
function whenSilent(ms: number, end: () => void): NodeJS.Timeout | undefined {
  return Number.isFinite(ms) ? setTimeout(end, ms) : undefined
}

/** An error without a code of ours has no answer of ours behind it: there was no connection, however gRPC says it. */
function plain(error: VarveError, address: string): VarveError {
  if (error.code !== 'UNAVAILABLE' || error.cause === undefined) return error
  return new VarveError('UNAVAILABLE', `nobody answers at ${address}`, { cause: error.cause })
}
