/**
 * Carries out the coordinator's effects: stores memberships, sends messages, tells whoever watches the shard map.
 */
import type { ShardMap } from '../generated/varve/v1/cluster.js'
import type { Envelope } from '../generated/varve/v1/replication.js'
import type { Logger } from '../log/logger.js'
import type { StampClock } from '../log/stamp.js'
import { Coordinator, type CoordinatorEffect, type CoordinatorOptions } from './coordinator.js'
import type { MembershipStore } from './membership.js'
import type { Transport } from './transport.js'

/** Time between two ticks of the coordinator, ms. */
export const COORDINATOR_TICK_MS = 50

export interface CoordinatorDriverOptions extends Omit<CoordinatorOptions, 'store' | 'clusterId'> {
  readonly store: MembershipStore
  readonly incarnation: number
  readonly clock: StampClock
  readonly transport: Transport
  readonly logger: Logger
  /** Monotonic milliseconds. */
  readonly nowMs: () => number
  readonly onMap: (map: ShardMap) => void
  /** The store failed or an invariant broke: end the process. */
  readonly onAlarm: (message: string) => void
}

export class CoordinatorDriver {
  readonly coordinator: Coordinator
  readonly #options: CoordinatorDriverOptions
  #timer: NodeJS.Timeout | undefined

  constructor(options: CoordinatorDriverOptions) {
    this.#options = options
    this.coordinator = new Coordinator({ ...options, clusterId: options.store.clusterId })
  }

  start(): void {
    this.#timer = setInterval(
      () => this.#run(this.coordinator.tick(this.#options.nowMs(), Date.now())),
      COORDINATOR_TICK_MS,
    )
    this.#options.onMap(this.coordinator.shardMap())
  }

  message(envelope: Envelope): void {
    this.#run(this.coordinator.step({ type: 'message', envelope }, this.#options.nowMs()))
  }

  /** The link to this address broke, or could not be opened. */
  linkDown(address: string): void {
    this.#run(this.coordinator.step({ type: 'linkDown', address }, this.#options.nowMs()))
  }

  /** Carries out what an operator's call gave rise to. */
  flush(): void {
    this.#run(this.coordinator.takeEffects())
  }

  /** Tells a stranger which cluster this is, and that it is not known here. */
  introduce(to: string): void {
    this.#send({
      type: 'send',
      to,
      shard: 0,
      epoch: 0,
      body: { $case: 'heartbeatAnswer', value: { known: false, incarnation: 0, clockAheadMs: 0 } },
    })
  }

  stop(): void {
    clearInterval(this.#timer)
  }

  #run(effects: readonly CoordinatorEffect[]): void {
    for (const effect of effects) this.#carryOut(effect)
  }

  #carryOut(effect: CoordinatorEffect): void {
    if (effect.type === 'send') this.#send(effect)
    else if (effect.type === 'store') void this.#store(effect)
    else if (effect.type === 'note') this.#options.logger.info({ shard: effect.shard }, effect.message)
    else this.#options.onMap(this.coordinator.shardMap())
  }

  #send({ to, shard, epoch, body }: Extract<CoordinatorEffect, { type: 'send' }>): void {
    const { address, incarnation, clock, store, transport } = this.#options
    const stamp = { lamport: clock.lamport, wallMs: 0 }
    transport.send(to, { from: address, incarnation, clusterId: store.clusterId, stamp, shard, epoch, body })
  }

  async #store({
    shard,
    expectedRevision,
    membership,
  }: Extract<CoordinatorEffect, { type: 'store' }>): Promise<void> {
    const { store, nowMs, logger, onAlarm } = this.#options
    try {
      const revision = await store.write(shard, expectedRevision, membership)
      const { reservedEpoch, current } = membership
      logger.debug({ shard, revision, reservedEpoch, current: current?.epoch }, 'membership stored')
      this.#run(this.coordinator.step({ type: 'stored', shard, revision }, nowMs()))
    } catch (error) {
      onAlarm(`the coordinator's store failed: ${error instanceof Error ? error.message : error}`)
    }
  }
}
