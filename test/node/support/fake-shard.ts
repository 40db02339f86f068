/** An in-memory `ShardHost` for tests of the services: as little of a store as the frames need, with faults to order. */
import type { VarveError } from '../../../src/client/errors.js'
import { frameKind, ReadResultFlag, WriteFlag, WriteResultFlag } from '../../../src/client/session-frame.js'
import { ReadFrameReader, WriteFrameReader } from '../../../src/client/session-frame-request.js'
import {
  encodeFailed,
  ReadResultsWriter,
  WriteResultsWriter,
} from '../../../src/client/session-frame-response.js'
import { ReplicaStatus } from '../../../src/generated/varve/v1/cluster.js'
import { Operation as OperationMessage } from '../../../src/generated/varve/v1/entry.js'
import type {
  ScanRequest,
  ScanResponse,
  WatchRequest,
  WatchResponse,
} from '../../../src/generated/varve/v1/kv.js'
import type { ReplySink, ShardHost, ShardPast } from '../../../src/node/node-host.js'

interface Held {
  readonly value: Buffer
  readonly index: number
}

interface Decided {
  readonly index: number
  readonly applied: boolean
  readonly previous: Held | undefined
}

/** What all replicas of one shard share in these tests: there is no replication to wait for. */
export class FakeData {
  readonly keys = new Map<string, Held>()
  readonly requests = new Map<string, Decided>()
  readonly actors: string[] = []
  lastIndex = 0
}

export class FakeShard implements ShardHost {
  isHead = false
  headHint = ''
  /** Called before a frame is carried out; returning false leaves it unanswered. */
  onFrame: (frame: Buffer, sink: ReplySink) => boolean = () => true
  /** Frames that came in. */
  frames = 0
  /** There is none here: tests of the past run on real replicas. */
  readonly past = {} as ShardPast
  readonly #writes = new WriteFrameReader()
  readonly #reads = new ReadFrameReader()

  constructor(
    readonly ordinal: number,
    readonly name: string,
    readonly address: string,
    readonly data: FakeData,
  ) {}

  handleFrame(frame: Buffer, sink: ReplySink): void {
    const isWrite = frameKind(frame) === 1
    const reader = isWrite ? this.#writes : this.#reads
    reader.reset(frame)
    this.frames += 1
    if (!this.onFrame(frame, sink)) return
    if (isWrite && !this.isHead) return this.fail(frame, sink, 'NOT_HEAD')
    setImmediate(() => (isWrite ? this.#write(frame, sink) : this.#read(frame, sink)))
  }

  fail(
    frame: Buffer,
    sink: ReplySink,
    code: VarveError['code'],
    outcome: 'failed' | 'unknown' = 'failed',
  ): void {
    const isWrite = frame[1] === 1
    sink.send(
      encodeFailed({
        shard: this.ordinal,
        count: frame.readUInt32LE(4),
        epoch: 1,
        firstId: frame.readDoubleLE(16),
        lamport: 1,
        operations: isWrite ? 'writes' : 'reads',
        code,
        outcome,
        retryable: true,
        message: `${this.name} at ${this.address}: ${code}`,
        hint: this.headHint,
      }),
    )
  }

  async scan(request: ScanRequest): Promise<ScanResponse> {
    const inRange = [...this.data.keys]
      .map(([key, held]) => ({ key: Buffer.from(key, 'latin1'), held }))
      .filter(({ key }) => Buffer.compare(key, request.start) >= 0)
      .filter(({ key }) => request.end.length === 0 || Buffer.compare(key, request.end) < 0)
      .sort((a, b) => (request.reverse ? -1 : 1) * Buffer.compare(a.key, b.key))
    const items = inRange.slice(0, request.limit || 1_000).map(({ key, held }) => ({
      key,
      value: request.keysOnly ? Buffer.alloc(0) : held.value,
      position: {
        shard: this.name,
        epoch: 1,
        index: held.index,
        stamp: { lamport: held.index, wallMs: 1 },
        committed: true,
      },
    }))
    return {
      items,
      more: items.length < inRange.length,
      appliedIndex: this.data.lastIndex,
      node: this.address,
      cuts: [],
    }
  }

  async *watch(request: WatchRequest, signal: AbortSignal): AsyncIterable<WatchResponse> {
    for (let index = Math.max(1, request.fromIndex); ; index += 1) {
      if (index > this.data.lastIndex) await new Promise(resolve => setTimeout(resolve, 2))
      if (signal.aborted) return
      if (index > this.data.lastIndex) index -= 1
      else yield { entries: [], throughIndex: index, epoch: 1, snapshotIndex: 0 }
    }
  }

  async *readLog(): AsyncIterable<{ entries: []; recordBytes: number }> {
    for (let at = 1; at <= this.data.lastIndex; at += 1) yield { entries: [], recordBytes: at }
  }

  async *readRecords(): AsyncIterable<never> {}

  async *readBase(): AsyncIterable<never> {}

  async *readOrphans(): AsyncIterable<{ entries: [] }> {}

  async resubmit(): Promise<never> {
    throw new Error('this shard has no log')
  }

  async digest() {
    const { lastIndex, keys } = this.data
    const state = Buffer.alloc(32, lastIndex)
    const size = keys.size
    return {
      shard: this.name,
      node: this.address,
      commitIndex: lastIndex,
      lastIndex,
      state,
      keys: size,
      liveKeys: size,
      epoch: 1,
    }
  }

  status(): ReplicaStatus {
    const { lastIndex } = this.data
    const none = ReplicaStatus.decode(new Uint8Array())
    return { ...none, ordinal: this.ordinal, shard: this.name, epoch: 1, lastIndex }
  }

  #write(frame: Buffer, sink: ReplySink): void {
    const reader = this.#writes
    reader.reset(frame)
    const results = new WriteResultsWriter()
    results.begin(this.ordinal, 1)
    const ops: { id: number; op: number; flags: number; key: string; value: Buffer; ifIndex: number }[] = []
    for (let id = reader.firstId; reader.next(); id += 1) {
      const { operation, flags, keyStart, keyLength, valueStart, valueLength, ifIndex } = reader
      const key = frame.toString('latin1', keyStart, keyStart + keyLength)
      ops.push({
        id,
        op: operation,
        flags,
        key,
        value: frame.subarray(valueStart, valueStart + valueLength),
        ifIndex,
      })
    }
    const holds = ops.every(({ flags, key, ifIndex }) => {
      const held = this.data.keys.get(key)
      if ((flags & WriteFlag.IF_ABSENT) !== 0) return held === undefined
      return (flags & WriteFlag.IF_INDEX) === 0 || (held?.index ?? 0) === ifIndex
    })
    this.data.actors.push(sink.actor)
    for (const { id, op, flags, key, value } of ops) {
      const request = `${sink.clientId.toString('hex')}/${id}`
      const decided = this.data.requests.get(request) ?? this.#decide(request, holds, op, key, value)
      const { index, applied, previous } = decided
      const wanted = (flags & WriteFlag.RETURN_PREVIOUS) !== 0
      results.add(
        id,
        index,
        index,
        1,
        1,
        previous?.index ?? 0,
        (applied ? WriteResultFlag.APPLIED : 0) |
          WriteResultFlag.COMMITTED |
          (previous ? WriteResultFlag.PREVIOUS_FOUND : 0) |
          (wanted ? WriteResultFlag.PREVIOUS_REQUESTED : 0),
        previous?.value ?? Buffer.alloc(0),
        0,
        wanted ? (previous?.value.length ?? 0) : 0,
      )
    }
    sink.send(results.finish(this.data.lastIndex))
  }

  #decide(request: string, applied: boolean, op: number, key: string, value: Buffer): Decided {
    const index = ++this.data.lastIndex
    const decided = { index, applied, previous: this.data.keys.get(key) }
    this.data.requests.set(request, decided)
    if (applied && op === OperationMessage.SET) this.data.keys.set(key, { value: Buffer.from(value), index })
    if (applied && op === OperationMessage.DELETE) this.data.keys.delete(key)
    return decided
  }

  #read(frame: Buffer, sink: ReplySink): void {
    const reader = this.#reads
    reader.reset(frame)
    const results = new ReadResultsWriter()
    results.begin(this.ordinal, 1, reader.firstId, this.data.lastIndex, reader.consistency === 1)
    while (reader.next()) {
      const held = this.data.keys.get(
        frame.toString('latin1', reader.keyStart, reader.keyStart + reader.keyLength),
      )
      const { index, value } = held ?? { index: 0, value: Buffer.alloc(0) }
      const flags = held ? ReadResultFlag.FOUND | ReadResultFlag.COMMITTED : 0
      results.add(index, index, 1, held ? 1 : 0, flags, value, 0, value.length)
    }
    sink.send(results.finish(this.data.lastIndex))
  }
}
