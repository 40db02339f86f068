/**
 * Scans: pages of each shard, fetched ahead by one, merged in the byte order of the keys. Each page is a read of its own,
 * so a scan is not one moment of the store unless it is given one.
 */
import type { ScanItem, ScanRequest, ScanResponse } from '../generated/varve/v1/kv.js'
import { Consistency } from '../generated/varve/v1/kv.js'
import type { ClientCore } from './core.js'
import type { RawRange } from './key-range.js'
import { answersNow, cutIn, indexMoment, type ResolvedMoment } from './moment.js'
import { askShard, type CallBounds, ShardTarget } from './shard-call.js'
import type { ShardRoute } from './shard-route.js'
import { requestContext } from './token.js'

// Enough for a page to be mostly payload, little enough not to read far ahead of a slow consumer.
const PAGE_ITEMS_MAX = 1_000

/** A scan in bytes. The time-out is of each page. */
export interface RawScan extends RawRange, CallBounds {
  readonly limit: number
  readonly reverse: boolean
  readonly keysOnly: boolean
  readonly consistency: Consistency
  /** What the keys held then; undefined: at the time of each page. */
  readonly at: ResolvedMoment | undefined
}

/** Items of all shards in the byte order of their keys, or against it. */
export async function* scanShards(core: ClientCore, scan: RawScan): AsyncGenerator<ScanItem, void, void> {
  let left = scan.limit
  if (left <= 0) return
  // Nothing was there before the first entry.
  const routes = core.routes.filter(({ name }) => scan.at === undefined || cutIn(scan.at, name).index > 0)
  const cursors = routes.map(route => new ShardCursor(core, route, scan))
  await Promise.all(cursors.map(cursor => cursor.advance()))
  const sign = scan.reverse ? -1 : 1
  const order = (a: ShardCursor, b: ShardCursor) => sign * Buffer.compare(a.item!.key, b.item!.key)
  // Sorted, the next one last.
  const queue = cursors.filter(cursor => cursor.item !== undefined).sort((a, b) => order(b, a))
  for (let cursor = queue.pop(); cursor !== undefined; cursor = queue.pop()) {
    yield cursor.item!
    if (--left <= 0) return
    await cursor.advance()
    if (cursor.item !== undefined) insert(queue, cursor, order)
  }
}

function insert(
  queue: ShardCursor[],
  cursor: ShardCursor,
  order: (a: ShardCursor, b: ShardCursor) => number,
): void {
  let low = 0
  let high = queue.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if (order(queue[middle]!, cursor) > 0) low = middle + 1
    else high = middle
  }
  queue.splice(low, 0, cursor)
}

/** Walks through one shard. */
class ShardCursor {
  /** Where it stands; undefined before the first and past the last item. */
  item: ScanItem | undefined
  readonly #core: ClientCore
  readonly #route: ShardRoute
  readonly #scan: RawScan
  readonly #target: ShardTarget
  #items: readonly ScanItem[] = []
  #at = 0
  #start: Buffer
  #end: Buffer
  #taken = 0
  #next: Promise<ScanResponse> | undefined

  constructor(core: ClientCore, route: ShardRoute, scan: RawScan) {
    this.#core = core
    this.#route = route
    this.#scan = scan
    const isStrong = scan.at === undefined && scan.consistency === Consistency.STRONG
    this.#target = new ShardTarget(core, route, isStrong)
    this.#start = scan.start
    this.#end = scan.end
    this.#fetch()
  }

  /** Moves to the next item. Waits only where a page ends. */
  advance(): Promise<void> | undefined {
    this.item = this.#items[this.#at++]
    if (this.item !== undefined || this.#next === undefined) return undefined
    return this.#turnPage(this.#next)
  }

  async #turnPage(page: Promise<ScanResponse>): Promise<void> {
    const { items, more } = await page
    this.#next = undefined
    this.#items = items
    this.#at = 0
    this.#taken += items.length
    const last = items.at(-1)
    if (more && last !== undefined && this.#taken < this.#scan.limit) {
      if (this.#scan.reverse) this.#end = last.key
      else this.#start = Buffer.concat([last.key, Buffer.of(0)])
      this.#fetch()
    }
    this.item = this.#items[this.#at++]
  }

  #fetch(): void {
    const page = this.#page()
    // A page fetched ahead may fail before anybody waits for it; who waits then still gets the error.
    page.catch(() => {})
    this.#next = page
  }

  /** One page, from whichever replica can give it, until its time is over. */
  async #page(): Promise<ScanResponse> {
    const { consistency, keysOnly, reverse, at } = this.#scan
    const { ordinal, name } = this.#route
    const { tokens, actor } = this.#core
    const request: ScanRequest = {
      context: requestContext(
        tokens,
        ordinal,
        name,
        at === undefined ? consistency : Consistency.WEAK,
        actor,
      ),
      shard: name,
      start: this.#start,
      end: this.#end,
      limit: Math.min(PAGE_ITEMS_MAX, this.#scan.limit - this.#taken),
      keysOnly,
      reverse,
      at: at === undefined ? undefined : indexMoment(name, cutIn(at, name).index),
    }
    const response = await askShard<ScanResponse>(
      this.#core,
      `a scan of ${name}`,
      this.#scan,
      this.#target,
      (peer, done) => peer.kv.scan(request, done),
    )
    if (at !== undefined && response.cuts.length === 0) throw answersNow(response.node)
    if (at === undefined) this.#observe(response)
    return response
  }

  #observe(response: ScanResponse): void {
    for (const { position } of response.items) {
      if (position === undefined) continue
      this.#core.tokens.advance(this.#route.ordinal, position.epoch, position.index)
      if (position.stamp !== undefined) {
        this.#core.tokens.observeStamp(position.stamp.lamport, position.stamp.wallMs)
      }
    }
  }
}
