/**
 * Scans: pages of each shard, fetched ahead by one, merged in the byte order of the keys. Each page is a read of
 * its own, so a scan is not one moment of the store.
 */
import type { ScanItem, ScanRequest, ScanResponse } from '../generated/varve/v1/kv.js'
import { Consistency } from '../generated/varve/v1/kv.js'
import { backoffMs } from './backoff.js'
import type { ClientCore } from './core.js'
import { delay } from './delay.js'
import { VarveError } from './errors.js'
import { meansElsewhere, type ShardRoute } from './shard-route.js'
import { timedOut } from './timed-out.js'
import { requestContext } from './token.js'
import { callUnary, cancelled } from './unary.js'

// Enough for a page to be mostly payload, little enough not to read far ahead of a slow consumer.
const PAGE_ITEMS_MAX = 1_000

/** A scan in bytes. `end` is exclusive and empty where there is no bound. */
export interface RawScan {
  readonly start: Buffer
  readonly end: Buffer
  readonly limit: number
  readonly reverse: boolean
  readonly keysOnly: boolean
  readonly consistency: Consistency
  /** Of each page. */
  readonly timeoutMs: number
  readonly signal: AbortSignal | undefined
}

/** Items of all shards in the byte order of their keys, or against it. */
export async function* scanShards(core: ClientCore, scan: RawScan): AsyncGenerator<ScanItem, void, void> {
  let left = scan.limit
  if (left <= 0) return
  const cursors = core.routes.map(route => new ShardCursor(core, route, scan))
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
  #items: readonly ScanItem[] = []
  #at = 0
  #start: Buffer
  #end: Buffer
  #taken = 0
  #next: Promise<ScanResponse> | undefined
  #toHead = false

  constructor(core: ClientCore, route: ShardRoute, scan: RawScan) {
    this.#core = core
    this.#route = route
    this.#scan = scan
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
    const { signal, timeoutMs } = this.#scan
    const end = performance.now() + timeoutMs
    let failure: VarveError | undefined
    for (let attempt = 0; ; attempt++) {
      if (this.#core.closed) throw new VarveError('CLOSED', 'the client is closed')
      if (signal?.aborted) throw cancelled()
      const left = end - performance.now()
      if (left <= 0) throw timedOut(`a scan of ${this.#route.name}`, timeoutMs, failure)
      const address = this.#address()
      try {
        if (address === undefined) throw this.#route.headless()
        const response = await this.#ask(address, left)
        this.#observe(response)
        return response
      } catch (error) {
        failure = error as VarveError
        if (failure.code === 'CANCELLED' || !failure.retryable) throw failure
        this.#reroute(address, failure)
      }
      await delay(backoffMs(attempt), signal)
    }
  }

  #address(): string | undefined {
    const atHead = this.#toHead || this.#scan.consistency === Consistency.STRONG
    return atHead ? this.#route.head : this.#route.member
  }

  #ask(address: string, timeoutMs: number): Promise<ScanResponse> {
    const { kv } = this.#core.channels.peer(address)
    const { consistency, keysOnly, reverse, signal } = this.#scan
    const { ordinal, name } = this.#route
    const request: ScanRequest = {
      context: requestContext(this.#core.tokens, ordinal, name, consistency, this.#core.actor),
      shard: name,
      start: this.#start,
      end: this.#end,
      limit: Math.min(PAGE_ITEMS_MAX, this.#scan.limit - this.#taken),
      keysOnly,
      reverse,
      at: undefined,
    }
    return callUnary(address, timeoutMs, signal, done => kv.scan(request, done))
  }

  #reroute(address: string | undefined, error: VarveError): void {
    this.#core.refreshMap()
    if (address === undefined) return
    if (error.code === 'BEHIND') this.#toHead = true
    else if (this.#address() !== address) return
    else if (this.#scan.consistency !== Consistency.STRONG && !this.#toHead) this.#route.memberFailed(address)
    else if (meansElsewhere(error.code)) this.#route.headRefused(address, error.hint)
    else this.#route.headLost(address)
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

/** The first key, in byte order, after all that begin with `prefix`; empty where there is none. */
export function endOfPrefix(prefix: Buffer): Buffer {
  let length = prefix.length
  while (length > 0 && prefix[length - 1] === 0xff) length--
  const end = Buffer.from(prefix.subarray(0, length))
  if (length > 0) end[length - 1]!++
  return end
}
