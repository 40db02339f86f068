/**
 * The shard map, kept up to date: asked of any process of the cluster, then followed at one of them, and at
 * another one when that ends.
 */
import type { ServiceError } from '@grpc/grpc-js'
import type { ShardMap } from '../generated/varve/v1/cluster.js'
import type { Logger } from '../log/logger.js'
import { backoffMs } from './backoff.js'
import type { Channels } from './channels.js'
import { VarveError } from './errors.js'
import { fromServiceError } from './grpc-errors.js'
import { callUnary } from './unary.js'

const ASK_TIMEOUT_MS = 2_000
const REFRESH_PAUSE_MS = 50
/** After so long without an answer another process is asked beside: the one that is silent may be why we ask. */
const REFRESH_PATIENCE_MS = 200
const RECONNECT_DELAY_MS = 50
const ROUNDS_MIN = 3

export class ShardMapFollower {
  readonly #channels: Channels
  readonly #endpoints: readonly string[]
  readonly #logger: Logger
  readonly #onMap: (map: ShardMap) => void
  #current: ShardMap | undefined
  #answered: string | undefined
  #cancelStream: (() => void) | undefined
  #wake: (() => void) | undefined
  /** Questions that are open. */
  #refreshing = 0
  #refreshedAt = -Infinity
  #refreshTurn = 0
  /** Ends the questions that are open when the follower is closed. */
  readonly #ending = new AbortController()

  /** `onMap` gets each map that is newer than the one before. */
  constructor(
    channels: Channels,
    endpoints: readonly string[],
    logger: Logger,
    onMap: (map: ShardMap) => void,
  ) {
    this.#channels = channels
    this.#endpoints = endpoints
    this.#logger = logger
    this.#onMap = onMap
  }

  get current(): ShardMap | undefined {
    return this.#current
  }

  /**
   * Resolves with the first map that any endpoint gives. Rejects with UNAVAILABLE after `timeoutMs`, and, unless it
   * shall insist, as soon as all of them refused in each of three rounds.
   */
  async start(timeoutMs: number, insist: boolean, signal?: AbortSignal): Promise<ShardMap> {
    const end = performance.now() + timeoutMs
    for (let round = 0; ; round++) {
      const left = end - performance.now()
      const errors = await this.#askAll(Math.min(ASK_TIMEOUT_MS, Math.max(1, left)), signal)
      if (this.#current !== undefined) {
        void this.#follow()
        return this.#current
      }
      if (signal?.aborted) throw new VarveError('CANCELLED', 'connecting was cancelled by its signal')
      const delay = backoffMs(round, RECONNECT_DELAY_MS)
      const refused = !insist && errors.every(error => error.code === 'UNAVAILABLE')
      if ((refused && round + 1 >= ROUNDS_MIN) || performance.now() + delay >= end)
        throw this.#unreachable(errors)
      await this.#pause(delay)
    }
  }

  /** Asks another process for its map, soon; one question at a time, while they are answered. */
  refresh(): void {
    const sinceMs = performance.now() - this.#refreshedAt
    const pauseMs = this.#refreshing > 0 ? REFRESH_PATIENCE_MS : REFRESH_PAUSE_MS
    if (this.#ending.signal.aborted || sinceMs < pauseMs) return
    this.#refreshing += 1
    this.#refreshedAt = performance.now()
    const addresses = this.#addresses()
    const address = addresses[this.#refreshTurn++ % addresses.length]!
    this.#ask(address, ASK_TIMEOUT_MS, this.#ending.signal)
      .catch(error => this.#logger.debug({ address, error: String(error) }, 'no shard map from this process'))
      .finally(() => {
        this.#refreshing -= 1
      })
  }

  close(): void {
    this.#ending.abort()
    this.#cancelStream?.()
    this.#wake?.()
  }

  async #askAll(timeoutMs: number, signal: AbortSignal | undefined): Promise<VarveError[]> {
    const errors: VarveError[] = []
    const enough = new AbortController()
    const signals = [enough.signal, this.#ending.signal, ...(signal === undefined ? [] : [signal])]
    const asked = this.#endpoints.map(address =>
      this.#ask(address, timeoutMs, AbortSignal.any(signals)).catch((error: VarveError) => {
        errors.push(error)
        throw error
      }),
    )
    await Promise.any(asked).catch(() => {})
    enough.abort()
    return errors
  }

  async #ask(address: string, timeoutMs: number, signal: AbortSignal): Promise<void> {
    const { cluster } = this.#channels.peer(address)
    const map = await callUnary<ShardMap>(address, timeoutMs, signal, done => cluster.getShardMap({}, done))
    if (map.shards.length === 0) throw new VarveError('UNAVAILABLE', `${address} knows of no shards yet`)
    this.#answered ??= address
    this.#take(map, address)
  }

  #take(map: ShardMap, address: string): void {
    const current = this.#current
    if (this.#ending.signal.aborted || map.shards.length === 0) return
    if (current !== undefined) {
      if (map.clusterId !== current.clusterId) {
        this.#logger.warn(
          { address, clusterId: map.clusterId },
          'this process belongs to another cluster: ignored',
        )
        return
      }
      if (!isNewer(map, current)) return
    }
    const shards = [...map.shards].sort((a, b) => a.ordinal - b.ordinal)
    this.#current = { ...map, shards }
    this.#onMap(this.#current)
  }

  /** Whoever may know: those that were given first, then all that the map names. */
  #addresses(): string[] {
    const map = this.#current
    const known = new Set(this.#endpoints)
    if (map !== undefined && map.coordinator !== '') known.add(map.coordinator)
    for (const shard of map?.shards ?? []) for (const member of shard.members) known.add(member.address)
    return [...known]
  }

  async #follow(): Promise<void> {
    let attempt = 0
    for (let turn = 0; !this.#ending.signal.aborted; turn++) {
      const addresses = this.#addresses()
      const first = Math.max(0, addresses.indexOf(this.#answered ?? ''))
      const address = addresses[(first + turn) % addresses.length]!
      const heard = await this.#followAt(address)
      if (this.#ending.signal.aborted) return
      attempt = heard ? 0 : attempt + 1
      await this.#pause(backoffMs(attempt, RECONNECT_DELAY_MS))
    }
  }

  /** Follows one process's map until that ends. Resolves with whether it gave one. */
  #followAt(address: string): Promise<boolean> {
    return new Promise(resolve => {
      let heard = false
      const stream = this.#channels.peer(address).cluster.watchShardMap({})
      this.#cancelStream = () => stream.cancel()
      stream.on('data', (map: ShardMap) => {
        heard = true
        this.#take(map, address)
      })
      stream.on('error', (error: ServiceError) => {
        const known = fromServiceError(error, address)
        if (!this.#ending.signal.aborted)
          this.#logger.debug({ address, error: known.message }, 'following the shard map ended')
        resolve(heard)
      })
      stream.on('end', () => resolve(heard))
    })
  }

  #pause(ms: number): Promise<void> {
    return new Promise(resolve => {
      const done = () => {
        clearTimeout(timer)
        this.#wake = undefined
        resolve()
      }
      const timer = setTimeout(done, ms)
      this.#wake = done
    })
  }

  #unreachable(errors: readonly VarveError[]): VarveError {
    const reasons = [...new Set(errors.map(error => error.message))].join('; ')
    return new VarveError(
      'UNAVAILABLE',
      `no process of a cluster answers at ${this.#endpoints.join(', ')} (${reasons}); start one with \`varve up\`, ` +
        'or look with `varve status`',
    )
  }
}

/**
 * Epochs never fall, so they decide; revisions only among maps of the same epochs: they begin with the coordinator's
 * clock, which may have been ahead in an earlier life.
 */
function isNewer(map: ShardMap, current: ShardMap): boolean {
  const before = new Map(current.shards.map(({ ordinal, epoch }) => [ordinal, epoch]))
  const steps = map.shards.map(({ ordinal, epoch }) => epoch - (before.get(ordinal) ?? 0))
  if (steps.some(step => step < 0)) return false
  return steps.some(step => step > 0) || map.revision > current.revision
}
