/** The client of a Varve cluster: what applications call. */

import type { ShardMap } from '../generated/varve/v1/cluster.js'
import type { ScanItem, Consistency as WireConsistency } from '../generated/varve/v1/kv.js'
import { Operation } from '../log/entry.js'
import { nullLogger } from '../log/logger.js'
import { type BatchResult, Calls, checkActor } from './calls.js'
import { Channels, checkAddress } from './channels.js'
import { ClientCore } from './core.js'
import { type Encoded, type Encoding, type EncodingName, encodingOf } from './encoding.js'
import { VarveError } from './errors.js'
import {
  type BatchOperation,
  type BatchOptions,
  type ConnectOptions,
  checkTimeout,
  type ReadOptions,
  type ScanOptions,
  type WatchOptions,
  type WriteOptions,
} from './options.js'
import type { ReadOp } from './read-group.js'
import { endOfPrefix, scanShards } from './scan.js'
import { ReadResultFlag } from './session-frame.js'
import type { ResponseFrameReader } from './session-frame-reader.js'
import type { Token } from './token.js'
import { Watch } from './watch.js'
import type { WriteResult } from './write-op.js'

const DEFAULT_TIMEOUT_MS = 10_000
const DEFAULT_IN_FLIGHT_MAX = 65_536
const DEFAULT_IN_FLIGHT_BYTES_MAX = 64 * 1_048_576
const NO_BYTES = Buffer.alloc(0)

/** What a replica holds under a key, and where that stands in the log. */
export interface ReadResult<V = unknown> {
  readonly found: boolean
  readonly value: V | undefined
  readonly shard: string
  /** Position of the key's newest entry (of the delete, where it was deleted); index 0 if it was never written. */
  readonly epoch: number
  readonly index: number
  readonly lamport: number
  readonly wallMs: number
  /** False where that entry may still be undone (weak and session reads only). */
  readonly committed: boolean
  /** How far the replica that answered has applied its log. */
  readonly appliedIndex: number
  /** Which replica answered. */
  readonly node: string
}

/** One key of a scan. */
export interface ScanEntry<K = unknown, V = unknown> {
  readonly key: K
  /** Undefined with `keysOnly`. */
  readonly value: V | undefined
  readonly shard: string
  readonly epoch: number
  readonly index: number
  readonly lamport: number
  readonly wallMs: number
  readonly committed: boolean
}

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
  readonly #parts: ClientParts
  readonly #decodeValue: ReadOp['decode']
  readonly #decodeEntry: ReadOp['decode']

  /** @internal */
  constructor(core: ClientCore, calls: Calls, parts: ClientParts) {
    this.#core = core
    this.#calls = calls
    this.#parts = parts
    const { valueEncoding } = parts
    this.#decodeValue = reader => valueIn(reader, valueEncoding)
    this.#decodeEntry = (reader, shard, node) => readResultOf(reader, valueEncoding, shard, node)
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
    return this.#calls.read(key, options, this.#decodeValue) as Promise<V | undefined>
  }

  /** The value with its position, found or not. */
  getEntry(key: K, options?: ReadOptions): Promise<ReadResult<V>> {
    return this.#calls.read(key, options, this.#decodeEntry) as Promise<ReadResult<V>>
  }

  /**
   * Keys and values in the byte order of the keys, across all shards. Read page by page as it is consumed: what is
   * written meanwhile may or may not be seen. `timeoutMs` is for each page.
   */
  async *scan(options: ScanOptions<K> = {}): AsyncGenerator<ScanEntry<K, V>, void, void> {
    this.#checkOpen()
    checkTimeout(options.timeoutMs)
    const { limit = Infinity, reverse = false, keysOnly = false, signal } = options
    if (!(limit >= 0))
      throw new VarveError('INVALID_ARGUMENT', `limit is ${limit}, expected a number from 0 up`)
    const range = this.#range(options)
    // Frames and messages number the three alike.
    const consistency = this.#calls.readConsistency(options.consistency) as number as WireConsistency
    const timeoutMs = options.timeoutMs ?? this.#parts.timeoutMs
    const scan = { ...range, limit, reverse, keysOnly, consistency, timeoutMs, signal }
    for await (const item of scanShards(this.#core, scan)) yield this.#scanEntry(item, keysOnly)
  }

  /** Changes as they are committed, from now or from a position on. Begins at once; ends only by its caller. */
  watch(options: WatchOptions<K> = {}): Watch<K, V> {
    this.#checkOpen()
    checkTimeout(options.timeoutMs)
    const { from, tentative = false, timeoutMs = Infinity, signal } = options
    const prefix = this.#bytes(options.prefix, 'the prefix')
    const { keyEncoding, valueEncoding } = this.#parts
    return new Watch<K, V>(
      this.#core,
      { prefix, from, tentative, timeoutMs, signal },
      keyEncoding,
      valueEncoding,
    )
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

  #checkOpen(): void {
    if (this.#core.closed) throw new VarveError('CLOSED', 'the client is closed')
  }

  #bytes(given: K | undefined, what: string): Buffer {
    if (given === undefined) return NO_BYTES
    return Buffer.from(this.#parts.keyEncoding.encode(given, what) as string)
  }

  #range(options: ScanOptions<K>): { start: Buffer; end: Buffer } {
    const { prefix, start, end } = options
    if (prefix === undefined)
      return { start: this.#bytes(start, 'the start'), end: this.#bytes(end, 'the end') }
    if (start !== undefined || end !== undefined) {
      throw new VarveError('INVALID_ARGUMENT', 'a scan was given a prefix and a range, expected one of them')
    }
    const first = this.#bytes(prefix, 'the prefix')
    return { start: first, end: endOfPrefix(first) }
  }

  #scanEntry(item: ScanItem, keysOnly: boolean): ScanEntry<K, V> {
    const { keyEncoding, valueEncoding } = this.#parts
    const { shard = '', epoch = 0, index = 0, committed = false, stamp } = item.position ?? {}
    return {
      key: keyEncoding.decode(item.key, 0, item.key.length) as K,
      value: keysOnly ? undefined : (valueEncoding.decode(item.value, 0, item.value.length) as V),
      shard,
      epoch,
      index,
      lamport: stamp?.lamport ?? 0,
      wallMs: stamp?.wallMs ?? 0,
      committed,
    }
  }
}

function valueIn(reader: ResponseFrameReader, encoding: Encoding): unknown {
  if ((reader.flags & ReadResultFlag.FOUND) === 0) return undefined
  return encoding.decode(reader.frame, reader.valueStart, reader.valueStart + reader.valueLength)
}

function readResultOf(
  reader: ResponseFrameReader,
  encoding: Encoding,
  shard: string,
  node: string,
): ReadResult {
  const { epoch, index, lamport, wallMs, flags, appliedIndex } = reader
  return {
    found: (flags & ReadResultFlag.FOUND) !== 0,
    value: valueIn(reader, encoding),
    shard,
    epoch,
    index,
    lamport,
    wallMs,
    committed: (flags & ReadResultFlag.COMMITTED) !== 0,
    appliedIndex,
    node,
  }
}
