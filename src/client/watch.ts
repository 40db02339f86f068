/** A watch over all shards: what each of them delivers, in its shard's order, as it comes. */
import { type Entry, Operation } from '../generated/varve/v1/entry.js'
import { isSystemKey, isSystemPrefix } from '../log/system-key.js'
import type { ClientCore } from './core.js'
import type { VarveError } from './errors.js'
import type { LogPlace } from './log-place.js'
import type { EntryEncodings } from './past-entry.js'
import type { CallBounds } from './shard-call.js'
import { ShardWatch } from './shard-watch.js'
import { cancelled } from './unary.js'
import type { FirstIndexes, WatchBegin } from './watch-begin.js'

const QUEUE_LENGTH_PAUSE = 4_096
const QUEUE_LENGTH_RESUME = 1_024

/** One change of one key. */
export interface WatchEvent<K = unknown, V = unknown> extends LogPlace {
  readonly type: 'set' | 'delete'
  readonly key: K
  /** Undefined for a delete. */
  readonly value: V | undefined
  /** Index of the key's entry before this one; 0 if there is none. */
  readonly previous: number
  readonly actor: string
  /** True where the shard's next event belongs to the same atomic batch. */
  readonly batchContinues: boolean
  /** True for what a key held at the horizon, where older entries were dropped and a snapshot was asked for. */
  readonly snapshot: boolean
  /**
   * Index at which the snapshot was taken: another one begins another snapshot of the shard. Keys that a snapshot does not
   * name held nothing. 0 for changes.
   */
  readonly snapshotIndex: number
}

/** A watch in bytes. */
export interface RawWatch extends CallBounds {
  readonly prefix: Buffer
  readonly begin: WatchBegin
  readonly tentative: boolean
  readonly snapshot: boolean
}

/** An entry on its way to the consumer. */
interface WatchItem {
  readonly shard: number
  readonly entry: Entry
  readonly snapshotIndex: number
}

/**
 * An endless async iterable of changes; it begins when it is made. In order within a shard, not between shards. A
 * consumer that is slow slows the nodes' streams down; nothing is dropped. `return()` (a `break` in `for await`), the
 * signal or the client's `close` ends it.
 */
export class Watch<K = unknown, V = unknown> implements AsyncIterableIterator<WatchEvent<K, V>> {
  /** Resolves once every shard has said where it begins: later changes will be delivered. Rejects if the watch fails. */
  readonly ready: Promise<void>
  readonly #core: ClientCore
  readonly #raw: RawWatch
  readonly #encodings: EntryEncodings
  readonly #ending = new AbortController()
  readonly #unlisten: () => void
  readonly #begun: () => void
  readonly #fail: (error: VarveError) => void
  #shards: ShardWatch[] = []
  #queue: WatchItem[] = []
  #first = 0
  #paused = false
  #error: VarveError | undefined
  #done = false
  #wake: (() => void) | undefined

  constructor(core: ClientCore, raw: RawWatch, encodings: EntryEncodings) {
    this.#core = core
    this.#raw = raw
    this.#encodings = encodings
    let begun: () => void = () => {}
    let fail: (error: VarveError) => void = () => {}
    this.ready = new Promise((resolve, reject) => {
      begun = resolve
      fail = reject
    })
    this.ready.catch(() => {})
    this.#begun = begun
    this.#fail = error => {
      fail(error)
      this.#end(error)
    }
    const { begin, signal } = raw
    const onAbort = () => this.#fail(cancelled())
    signal?.addEventListener('abort', onAbort, { once: true })
    const unregister = core.onClose(error => this.#fail(error))
    this.#unlisten = () => {
      signal?.removeEventListener('abort', onAbort)
      unregister()
    }
    if (signal?.aborted) onAbort()
    else if (typeof begin !== 'function') this.#open(begin)
    else begin(this.#ending.signal).then(indexes => this.#open(indexes), this.#fail)
  }

  [Symbol.asyncIterator](): this {
    return this
  }

  /** The next change. What came in before the watch ended is still delivered, unless it failed. */
  async next(): Promise<IteratorResult<WatchEvent<K, V>, undefined>> {
    for (;;) {
      const error = this.#error
      if (error !== undefined) {
        this.#error = undefined
        this.#done = true
        throw error
      }
      if (this.#done) return { done: true, value: undefined }
      const item = this.#shift()
      if (item !== undefined) {
        const event = this.#tryEvent(item)
        if (event !== undefined) return { done: false, value: event }
        continue
      }
      await new Promise<void>(resolve => {
        this.#wake = resolve
      })
    }
  }

  async return(): Promise<IteratorResult<WatchEvent<K, V>, undefined>> {
    this.#done = true
    this.#end(undefined)
    return { done: true, value: undefined }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.return()
  }

  #open(indexes: FirstIndexes): void {
    if (this.#ending.signal.aborted) return
    const { prefix, tentative, snapshot, timeoutMs } = this.#raw
    let left = this.#core.routes.length
    this.#shards = this.#core.routes.map(route => {
      const request = { fromIndex: indexes[route.name] ?? 0, prefix, tentative, snapshot, timeoutMs }
      return new ShardWatch(this.#core, route, request, {
        started: () => {
          if (--left === 0) this.#begun()
        },
        entries: (entries, snapshotIndex) => this.#take(route.ordinal, entries, snapshotIndex),
        failed: error => this.#fail(error),
      })
    })
    for (const shard of this.#shards) shard.open()
  }

  #take(shard: number, entries: readonly Entry[], snapshotIndex: number): void {
    const all = isSystemPrefix(this.#raw.prefix)
    for (const entry of entries)
      if (all || !isSystemKey(entry.key)) this.#queue.push({ shard, entry, snapshotIndex })
    if (!this.#paused && this.#queue.length - this.#first >= QUEUE_LENGTH_PAUSE) {
      this.#paused = true
      for (const one of this.#shards) one.pause()
    }
    this.#wake?.()
  }

  #shift(): WatchItem | undefined {
    const item = this.#queue[this.#first]
    if (item === undefined) return undefined
    if (++this.#first === this.#queue.length || this.#first >= QUEUE_LENGTH_PAUSE) {
      this.#queue = this.#queue.slice(this.#first)
      this.#first = 0
    }
    if (this.#paused && this.#queue.length - this.#first <= QUEUE_LENGTH_RESUME) {
      this.#paused = false
      for (const one of this.#shards) one.resume()
    }
    return item
  }

  /** What cannot be decoded ends the watch: going on would leave it out. */
  #tryEvent(item: WatchItem): WatchEvent<K, V> | undefined {
    try {
      return this.#event(item)
    } catch (error) {
      this.#done = true
      this.#end(undefined)
      throw error
    }
  }

  #event({ shard: ordinal, entry, snapshotIndex }: WatchItem): WatchEvent<K, V> | undefined {
    const isSet = entry.operation === Operation.SET
    if (!isSet && entry.operation !== Operation.DELETE) return undefined
    const { key, value, previous, actor, batchContinues, position } = entry
    const { epoch = 0, index = 0, committed = false, stamp } = position ?? {}
    const { lamport = 0, wallMs = 0 } = stamp ?? {}
    const { keyEncoding, valueEncoding } = this.#encodings
    this.#core.tokens.advance(ordinal, epoch, index)
    this.#core.tokens.observeStamp(lamport, wallMs)
    return {
      type: isSet ? 'set' : 'delete',
      key: keyEncoding.decode(key, 0, key.length) as K,
      value: isSet ? (valueEncoding.decode(value, 0, value.length) as V) : undefined,
      shard: this.#core.shardNames[ordinal]!,
      epoch,
      index,
      lamport,
      wallMs,
      committed,
      previous,
      actor,
      batchContinues,
      snapshot: snapshotIndex > 0,
      snapshotIndex,
    }
  }

  #end(error: VarveError | undefined): void {
    if (error !== undefined && !this.#done) this.#error ??= error
    this.#ending.abort()
    this.#unlisten()
    for (const shard of this.#shards) shard.close()
    this.#queue = []
    this.#first = 0
    this.#wake?.()
  }
}
