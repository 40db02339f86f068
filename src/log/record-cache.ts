import type { LogRecord } from './record-codec.js'

/** What a cached record costs beside its bytes: buffers, views, hash, and its place in here (measured). */
const OVERHEAD_SIZE_BYTES = 1_200

interface Node {
  record: LogRecord
  readonly home: ShardRecordCache
  /** On its way to disk: must stay. */
  pinned: boolean
  /** Read since the eviction last came by. */
  used: boolean
  /** Taken out by `forget`; it still stands in the queue. */
  gone: boolean
}

/**
 * Records at hand, of all logs of a store, up to a number of bytes. Records that are on their way to disk come on top:
 * they must be readable. Eviction is first in, first out, with a second chance for what was read meanwhile, so a
 * hit costs one lookup and a flag.
 */
export class RecordCache {
  readonly #capacityBytes: number
  #queue: (Node | undefined)[] = []
  #queueAt = 0
  #sizeBytes = 0

  constructor(capacityBytes: number) {
    this.#capacityBytes = capacityBytes
  }

  /** Bytes of records that may be evicted. */
  get sizeBytes(): number {
    return this.#sizeBytes
  }

  /** The part that belongs to one log. */
  shard(): ShardRecordCache {
    return new ShardRecordCache(this)
  }

  /** For `ShardRecordCache`: the node counts from now on. */
  enter(node: Node): void {
    this.#queue.push(node)
    this.#sizeBytes += sizeOf(node)
    while (this.#sizeBytes > this.#capacityBytes) this.#evictOne()
  }

  /** For `ShardRecordCache`: the node does not count any more. */
  leave(node: Node): void {
    this.#sizeBytes -= sizeOf(node)
  }

  #evictOne(): void {
    const node = this.#queue[this.#queueAt]!
    // The queue is shortened now and then only: until then the slot must not keep the record alive.
    this.#queue[this.#queueAt] = undefined
    this.#queueAt++
    if (node.used && !node.gone) {
      node.used = false
      // A record received with others shares their buffer; staying longer than they do, it would keep all of it.
      node.record = node.record.compacted()
      this.#queue.push(node)
    } else if (!node.gone) {
      node.home.drop(node.record.firstIndex)
      this.#sizeBytes -= sizeOf(node)
    }
    if (this.#queueAt >= 1_024 && this.#queueAt * 2 > this.#queue.length) {
      this.#queue = this.#queue.slice(this.#queueAt)
      this.#queueAt = 0
    }
  }
}

/** The cached records of one log, by first index. */
export class ShardRecordCache {
  readonly #cache: RecordCache
  readonly #nodes = new Map<number, Node>()

  constructor(cache: RecordCache) {
    this.#cache = cache
  }

  get(firstIndex: number): LogRecord | undefined {
    const node = this.#nodes.get(firstIndex)
    if (node === undefined) return undefined
    node.used = true
    return node.record
  }

  /** Keeps a record until `release`. */
  pin(record: LogRecord): void {
    this.#nodes.set(record.firstIndex, { record, home: this, pinned: true, used: false, gone: false })
  }

  /** The record is on disk: it may be evicted from now on. Nothing when it was forgotten meanwhile. */
  release(record: LogRecord): void {
    const node = this.#nodes.get(record.firstIndex)
    if (node?.record !== record || !node.pinned) return
    node.pinned = false
    this.#cache.enter(node)
  }

  /** Keeps a record that was read from disk. */
  add(record: LogRecord): void {
    if (this.#nodes.has(record.firstIndex)) return
    const node: Node = { record, home: this, pinned: false, used: false, gone: false }
    this.#nodes.set(record.firstIndex, node)
    this.#cache.enter(node)
  }

  /** The record was cut off. */
  forget(firstIndex: number): void {
    const node = this.#nodes.get(firstIndex)
    if (node === undefined) return
    this.#nodes.delete(firstIndex)
    node.gone = true
    if (!node.pinned) this.#cache.leave(node)
  }

  /** For `RecordCache`. */
  drop(firstIndex: number): void {
    this.#nodes.delete(firstIndex)
  }
}

function sizeOf(node: Node): number {
  return node.record.sizeBytes + OVERHEAD_SIZE_BYTES
}
