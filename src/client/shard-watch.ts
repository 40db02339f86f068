/**
 * Follows the committed entries of one shard at any replica, and at another one from the same position when that
 * breaks: nothing is left out and nothing comes twice.
 */
import type { ClientReadableStream, ServiceError } from '@grpc/grpc-js'
import type { Entry } from '../generated/varve/v1/entry.js'
import { Consistency, type WatchResponse } from '../generated/varve/v1/kv.js'
import { backoffMs } from './backoff.js'
import type { ClientCore } from './core.js'
import { VarveError } from './errors.js'
import { fromServiceError } from './grpc-errors.js'
import type { ShardRoute } from './shard-route.js'
import { requestContext } from './token.js'

/** Where a watch of one shard begins, and what it wants. */
export interface ShardWatchRequest {
  /** First index wanted; 0 for what comes from now on. */
  readonly fromIndex: number
  readonly prefix: Buffer
  readonly tentative: boolean
  /** Where entries that are wanted were dropped by retention: have what the keys held at the horizon instead. */
  readonly snapshot: boolean
  /** How long the shard may be unreachable. */
  readonly timeoutMs: number
}

/** What a watch of one shard tells its owner. */
export interface ShardWatchEvents {
  /** The replica has said where it begins. Called once. */
  started(): void
  /** `snapshotIndex`: where the snapshot was taken that these belong to, in key order; 0: they are entries of the log. */
  entries(entries: readonly Entry[], snapshotIndex: number): void
  /** It cannot go on. */
  failed(error: VarveError): void
}

export class ShardWatch {
  readonly #core: ClientCore
  readonly #route: ShardRoute
  readonly #request: ShardWatchRequest
  readonly #events: ShardWatchEvents
  #fromIndex: number
  /** The last entry that was delivered. */
  #lastEpoch = 0
  #lastIndex = 0
  /** Of the snapshot that is being read, 0 for none, and its last key that was delivered. */
  #snapshotIndex = 0
  #snapshotKey: Buffer | undefined
  #stream: ClientReadableStream<WatchResponse> | undefined
  #paused = false
  #started = false
  #attempt = 0
  #lostSince = performance.now()
  #timer: NodeJS.Timeout | undefined
  #closed = false

  constructor(core: ClientCore, route: ShardRoute, request: ShardWatchRequest, events: ShardWatchEvents) {
    this.#core = core
    this.#route = route
    this.#request = request
    this.#events = events
    this.#fromIndex = request.fromIndex
  }

  open(): void {
    const address = this.#route.member
    if (this.#closed) return
    if (address === undefined) {
      this.#retry(this.#route.headless())
      return
    }
    const { ordinal, name } = this.#route
    const { prefix, tentative, snapshot } = this.#request
    const context = requestContext(
      this.#core.tokens,
      ordinal,
      name,
      Consistency.UNSPECIFIED,
      this.#core.actor,
    )
    const request = { context, shard: name, fromIndex: this.#fromIndex, prefix, tentative, snapshot }
    const stream = this.#core.channels.peer(address).kv.watch(request)
    this.#stream = stream
    stream.on('data', (response: WatchResponse) => {
      if (this.#stream === stream) this.#take(response)
    })
    stream.on('error', (error: ServiceError) => {
      if (this.#stream === stream) this.#lost(address, fromServiceError(error, address))
    })
    stream.on('end', () => {
      if (this.#stream === stream)
        this.#lost(address, new VarveError('UNAVAILABLE', `${address} ended the watch`))
    })
    if (this.#paused) stream.pause()
  }

  /** Reads no more from the node until `resume`. What was read already is still delivered. */
  pause(): void {
    this.#paused = true
    this.#stream?.pause()
  }

  resume(): void {
    this.#paused = false
    this.#stream?.resume()
  }

  close(): void {
    this.#closed = true
    clearTimeout(this.#timer)
    const stream = this.#stream
    this.#stream = undefined
    stream?.cancel()
  }

  #take(response: WatchResponse): void {
    this.#attempt = 0
    this.#lostSince = Infinity
    if (response.snapshotIndex > 0) {
      this.#takeSnapshot(response)
      return
    }
    const entries = response.entries.filter(entry => this.#isNew(entry))
    // A tentative entry may be undone and its index taken by another one: resume behind the last committed one.
    const through = this.#request.tentative
      ? (entries.findLast(isCommitted)?.position?.index ?? 0)
      : response.throughIndex
    // Asked for what comes from now on, the first answer says where that is.
    if (this.#fromIndex === 0) this.#fromIndex = response.throughIndex + 1
    this.#fromIndex = Math.max(this.#fromIndex, through + 1)
    this.#start()
    if (entries.length > 0) this.#events.entries(entries, 0)
  }

  #takeSnapshot({ entries, snapshotIndex, throughIndex }: WatchResponse): void {
    this.#start()
    if (snapshotIndex !== this.#snapshotIndex) this.#snapshotKey = undefined
    this.#snapshotIndex = snapshotIndex
    // In key order: what came before a break comes again.
    const last = this.#snapshotKey
    const fresh = last === undefined ? entries : entries.filter(({ key }) => Buffer.compare(key, last) > 0)
    this.#snapshotKey = fresh.at(-1)?.key ?? last
    if (fresh.length > 0) this.#events.entries(fresh, snapshotIndex)
    if (throughIndex < snapshotIndex) return
    this.#fromIndex = Math.max(this.#fromIndex, throughIndex + 1)
    this.#snapshotIndex = 0
    this.#snapshotKey = undefined
  }

  #start(): void {
    if (this.#started) return
    this.#started = true
    this.#events.started()
  }

  #isNew(entry: Entry): boolean {
    const epoch = entry.position?.epoch ?? 0
    const index = entry.position?.index ?? 0
    if (epoch < this.#lastEpoch || (epoch === this.#lastEpoch && index <= this.#lastIndex)) return false
    this.#lastEpoch = epoch
    this.#lastIndex = index
    return true
  }

  #lost(address: string, error: VarveError): void {
    this.#stream = undefined
    if (!error.retryable && error.code !== 'INTERNAL') {
      this.#end(error)
      return
    }
    this.#route.memberFailed(address)
    this.#core.refreshMap()
    this.#retry(error)
  }

  #retry(error: VarveError): void {
    const now = performance.now()
    this.#lostSince = Math.min(this.#lostSince, now)
    if (now - this.#lostSince >= this.#request.timeoutMs) {
      this.#end(error)
      return
    }
    this.#timer = setTimeout(() => this.open(), backoffMs(this.#attempt++))
  }

  #end(error: VarveError): void {
    this.close()
    this.#events.failed(error)
  }
}

function isCommitted(entry: Entry): boolean {
  return entry.position?.committed === true
}
