/**
 * What the gRPC services need of a process: its replicas, its shard map and itself. A storage node and the
 * coordinator both are such hosts; the coordinator has no replicas and passes every request on.
 */
import type {
  Digest,
  NodeStatus,
  ReadBaseResponse,
  ReadLogRequest,
  ReadLogResponse,
  ReadOrphansRequest,
  ReadOrphansResponse,
  ReadRecordsRequest,
  ReadRecordsResponse,
  ReplicaStatus,
  ResubmitRequest,
  ResubmitResponse,
  ShardMap,
} from '../generated/varve/v1/cluster.js'
import type { Entry } from '../generated/varve/v1/entry.js'
import type { ScanRequest, ScanResponse, WatchRequest, WatchResponse } from '../generated/varve/v1/kv.js'
import type {
  BlameRequest,
  BlameResponse,
  Cut,
  DiffRequest,
  DiffResponse,
  HistoryRequest,
  HistoryResponse,
} from '../generated/varve/v1/time_travel.js'
import type { Moment } from '../log/moment.js'
import type { ClusterAdmin } from './cluster-admin.js'

/** Where the answers to a session's frames go. */
export interface ReplySink {
  /** 16 bytes; kept by reference, never changed. */
  readonly clientId: Buffer
  readonly actor: string
  /** Whether keys that the cluster keeps for itself (src/log/system-key.ts) may be written. Default: no. */
  readonly writesSystemKeys?: boolean
  /** True once the stream has ended: answers are dropped, what was appended stays. */
  readonly closed: boolean
  /** Takes the buffer over. Frames of one turn of the event loop travel as one message. */
  send(frame: Buffer): void
}

/**
 * The past of one replica's shard. Reads by index wait a little for a replica that is behind, then reject with BEHIND and
 * the head as hint; all reject with `VarveError`, OUT_OF_RETENTION below what is kept.
 */
export interface ShardPast {
  /**
   * Where the shard stood at the moment, for ever. BEHIND (hint: the head) where this replica cannot tell, OUT_OF_RANGE
   * for a moment that is still to come, UNAVAILABLE while the shard cannot commit.
   */
  cut(moment: Moment, signal: AbortSignal): Promise<Cut>
  /** What is committed now, at the head only; entries that only closed the shard at a moment are left aside. */
  newest(): Promise<Cut>
  /** The key's newest entry at the index, a DELETE too; undefined where it had none. */
  get(key: Buffer, index: number, signal: AbortSignal): Promise<Entry | undefined>
  /** A page of the keys that were live at the index; `request.at` is not looked at. */
  scan(request: ScanRequest, index: number, signal: AbortSignal): Promise<ScanResponse>
  history(request: HistoryRequest, signal: AbortSignal): AsyncIterable<HistoryResponse>
  diff(request: DiffRequest, signal: AbortSignal): AsyncIterable<DiffResponse>
  blame(request: BlameRequest, signal: AbortSignal): AsyncIterable<BlameResponse>
}

/** One replica on this process, as the services see it. */
export interface ShardHost {
  readonly ordinal: number
  readonly name: string
  readonly past: ShardPast
  /**
   * Carries out a request frame (src/client/session-frame.ts). Every operation in it is answered exactly once
   * through the sink, unless the sink has closed. The frame's bytes are the host's from here on.
   * Throws `VarveError` INVALID_ARGUMENT for a frame that cannot be read.
   */
  handleFrame(frame: Buffer, sink: ReplySink): void
  /** A page of this replica's keys, at the consistency asked for. Rejects with `VarveError`. */
  scan(request: ScanRequest, signal: AbortSignal): Promise<ScanResponse>
  watch(request: WatchRequest, signal: AbortSignal): AsyncIterable<WatchResponse>
  readLog(request: ReadLogRequest, signal: AbortSignal): AsyncIterable<ReadLogResponse>
  /** Whole records, as stored. */
  readRecords(request: ReadRecordsRequest, signal: AbortSignal): AsyncIterable<ReadRecordsResponse>
  /** The base that the log is kept from. */
  readBase(signal: AbortSignal): AsyncIterable<ReadBaseResponse>
  /** Entries on this replica's disk that were cut off its log, by epoch and index. */
  readOrphans(request: ReadOrphansRequest, signal: AbortSignal): AsyncIterable<ReadOrphansResponse>
  /** Writes orphans anew, at the head only. Rejects with `VarveError`. */
  resubmit(request: ResubmitRequest): Promise<ResubmitResponse>
  digest(): Promise<Digest>
  status(): ReplicaStatus
}

export interface NodeHost {
  readonly address: string
  /** Empty until the coordinator has named it. */
  readonly clusterId: string
  readonly incarnation: number
  /** The replica of this shard on this process, if there is one. */
  shard(ordinal: number): ShardHost | undefined
  /** The newest map known here; undefined before the coordinator sent one. */
  shardMap(): ShardMap | undefined
  /** Calls the listener with each newer map; the function returned ends that. */
  onShardMap(listener: (map: ShardMap) => void): () => void
  /** A new client id that begins with a stamp of now. */
  newClientId(): Buffer
  /** Lamport time of this process, after observing the one given. An implausible one is refused (VarveError). */
  observe(lamport: number): number
  /**
   * A client has seen this wall time (epoch ms): what is stamped here from now on is not below it. One that is further ahead
   * than clocks may be of each other changes nothing.
   */
  observeWall(wallMs: number): void
  status(): NodeStatus
  /** What operators ask for: the coordinator only. */
  readonly admin: ClusterAdmin | undefined
}
