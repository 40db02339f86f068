/** A watch over all shards: what each of them delivers, in its shard's order, as it comes. */
import { type Entry, Operation } from '../generated/varve/v1/entry.js'
import type { ClientCore } from './core.js'
import type { Encoding } from './encoding.js'
import { VarveError } from './errors.js'
import { ShardWatch } from './shard-watch.js'
import type { Token } from './token.js'
import { cancelled } from './unary.js'

const QUEUE_LENGTH_PAUSE = 4_096
const QUEUE_LENGTH_RESUME = 1_024

/** One change of one key. */
export interface WatchEvent<K = unknown, V = unknown> {
  readonly type: 'set' | 'delete'
  readonly key: K
  /** Undefined for a delete. */
  readonly value: V | undefined
  readonly shard: string
  readonly epoch: number
  readonly index: number
  readonly lamport: number
  readonly wallMs: number
  /** False only for tentative entries, which may still be undone. */
  readonly committed: boolean
  /** Index of the key's entry before this one; 0 if there is none. */
  readonly previous: number
  readonly actor: string
  /** True where the shard's next event belongs to the same atomic batch. */
  readonly batchContinues: boolean
}

/** A watch in bytes. */
export interface RawWatch {
  readonly prefix: Buffer
  readonly from: Token | Readonly<Record<string, number>> | undefined
  readonly tentative: boolean
  readonly timeoutMs: number
  readonly signal: AbortSignal | undefined
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
  readonly #keyEncoding: Encoding
  readonly #valueEncoding: Encoding
  readonly #shards: ShardWatch[]
  readonly #unlisten: () => void
  #queue: { readonly shard: number; readonly entry: Entry }[] = []
  #first = 0
  #paused = false
  #error: VarveError | undefined
  #done = false
  #wake: (() => void) | undefined
  #fail: (error: VarveError) => void

  constructor(core: ClientCore, raw: RawWatch, keyEncoding: Encoding, valueEncoding: Encoding) {
    this.#core = core
    this.#keyEncoding = keyEncoding
    this.#valueEncoding = valueEncoding
    let left = core.routes.length
    let begin: () => void = () => {}
    let fail: (error: VarveError) => void = () => {}
    this.ready = new Promise((resolve, reject) => {
      begin = resolve
      fail = reject
    })
    this.ready.catch(() => {})
    this.#fail = error => {
      fail(error)
      this.#end(error)
    }
    const { prefix, tentative, timeoutMs, signal } = raw
    this.#shards = core.routes.map(
      route =>
        new ShardWatch(
          core,
          route,
          { fromIndex: firstIndex(raw.from, route.name, core.shardNames), prefix, tentative, timeoutMs },
          {
            started: () => {
              if (--left === 0) begin()
            },
            entries: entries => this.#take(route.ordinal, entries),
            failed: error => this.#fail(error),
          },
        ),
    )
    const onAbort = () => this.#fail(cancelled())
    signal?.addEventListener('abort', onAbort, { once: true })
    const unregister = core.onClose(error => this.#fail(error))
    this.#unlisten = () => {
      signal?.removeEventListener('abort', onAbort)
      unregister()
    }
    if (signal?.aborted) onAbort()
    else for (const shard of this.#shards) shard.open()
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
        const event = this.#tryEvent(item.shard, item.entry)
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

  #take(shard: number, entries: readonly Entry[]): void {
    for (const entry of entries) this.#queue.push({ shard, entry })
    if (!this.#paused && this.#queue.length - this.#first >= QUEUE_LENGTH_PAUSE) {
      this.#paused = true
      for (const one of this.#shards) one.pause()
    }
    this.#wake?.()
  }

  #shift(): { readonly shard: number; readonly entry: Entry } | undefined {
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
  #tryEvent(shard: number, entry: Entry): WatchEvent<K, V> | undefined {
    try {
      return this.#event(shard, entry)
    } catch (error) {
      this.#done = true
      this.#end(undefined)
      throw error
    }
  }

  #event(ordinal: number, entry: Entry): WatchEvent<K, V> | undefined {
    const isSet = entry.operation === Operation.SET
    if (!isSet && entry.operation !== Operation.DELETE) return undefined
    const { key, value, previous, actor, batchContinues, position } = entry
    const { epoch = 0, index = 0, committed = false, stamp } = position ?? {}
    const { lamport = 0, wallMs = 0 } = stamp ?? {}
    this.#core.tokens.advance(ordinal, epoch, index)
    this.#core.tokens.observeStamp(lamport, wallMs)
    return {
      type: isSet ? 'set' : 'delete',
      key: this.#keyEncoding.decode(key, 0, key.length) as K,
      value: isSet ? (this.#valueEncoding.decode(value, 0, value.length) as V) : undefined,
      shard: this.#core.shardNames[ordinal]!,
      epoch,
      index,
      lamport,
      wallMs,
      committed,
      previous,
      actor,
      batchContinues,
    }
  }

  #end(error: VarveError | undefined): void {
    if (error !== undefined && !this.#done) this.#error ??= error
    this.#unlisten()
    for (const shard of this.#shards) shard.close()
    this.#queue = []
    this.#first = 0
    this.#wake?.()
  }
}

function firstIndex(from: RawWatch['from'], shard: string, names: readonly string[]): number {
  if (from === undefined) return 0
  if (isToken(from)) return (from.shards[shard]?.index ?? 0) + 1
  for (const name of Object.keys(from)) {
    if (names.includes(name)) continue
    throw new VarveError(
      'UNKNOWN_SHARD',
      `\`from\` names shard "${name}", the cluster has: ${names.join(', ')}`,
    )
  }
  return from[shard] ?? 0
}

function isToken(from: Token | Readonly<Record<string, number>>): from is Token {
  return typeof (from as Token).shards === 'object'
}
