/**
 * A cluster without logs or replication, for testing the client alone: gRPC servers over plain maps that all nodes
 * share. What a node does with a frame can be bent by each test.
 */
import {
  Server,
  ServerCredentials,
  type ServerDuplexStream,
  type ServerUnaryCall,
  type ServerWritableStream,
  type sendUnaryData,
} from '@grpc/grpc-js'
import { VarveError } from '../../src/client/errors.js'
import { toServiceError } from '../../src/client/grpc-errors.js'
import {
  FrameConsistency,
  frameKind,
  ReadResultFlag,
  RequestKind,
  WriteFlag,
  WriteResultFlag,
} from '../../src/client/session-frame.js'
import { ReadFrameReader, WriteFrameReader } from '../../src/client/session-frame-request.js'
import {
  encodeFailed,
  encodeWritesDone,
  ReadResultsWriter,
  WriteResultsWriter,
} from '../../src/client/session-frame-response.js'
import {
  ClusterService,
  type GetShardMapRequest,
  type ShardMap,
  Topology,
} from '../../src/generated/varve/v1/cluster.js'
import { type Entry, Operation } from '../../src/generated/varve/v1/entry.js'
import {
  KvService,
  type ScanRequest,
  type ScanResponse,
  type SessionRequest,
  type SessionResponse,
  type SetRequest,
  type WatchRequest,
  type WatchResponse,
  type WriteResponse,
} from '../../src/generated/varve/v1/kv.js'

import { TimeTravelService } from '../../src/generated/varve/v1/time_travel.js'
import { FakePast } from './fake-past.js'

type SessionStream = ServerDuplexStream<SessionRequest, SessionResponse>
type WatchStream = ServerWritableStream<WatchRequest, WatchResponse>

/** An entry as the fake keeps it: index is its place in the shard's array, from 1. */
export interface FakeEntry {
  readonly index: number
  readonly operation: Operation
  readonly key: string
  readonly value: Buffer
  readonly previous: number
  readonly refused: boolean
  readonly actor: string
}

export class FakeShard {
  readonly name: string
  readonly entries: FakeEntry[] = []
  /** Key (latin1) to the index of its newest entry. */
  readonly keys = new Map<string, number>()
  /** `client/sequence` to index: what a request table would know. */
  readonly requests = new Map<string, number>()
  head = ''
  members: string[] = []
  epoch = 1
  watchers = new Set<() => void>()
  /** Entries up to here were dropped: they are only seen in snapshots. */
  horizon = 0

  constructor(name: string) {
    this.name = name
  }

  entry(index: number): FakeEntry | undefined {
    return this.entries[index - 1]
  }

  newest(key: string): FakeEntry | undefined {
    return this.entry(this.keys.get(key) ?? 0)
  }

  append(operation: Operation, key: string, value: Buffer, actor: string, refused = false): FakeEntry {
    const previous = this.keys.get(key) ?? 0
    const entry = { index: this.entries.length + 1, operation, key, value, previous, refused, actor }
    this.entries.push(entry)
    if (!refused) this.keys.set(key, entry.index)
    for (const wake of this.watchers) wake()
    return entry
  }
}

/** What a test does with a frame before the node sees it: true takes it away. */
export type Intercept = (frame: Buffer, session: FakeSession) => boolean

/** One session at a node. Frames are answered in the order they came. */
export class FakeSession {
  readonly node: FakeNode
  readonly stream: SessionStream
  readonly clientId: Buffer
  readonly actor: string
  /** Sizes of the messages that came in: how many frames each had. */
  readonly messages: number[] = []
  #outbox: Buffer[] = []

  constructor(node: FakeNode, stream: SessionStream, clientId: Buffer, actor: string) {
    this.node = node
    this.stream = stream
    this.clientId = clientId
    this.actor = actor
  }

  send(frame: Buffer): void {
    if (this.#outbox.push(frame) > 1) return
    setImmediate(() => {
      const frames = this.#outbox
      this.#outbox = []
      if (frames.length > 0 && this.stream.writable) this.stream.write({ welcome: undefined, frames })
    })
  }

  /** Cuts the stream, as a crash would: what was not sent yet is lost. */
  cut(): void {
    this.#outbox = []
    cut(this.stream)
  }
}

export class FakeNode {
  readonly cluster: FakeCluster
  address = ''
  readonly sessions: FakeSession[] = []
  /** All frames that came in. */
  readonly frames: Buffer[] = []
  intercept: Intercept | undefined
  /** How far reads see the log. Default: all of it. */
  appliedMax = Infinity
  /** A process that hears and says nothing, on connections that stand. */
  isSilent = false
  scans = 0
  scanError: VarveError | undefined
  readonly #server = new Server({ 'grpc.max_receive_message_length': 64 << 20 })
  readonly #streams = new Set<{ end(): void }>()
  readonly watchStreams = new Set<WatchStream>()
  readonly past: FakePast
  readonly #writeReader = new WriteFrameReader()
  readonly #readReader = new ReadFrameReader()

  constructor(cluster: FakeCluster) {
    this.cluster = cluster
    this.past = new FakePast(cluster.shards)
    this.#server.addService(TimeTravelService, this.past.handlers)
    this.#server.addService(KvService, {
      session: (stream: SessionStream) => this.#session(stream),
      scan: (call: ServerUnaryCall<ScanRequest, ScanResponse>, done: sendUnaryData<ScanResponse>) =>
        this.#scan(call.request, done),
      set: (call: ServerUnaryCall<SetRequest, WriteResponse>, done: sendUnaryData<WriteResponse>) =>
        this.#set(call.request, done),
      watch: (stream: WatchStream) => this.#watch(stream),
      get: this.past.get,
      delete: unimplemented,
      batch: unimplemented,
    })
    this.#server.addService(ClusterService, {
      getShardMap: (_: ServerUnaryCall<GetShardMapRequest, ShardMap>, done: sendUnaryData<ShardMap>) => {
        if (!this.isSilent) done(null, cluster.map())
      },
      watchShardMap: (stream: ServerWritableStream<GetShardMapRequest, ShardMap>) => {
        this.#keep(stream)
        const send = () => {
          if (!this.isSilent) stream.write(cluster.map())
        }
        cluster.mapListeners.add(send)
        stream.on('close', () => cluster.mapListeners.delete(send))
        stream.on('cancelled', () => cluster.mapListeners.delete(send))
        send()
      },
      getNodeStatus: unimplemented,
      watchNodeStatus: unimplemented,
      readLog: unimplemented,
      getDigest: unimplemented,
    })
  }

  async listen(): Promise<void> {
    const port = await new Promise<number>((resolve, reject) =>
      this.#server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, bound) =>
        error ? reject(error) : resolve(bound),
      ),
    )
    this.address = `127.0.0.1:${port}`
  }

  stop(): void {
    for (const stream of this.#streams) stream.end()
    this.#server.forceShutdown()
  }

  /** Handles a frame as a node would that is the head and has applied everything. */
  handle(frame: Buffer, session: FakeSession): void {
    if (frameKind(frame) === RequestKind.WRITES) this.#writes(frame, session)
    else this.#reads(frame, session)
  }

  /** Refuses all operations of a frame. */
  refuse(frame: Buffer, session: FakeSession, error: VarveError): void {
    const isWrites = frameKind(frame) === RequestKind.WRITES
    const reader = isWrites ? this.#writeReader : this.#readReader
    reader.reset(frame)
    const { shard, count, firstId } = reader
    session.send(
      encodeFailed({
        shard,
        count,
        firstId,
        epoch: 1,
        lamport: 1,
        operations: isWrites ? 'writes' : 'reads',
        code: error.code,
        outcome: error.outcome ?? 'failed',
        retryable: error.retryable,
        message: error.message,
        hint: error.hint ?? '',
      }),
    )
  }

  #keep(stream: { end(): void; on(event: 'close', listener: () => void): unknown }): void {
    this.#streams.add(stream)
    stream.on('close', () => this.#streams.delete(stream))
  }

  #session(stream: SessionStream): void {
    this.#keep(stream)
    let session: FakeSession | undefined
    stream.on('error', () => {})
    stream.on('end', () => stream.end())
    stream.on('data', (message: SessionRequest) => {
      if (message.hello !== undefined) {
        const clientId =
          message.hello.clientId.length === 0 ? this.cluster.newClientId() : message.hello.clientId
        session = new FakeSession(this, stream, clientId, message.hello.actor)
        this.sessions.push(session)
        const welcome = { clientId, stamp: undefined, node: this.address, clusterId: 'fake', mapRevision: 0 }
        stream.write({ welcome, frames: [] })
      }
      if (message.frames.length > 0) session!.messages.push(message.frames.length)
      for (const frame of message.frames) {
        this.frames.push(frame)
        if (!this.isSilent && this.intercept?.(frame, session!) !== true) this.handle(frame, session!)
      }
    })
  }

  #writes(frame: Buffer, session: FakeSession): void {
    const reader = this.#writeReader
    reader.reset(frame)
    const shard = this.cluster.shards[reader.shard]!
    if (shard.head !== this.address) {
      this.refuse(
        frame,
        session,
        new VarveError('NOT_HEAD', 'not the head', { outcome: 'failed', hint: shard.head }),
      )
      return
    }
    const results = new WriteResultsWriter()
    results.begin(reader.shard, shard.epoch)
    const { shard: ordinal, firstId, consistency } = reader
    const committed = consistency === FrameConsistency.STRONG
    const firstIndex = shard.entries.length + 1
    const client = session.clientId.toString('hex')
    let plain = true
    for (let id = firstId; reader.next(); id++) {
      const { operation, flags, keyStart, keyLength, valueStart, valueLength, ifIndex } = reader
      const key = frame.toString('latin1', keyStart, keyStart + keyLength)
      const known = shard.requests.get(`${client}/${id}`)
      const before = known === undefined ? shard.newest(key) : shard.entry(shard.entry(known)!.previous)
      const exists = before !== undefined && before.operation === Operation.SET
      let entry = known === undefined ? undefined : shard.entry(known)
      if (entry === undefined) {
        const refused =
          ((flags & WriteFlag.IF_ABSENT) !== 0 && exists) ||
          ((flags & WriteFlag.IF_INDEX) !== 0 && (before?.index ?? 0) !== ifIndex)
        const value = Buffer.from(frame.subarray(valueStart, valueStart + valueLength))
        entry = shard.append(
          refused ? Operation.NOOP : (operation as number),
          key,
          value,
          session.actor,
          refused,
        )
        shard.requests.set(`${client}/${id}`, entry.index)
      }
      if (known !== undefined || entry.refused || flags !== 0) plain = false
      const wanted = (flags & WriteFlag.RETURN_PREVIOUS) !== 0
      const value = wanted && exists ? before.value : Buffer.alloc(0)
      results.add(
        id,
        entry.index,
        100 + entry.index,
        1_000,
        shard.epoch,
        before?.index ?? 0,
        (entry.refused ? 0 : WriteResultFlag.APPLIED) |
          (committed ? WriteResultFlag.COMMITTED : 0) |
          (wanted ? WriteResultFlag.PREVIOUS_REQUESTED : 0) |
          (exists ? WriteResultFlag.PREVIOUS_FOUND : 0),
        value,
        0,
        value.length,
      )
    }
    const { count } = results
    const run = { shard: ordinal, count, epoch: shard.epoch, firstId, lamport: 100 + shard.entries.length }
    session.send(
      plain
        ? encodeWritesDone({ ...run, firstIndex, firstLamport: 100 + firstIndex, wallMs: 1_000, committed })
        : results.finish(run.lamport),
    )
  }

  #reads(frame: Buffer, session: FakeSession): void {
    const reader = this.#readReader
    reader.reset(frame)
    const shard = this.cluster.shards[reader.shard]!
    const applied = Math.min(this.appliedMax, shard.entries.length)
    if (reader.consistency === FrameConsistency.SESSION && reader.tokenIndex > applied) {
      this.refuse(frame, session, new VarveError('BEHIND', 'behind the token', { hint: shard.head }))
      return
    }
    const results = new ReadResultsWriter()
    const strong = reader.consistency === FrameConsistency.STRONG
    results.begin(reader.shard, shard.epoch, reader.firstId, applied, strong)
    while (reader.next()) {
      const key = frame.toString('latin1', reader.keyStart, reader.keyStart + reader.keyLength)
      let entry = shard.newest(key)
      while (entry !== undefined && entry.index > applied) entry = shard.entry(entry.previous)
      const found = entry?.operation === Operation.SET
      const value = found ? entry!.value : Buffer.alloc(0)
      const flags = ReadResultFlag.COMMITTED | (found ? ReadResultFlag.FOUND : 0)
      if (entry === undefined) results.add(0, 0, 0, 0, 0, value, 0, 0)
      else results.add(entry.index, 100 + entry.index, 1_000, shard.epoch, flags, value, 0, value.length)
    }
    session.send(results.finish(100 + applied))
  }

  #scan(request: ScanRequest, done: sendUnaryData<ScanResponse>): void {
    this.scans++
    if (this.scanError !== undefined) {
      done(toServiceError(this.scanError))
      return
    }
    const shard = this.cluster.shards.find(one => one.name === request.shard)!
    const keys = [...shard.keys.keys()].map(key => Buffer.from(key, 'latin1')).sort(Buffer.compare)
    if (request.reverse) keys.reverse()
    const items = keys
      .filter(key => shard.newest(key.toString('latin1'))!.operation === Operation.SET)
      .filter(key => Buffer.compare(key, request.start) >= 0)
      .filter(key => request.end.length === 0 || Buffer.compare(key, request.end) < 0)
      .map(key => {
        const { index, value } = shard.newest(key.toString('latin1'))!
        return { key, value: request.keysOnly ? Buffer.alloc(0) : value, position: positionOf(shard, index) }
      })
    const limit = Math.min(request.limit || Infinity, this.cluster.pageItemsMax)
    const more = items.length > limit
    done(null, {
      items: items.slice(0, limit),
      more,
      appliedIndex: shard.entries.length,
      node: this.address,
      cuts: [],
    })
  }

  #set(request: SetRequest, done: sendUnaryData<WriteResponse>): void {
    const key = request.key.toString('latin1')
    const shard = this.cluster.shards.find(one => one.head === this.address)!
    const entry = shard.append(Operation.SET, key, request.value, request.context!.actor)
    const { clientId, sequence } = request.context!.requestId!
    shard.requests.set(`${clientId.toString('hex')}/${sequence}`, entry.index)
    done(null, { position: positionOf(shard, entry.index), applied: true, previous: undefined })
  }

  #watch(stream: WatchStream): void {
    this.#keep(stream)
    this.watchStreams.add(stream)
    stream.on('error', () => {})
    const { shard: name, fromIndex, prefix } = stream.request
    const shard = this.cluster.shards.find(one => one.name === name)!
    let next = fromIndex === 0 ? shard.entries.length + 1 : fromIndex
    if (next <= shard.horizon) next = this.past.writeSnapshot(stream, shard)
    if (next === 0) return
    const send = (always: boolean) => {
      if (!stream.writable || stream.cancelled) return
      const entries = shard.entries
        .slice(next - 1)
        .filter(entry => entry.key.startsWith(prefix.toString('latin1')))
        .map(entry => wireEntry(shard, entry))
      next = Math.max(next, shard.entries.length + 1)
      if (always || entries.length > 0)
        stream.write({ entries, throughIndex: next - 1, epoch: shard.epoch, snapshotIndex: 0 })
    }
    const wake = () => setImmediate(send, false)
    shard.watchers.add(wake)
    const stop = () => {
      shard.watchers.delete(wake)
      this.watchStreams.delete(stream)
    }
    stream.on('close', stop)
    stream.on('cancelled', stop)
    send(true)
  }
}

export class FakeCluster {
  readonly nodes: FakeNode[] = []
  readonly shards: FakeShard[]
  readonly mapListeners = new Set<() => void>()
  revision = 1
  pageItemsMax = 1_000
  defaultConsistency = 'strong'
  #clients = 0

  constructor(shardCount: number) {
    this.shards = Array.from({ length: shardCount }, (_, ordinal) => new FakeShard(`shard_${ordinal}`))
  }

  /** Shard n is headed by node n modulo the number of nodes; all nodes are members of all shards. */
  static async start(options: { shards?: number; nodes?: number } = {}): Promise<FakeCluster> {
    const cluster = new FakeCluster(options.shards ?? 1)
    for (let k = 0; k < (options.nodes ?? 1); k++) cluster.nodes.push(new FakeNode(cluster))
    await Promise.all(cluster.nodes.map(node => node.listen()))
    cluster.shards.forEach((shard, ordinal) => {
      shard.members = cluster.addresses
      shard.head = cluster.addresses[ordinal % cluster.nodes.length]!
    })
    return cluster
  }

  get addresses(): string[] {
    return this.nodes.map(node => node.address)
  }

  get frames(): Buffer[] {
    return this.nodes.flatMap(node => node.frames)
  }

  newClientId(): Buffer {
    const id = Buffer.alloc(16)
    id.writeBigUInt64BE(BigInt(++this.#clients))
    return id
  }

  map(): ShardMap {
    return {
      clusterId: 'fake',
      revision: this.revision,
      coordinator: '',
      defaultConsistency: this.defaultConsistency,
      shards: this.shards.map((shard, ordinal) => ({
        ordinal,
        name: shard.name,
        epoch: shard.epoch,
        head: shard.head,
        members: shard.members.map(address => ({ address, upstream: '' })),
        topology: Topology.CHAIN,
        minInSync: 1,
        status: 'ACTIVE',
        waitingFor: '',
        learners: [],
        wanted: shard.members.length,
      })),
    }
  }

  /** Makes another node the head, in a new epoch. `tell` says whether clients that follow the map hear of it. */
  moveHead(ordinal: number, address: string, tell: boolean): void {
    const shard = this.shards[ordinal]!
    shard.head = address
    shard.epoch++
    this.revision++
    if (tell) for (const send of this.mapListeners) send()
  }

  stop(): void {
    for (const node of this.nodes) node.stop()
  }
}

export function positionOf(shard: FakeShard, index: number) {
  const stamp = { lamport: 100 + index, wallMs: 1_000 }
  return { shard: shard.name, epoch: shard.epoch, index, stamp, committed: true }
}

export function wireEntry(shard: FakeShard, entry: FakeEntry): Entry {
  return {
    position: positionOf(shard, entry.index),
    operation: entry.operation,
    key: Buffer.from(entry.key, 'latin1'),
    value: entry.value,
    previous: entry.previous,
    clientId: Buffer.alloc(0),
    sequence: 0,
    actor: entry.actor,
    batchContinues: false,
    record: entry.index,
    refused: entry.refused,
  }
}

/** Ends a stream with an error. (Destroying it would leave the client without a word: grpc-js sends no status then.) */
export function cut(stream: { emit(event: 'error', error: Error): unknown }): void {
  stream.emit('error', Object.assign(new Error('cut'), { code: 14, details: 'cut' }))
}

function unimplemented(...args: unknown[]): void {
  const done = args[1]
  const error = toServiceError(new VarveError('UNIMPLEMENTED', 'not in the fake'))
  if (typeof done === 'function') done(error)
}
