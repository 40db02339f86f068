/** The client of a Varve cluster: what applications call. */

import type { ShardMap } from '../generated/varve/v1/cluster.js'
import type { Consistency as WireConsistency } from '../generated/varve/v1/kv.js'
import { Operation } from '../log/entry.js'
import { nullLogger } from '../log/logger.js'
import { type BatchResult, Calls, checkActor } from './calls.js'
import { Channels, checkAddress } from './channels.js'
import { ClientCore } from './core.js'
import { type Encoded, type Encoding, type EncodingName, encodingOf } from './encoding.js'
import { VarveError } from './errors.js'
import { keyBytes, rawRange } from './key-range.js'
import type { At, ResolvedMoment } from './moment.js'
import {
  type BatchOperation,
  type BatchOptions,
  type CallOptions,
  type ConnectOptions,
  checkTimeout,
  type ReadOptions,
  type ScanOptions,
  type WatchOptions,
  type WriteOptions,
} from './options.js'
import type { PastEntry } from './past-entry.js'
import type { Difference, DiffMoments, DiffOptions } from './past-reads.js'
import { type BlameOptions, blameOf, diffOf, type HistoryOptions, historyOf } from './past-reads.js'
import type { History, PastStream } from './past-stream.js'
import type { ReadOp } from './read-group.js'
import { type ReadResult, readResultIn, type ScanEntry, scanEntryOf, valueIn } from './read-result.js'
import { type RestoreOptions, type RestorePlan, type RestoreResult, restore, restorePlan } from './restore.js'
import { scanShards } from './scan.js'
import {
  addTag,
  getRetention,
  listTags,
  type RetentionRule,
  removeTag,
  setRetention,
  type Tag,
} from './tag-calls.js'
import { type ResolveOptions, TimeCalls } from './time-calls.js'
import type { Token } from './token.js'
import { Watch } from './watch.js'
import { watchBegin } from './watch-begin.js'
import type { WriteResult } from './write-op.js'

export type { ReadResult, ScanEntry } from './read-result.js'

const DEFAULT_TIMEOUT_MS = 10_000
const DEFAULT_IN_FLIGHT_MAX = 65_536
const DEFAULT_IN_FLIGHT_BYTES_MAX = 64 * 1_048_576

/**
 * Connects to a cluster through any of its processes and resolves once one has given the shard map. Rejects with
 * `VarveError`: UNAVAILABLE where none answers, INVALID_ARGUMENT for an address that is not host:port.
 */
export async function connect<K extends EncodingName = 'utf8', V extends EncodingName = 'utf8'>(
  endpoints: string | readonly string[],
  options: ConnectOptions<K, V> = {},
): Promise<VarveClient<Encoded<K>, Encoded<V>>> {
  const addresses =
    typeof endpoints === 'string' ? endpoints.split(',').map(part => part.trim()) : [...endpoints]
  if (addresses.length === 0)
    throw new VarveError('INVALID_ARGUMENT', 'no endpoint was given, expected host:port')
  for (const address of addresses) checkAddress(address, 'an endpoint')
  checkTimeout(options.timeoutMs)
  checkTimeout(options.connectTimeoutMs)
  checkActor(options.actor ?? '')
  const keyEncoding = encodingOf(options.keyEncoding ?? 'utf8', 'keyEncoding')
  const valueEncoding = encodingOf(options.valueEncoding ?? 'utf8', 'valueEncoding')
  const timeoutMs = options.timeoutMs ?? DEFAULT_TIMEOUT_MS
  const core = new ClientCore({
    channels: new Channels(),
    endpoints: addresses,
    logger: options.logger ?? nullLogger,
    actor: options.actor ?? '',
    valueEncoding,
    inFlightMax: options.inFlightMax ?? DEFAULT_IN_FLIGHT_MAX,
    inFlightBytesMax: options.inFlightBytesMax ?? DEFAULT_IN_FLIGHT_BYTES_MAX,
  })
  try {
    const calls = new Calls(core, keyEncoding, valueEncoding, { consistency: options.consistency, timeoutMs })
    calls.readConsistency(undefined)
    const { connectTimeoutMs, signal } = options
    await core.map.start(connectTimeoutMs ?? timeoutMs, connectTimeoutMs !== undefined, signal)
    if (options.token !== undefined) core.tokens.observe(options.token, core.shardNames)
    return new VarveClient(core, calls, { keyEncoding, valueEncoding, timeoutMs })
  } catch (error) {
    core.close(new VarveError('CLOSED', 'connecting failed'))
    throw error
  }
}

interface ClientParts {
  readonly keyEncoding: Encoding
  readonly valueEncoding: Encoding
  readonly timeoutMs: number
}

/**
 * One application's way into a cluster; make it with {@link connect}. Safe for any number of calls at once: those of
 * one turn of the event loop travel together. All calls reject with `VarveError`.
 */
export class VarveClient<K = string, V = string> {
  readonly #core: ClientCore
  readonly #calls: Calls
  readonly #time: TimeCalls
  readonly #parts: ClientParts
  readonly #decodeValue: ReadOp['decode']
  readonly #decodeEntry: ReadOp['decode']

  /** @internal */
  constructor(core: ClientCore, calls: Calls, parts: ClientParts) {
    this.#core = core
    this.#calls = calls
    this.#parts = parts
    this.#time = new TimeCalls(core, parts)
    const { valueEncoding } = parts
    this.#decodeValue = reader => valueIn(reader, valueEncoding)
    this.#decodeEntry = (reader, shard, node) => readResultIn(reader, valueEncoding, shard, node)
  }

  /** Writes a value. With a condition that does not hold it resolves with `applied` false. */
  set(key: K, value: V, options?: WriteOptions): Promise<WriteResult<V>> {
    return this.#calls.write(Operation.SET, key, value, options) as Promise<WriteResult<V>>
  }

  /** Removes a key; a key that is not there is removed too (an entry is written either way). */
  delete(key: K, options?: WriteOptions): Promise<WriteResult<V>> {
    return this.#calls.write(Operation.DELETE, key, undefined, options) as Promise<WriteResult<V>>
  }

  /** Writes that are done together or not at all. All keys must fall into one shard: INVALID_ARGUMENT otherwise. */
  batch(operations: readonly BatchOperation<K, V>[], options?: BatchOptions): Promise<BatchResult<V>> {
    return this.#calls.batch(operations, options) as Promise<BatchResult<V>>
  }

  /** The value; undefined where there is none. */
  get(key: K, options?: ReadOptions): Promise<V | undefined> {
    if (options?.at !== undefined) return this.#getAt(key, options.at, options).then(({ value }) => value)
    return this.#calls.read(key, options, this.#decodeValue) as Promise<V | undefined>
  }

  /** The value with its position, found or not. */
  getEntry(key: K, options?: ReadOptions): Promise<ReadResult<V>> {
    if (options?.at !== undefined) return this.#getAt(key, options.at, options)
    return this.#calls.read(key, options, this.#decodeEntry) as Promise<ReadResult<V>>
  }

  /**
   * Keys and values in the byte order of the keys, across all shards. Read page by page as it is consumed: without a
   * moment, what is written meanwhile may or may not be seen. `timeoutMs` is for each page.
   */
  async *scan(options: ScanOptions<K> = {}): AsyncGenerator<ScanEntry<K, V>, void, void> {
    const bounds = this.#time.bounds(options)
    const { limit = Infinity, reverse = false, keysOnly = false } = options
    if (!(limit >= 0))
      throw new VarveError('INVALID_ARGUMENT', `limit is ${limit}, expected a number from 0 up`)
    const range = rawRange(options, this.#parts.keyEncoding)
    // Frames and messages number the three alike.
    const consistency = this.#calls.readConsistency(options.consistency) as number as WireConsistency
    const asked = options.at === undefined ? undefined : this.#time.asked(options.at)
    const at = asked === undefined ? undefined : await this.#time.resolve(asked, bounds)
    const scan = { ...range, ...bounds, limit, reverse, keysOnly, consistency, at }
    for await (const item of scanShards(this.#core, scan)) yield scanEntryOf(item, this.#parts, keysOnly)
  }

  /** Changes as they are committed, from now or from a position on. Begins at once; ends only by its caller. */
  watch(options: WatchOptions<K> = {}): Watch<K, V> {
    const { from, tentative = false, snapshot = false, signal } = options
    const bounds = this.#time.bounds({ timeoutMs: options.timeoutMs ?? Infinity, signal })
    const prefix = keyBytes(options.prefix, this.#parts.keyEncoding, 'the prefix')
    const begin = watchBegin(this.#time, from, snapshot, bounds)
    return new Watch<K, V>(this.#core, { ...bounds, prefix, begin, tentative, snapshot }, this.#parts)
  }

  /** What a moment comes to in each shard: closed there, so that the answer is the same forever. */
  async resolve(at?: At, options: ResolveOptions = {}): Promise<ResolvedMoment> {
    return this.#time.resolve(this.#time.asked(at), this.#time.bounds(options), options.shards)
  }

  /** The entries of a key, newest first. `timeoutMs` is for each wait. */
  history(key: K, options: HistoryOptions = {}): History<PastEntry<K, V>> {
    return historyOf(this.#time, key, options)
  }

  /** The keys that held something else at two moments, in byte order. `timeoutMs` is for each wait. */
  diff(options: DiffOptions<K>): PastStream<Difference<K, V>, DiffMoments> {
    return diffOf(this.#time, options)
  }

  /** The entry that each key had its value from, in the byte order of the keys. `timeoutMs` is for each wait. */
  blame(options: BlameOptions<K> = {}): PastStream<PastEntry<K, V>> {
    return blameOf(this.#time, options)
  }

  /**
   * Names a moment (default: now), in the logs of all shards: retention keeps it. The same again changes nothing;
   * FAILED_PRECONDITION where the name is taken by another moment.
   */
  async tag(name: string, at?: At, options: CallOptions = {}): Promise<Tag> {
    return addTag(this.#time, name, this.#time.asked(at), this.#time.bounds(options))
  }

  /** Takes a name away. Resolves with whether it was there. */
  async untag(name: string, options: CallOptions = {}): Promise<boolean> {
    return removeTag(this.#time, name, this.#time.bounds(options))
  }

  /** The moments that have names, by name. */
  async tags(options: CallOptions = {}): Promise<Tag[]> {
    return listTags(this.#time, this.#time.bounds(options))
  }

  /** How long the past is kept; without rules forever. */
  async retention(options: CallOptions = {}): Promise<RetentionRule[]> {
    return getRetention(this.#time, this.#time.bounds(options))
  }

  /** Replaces all rules of retention. Resolves with those that are in force. */
  async setRetention(rules: readonly RetentionRule[], options: CallOptions = {}): Promise<RetentionRule[]> {
    return setRetention(this.#time, rules, this.#time.bounds(options))
  }

  /** What `restore` would write, in the byte order of the keys. */
  restorePlan(options: RestoreOptions<K, V>): RestorePlan<K, V> {
    return restorePlan(this.#time, options)
  }

  /**
   * Gives a key, or all with a prefix, what they held at a moment, by ordinary writes; no write that came after the plan
   * was made is overwritten.
   */
  async restore(options: RestoreOptions<K, V>): Promise<RestoreResult> {
    return restore(this.#time, this.#calls, options)
  }

  /** How far this client has read and written: plain data, for another client's session reads or to watch from. */
  token(): Token {
    return this.#core.tokens.snapshot(this.#core.shardNames)
  }

  /** Takes in another client's token: this client's session reads will not be older than that. */
  observe(token: Token): void {
    this.#core.tokens.observe(token, this.#core.shardNames)
  }

  /** The newest shard map that this client knows. */
  shardMap(): ShardMap {
    return structuredClone(this.#core.map.current!)
  }

  /** Ends everything: calls in flight reject with CLOSED, writes that were sent with the outcome unknown. Idempotent. */
  async close(): Promise<void> {
    this.#core.close(new VarveError('CLOSED', 'the client was closed while the call was in flight'))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  async #getAt(key: K, at: At, options: ReadOptions): Promise<ReadResult<V>> {
    const asked = this.#time.asked(at)
    return this.#time.get(key, asked, this.#time.bounds(options), options.replica) as Promise<ReadResult<V>>
  }
}
