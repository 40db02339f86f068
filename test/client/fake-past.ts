/**
 * The past of a fake cluster, in plain loops over its entries. Lamport times are 100 + index in every shard. Streams can be
 * cut after so many parts.
 */
import type { ServerUnaryCall, ServerWritableStream, sendUnaryData } from '@grpc/grpc-js'
import { VarveError } from '../../src/client/errors.js'
import { toServiceError } from '../../src/client/grpc-errors.js'
import { Operation } from '../../src/generated/varve/v1/entry.js'
import type { GetRequest, GetResponse, WatchRequest, WatchResponse } from '../../src/generated/varve/v1/kv.js'
import type {
  BlameRequest,
  BlameResponse,
  Cut,
  DiffRequest,
  DiffResponse,
  HistoryRequest,
  HistoryResponse,
  Moment,
  ResolveRequest,
  ResolveResponse,
} from '../../src/generated/varve/v1/time_travel.js'
import { cut, type FakeEntry, type FakeShard, positionOf, wireEntry } from './fake-cluster.js'

/** Items in one part of a stream. */
const PART_ITEMS = 3

export class FakePast {
  readonly #shards: readonly FakeShard[]
  /** Streams break after so many parts. */
  partsMax = Infinity
  /** All calls are refused with this. */
  error: VarveError | undefined
  calls = 0
  /** Answers reads without saying what the moment was, as a node does that does not know of moments. */
  isOld = false

  constructor(shards: readonly FakeShard[]) {
    this.#shards = shards
  }

  get handlers() {
    return {
      resolve: (
        call: ServerUnaryCall<ResolveRequest, ResolveResponse>,
        done: sendUnaryData<ResolveResponse>,
      ) => this.#answer(done, () => this.#resolve(call.request)),
      history: (stream: ServerWritableStream<HistoryRequest, HistoryResponse>) => this.#history(stream),
      diff: (stream: ServerWritableStream<DiffRequest, DiffResponse>) => this.#diff(stream),
      blame: (stream: ServerWritableStream<BlameRequest, BlameResponse>) => this.#blame(stream),
      addTag: refuse,
      removeTag: refuse,
      listTags: refuse,
      getRetention: refuse,
      setRetention: refuse,
    }
  }

  readonly get = (call: ServerUnaryCall<GetRequest, GetResponse>, done: sendUnaryData<GetResponse>): void => {
    this.#answer(done, () => {
      const { key, at } = call.request
      const shard = this.#shards[0]!
      const index = this.#indexAt(shard, at)
      const entry = newestAt(shard, key.toString('latin1'), index)
      const found = entry?.operation === Operation.SET
      return {
        found,
        value: found ? entry!.value : Buffer.alloc(0),
        position: positionOf(shard, entry?.index ?? 0),
        appliedIndex: shard.entries.length,
        node: 'fake',
        cut: this.isOld ? undefined : cutAt(shard, index),
      }
    })
  }

  /** Writes what the keys hold at the horizon; returns where to go on, or 0 when the stream was ended. */
  writeSnapshot(stream: ServerWritableStream<WatchRequest, WatchResponse>, shard: FakeShard): number {
    const { horizon, epoch } = shard
    if (!stream.request.snapshot) {
      fail(stream, new VarveError('OUT_OF_RETENTION', `history of ${shard.name} was dropped`))
      return 0
    }
    const held = liveAt(shard, horizon).map(entry => wireEntry(shard, entry))
    const parts = inParts(held).slice(0, this.partsMax)
    for (const entries of parts) stream.write({ entries, throughIndex: 0, epoch, snapshotIndex: horizon })
    if (parts.length === this.partsMax) {
      setImmediate(() => cut(stream))
      return 0
    }
    stream.write({ entries: [], throughIndex: horizon, epoch, snapshotIndex: horizon })
    return horizon + 1
  }

  #resolve({ moment, shards }: ResolveRequest): ResolveResponse {
    const wanted = this.#shards.filter(({ name }) => shards.length === 0 || shards.includes(name))
    const newest = Math.max(...this.#shards.map(({ entries }) => 100 + entries.length))
    const asked = moment?.moment
    const lamport =
      asked?.$case === 'lamport' ? asked.value : asked?.$case === 'index' ? 100 + asked.value.index : newest
    const cuts = wanted.map(shard => cutAt(shard, this.#indexAt(shard, ofLamport(lamport))))
    return { moment: ofLamport(lamport), cuts }
  }

  #indexAt(shard: FakeShard, at: Moment | undefined): number {
    const asked = at?.moment
    const index =
      asked?.$case === 'lamport'
        ? asked.value - 100
        : asked?.$case === 'index'
          ? asked.value.index
          : shard.entries.length
    if (index < shard.horizon)
      throw new VarveError('OUT_OF_RETENTION', `history of ${shard.name} before ${shard.horizon} was dropped`)
    return Math.max(0, Math.min(index, shard.entries.length))
  }

  #history(stream: ServerWritableStream<HistoryRequest, HistoryResponse>): void {
    const { shard: name, key, toIndex, limit } = stream.request
    const shard = this.#shards.find(one => one.name === name)!
    const to = toIndex === 0 ? shard.entries.length : toIndex
    const all = shard.entries.slice(0, to).filter(entry => entry.key === key.toString('latin1'))
    const entries = all.filter(({ index }) => index > shard.horizon).reverse()
    const wanted = entries.slice(0, limit === 0 ? Infinity : limit)
    if (to < shard.horizon) return fail(stream, new VarveError('OUT_OF_RETENTION', 'dropped'))
    const parts = inParts(wanted.map(entry => wireEntry(shard, entry)))
    const horizonIndex = entries.length < all.length && wanted.length === entries.length ? shard.horizon : 0
    this.#stream(stream, [
      ...parts.map(part => ({ entries: part, horizonIndex: 0 })),
      { entries: [], horizonIndex },
    ])
  }

  #diff(stream: ServerWritableStream<DiffRequest, DiffResponse>): void {
    const { shard: name, fromIndex, toIndex, start } = stream.request
    const shard = this.#shards.find(one => one.name === name)!
    const keys = [...shard.keys.keys()].sort().filter(key => Buffer.compare(Buffer.from(key), start) >= 0)
    const differences = keys.flatMap(key => {
      const before = setOf(newestAt(shard, key, fromIndex))
      const after = newestAt(shard, key, toIndex)
      const held = setOf(after)
      if (before === undefined ? held === undefined : held?.value.equals(before.value)) return []
      const message = (entry: FakeEntry | undefined) =>
        entry === undefined ? undefined : wireEntry(shard, entry)
      return [{ key: Buffer.from(key), before: message(before), after: message(after) }]
    })
    this.#stream(
      stream,
      inParts(differences).map(part => ({ differences: part })),
    )
  }

  #blame(stream: ServerWritableStream<BlameRequest, BlameResponse>): void {
    const { shard: name, index, start } = stream.request
    const shard = this.#shards.find(one => one.name === name)!
    const entries = liveAt(shard, index)
      .map(entry => wireEntry(shard, entry))
      .filter(({ key }) => Buffer.compare(key, start) >= 0)
    this.#stream(
      stream,
      inParts(entries).map(part => ({ entries: part })),
    )
  }

  #stream<Response>(stream: ServerWritableStream<unknown, Response>, parts: readonly Response[]): void {
    this.calls++
    stream.on('error', () => {})
    if (this.error !== undefined) return fail(stream, this.error)
    for (const part of parts.slice(0, this.partsMax)) stream.write(part)
    if (parts.length <= this.partsMax) stream.end()
    else setImmediate(() => cut(stream))
  }

  #answer<Response>(done: sendUnaryData<Response>, answer: () => Response): void {
    this.calls++
    try {
      if (this.error !== undefined) throw this.error
      done(null, answer())
    } catch (error) {
      done(toServiceError(error as VarveError))
    }
  }
}

function cutAt(shard: FakeShard, index: number): Cut {
  const { stamp } = positionOf(shard, index)
  const { horizon } = shard
  return {
    shard: shard.name,
    index,
    epoch: shard.epoch,
    stamp,
    horizonIndex: horizon,
    horizonStamp: horizon === 0 ? undefined : positionOf(shard, horizon).stamp,
    horizonWrittenMs: horizon === 0 ? 0 : 5_000,
  }
}

function newestAt(shard: FakeShard, key: string, index: number): FakeEntry | undefined {
  return shard.entries.slice(0, index).findLast(entry => entry.key === key)
}

function liveAt(shard: FakeShard, index: number): FakeEntry[] {
  const newest = [...shard.keys.keys()].sort().map(key => setOf(newestAt(shard, key, index)))
  return newest.filter(entry => entry !== undefined)
}

function setOf(entry: FakeEntry | undefined): FakeEntry | undefined {
  return entry?.operation === Operation.SET ? entry : undefined
}

function ofLamport(lamport: number): Moment {
  return { moment: { $case: 'lamport', value: lamport } }
}

function inParts<T>(items: readonly T[]): T[][] {
  const count = Math.ceil(items.length / PART_ITEMS)
  return Array.from({ length: count }, (_, at) => items.slice(at * PART_ITEMS, (at + 1) * PART_ITEMS))
}

function fail(stream: ServerWritableStream<never, never> | unknown, error: VarveError): void {
  ;(stream as { emit(event: 'error', error: Error): void }).emit('error', toServiceError(error))
}

function refuse(_: unknown, done: sendUnaryData<never>): void {
  done(toServiceError(new VarveError('UNIMPLEMENTED', 'not in the fake')))
}
