/**
 * The real coordinator over a disk in memory. A value that it wants stored waits until `store` carries it out, so that
 * a crash can fall before it, or between the disk and the answer.
 */
import {
  Coordinator,
  type CoordinatorEffect,
  type CoordinatorEvent,
} from '../../../src/replication/coordinator.js'
import type { ListedShard, Membership, StoredMembership } from '../../../src/replication/membership.js'
import { CLUSTER_ID, COORDINATOR, SHARD, type World } from './process.js'

/** A node that was silent for so long counts as gone. */
const HEARTBEAT_TIMEOUT_MS = 1_000

type StoreEffect = Extract<CoordinatorEffect, { type: 'store' }>

/** What survives a coordinator's crash: the whole value is compared and set (I1). */
export class ModelMembershipStore {
  readonly #values = new Map<number, StoredMembership>()
  /** Called with each value that was stored, before anybody hears of it. */
  onStored: (membership: Membership) => void = () => {}

  read(ordinal: number): StoredMembership | undefined {
    return this.#values.get(ordinal)
  }

  /** The new revision, or undefined where another value was stored meanwhile. */
  compareAndSet(ordinal: number, expectedRevision: number, membership: Membership): number | undefined {
    if ((this.#values.get(ordinal)?.revision ?? 0) !== expectedRevision) return undefined
    const revision = expectedRevision + 1
    const copy = JSON.parse(JSON.stringify(membership)) as Membership
    this.#values.set(ordinal, { revision, membership: copy })
    this.onStored(copy)
    return revision
  }
}

export class ModelCoordinator {
  readonly store: ModelMembershipStore
  readonly coordinator: Coordinator
  readonly #world: World
  readonly #incarnation: number
  readonly #send: (effect: Extract<CoordinatorEffect, { type: 'send' }>) => void
  #storing: StoreEffect[] = []
  #isUp = true

  constructor(listed: ListedShard, store: ModelMembershipStore, world: World, logId: string) {
    this.#world = world
    this.store = store
    this.#incarnation = world.nextIncarnation()
    this.coordinator = new Coordinator({
      address: COORDINATOR,
      clusterId: CLUSTER_ID,
      shards: [listed],
      defaultConsistency: 'strong',
      heartbeatTimeoutMs: HEARTBEAT_TIMEOUT_MS,
      firstRevision: world.nowMs(),
      store,
      newLogId: () => logId,
    })
    const transport = world.network.attach(COORDINATOR)
    transport.onMessage(envelope => this.#step({ type: 'message', envelope }))
    const origin = { from: COORDINATOR, incarnation: this.#incarnation, clusterId: CLUSTER_ID }
    this.#send = ({ to, shard, epoch, body }) =>
      transport.send(to, { ...origin, stamp: { lamport: 0, wallMs: 0 }, shard, epoch, body })
  }

  /** Values that wait to be stored. */
  get storing(): readonly StoreEffect[] {
    return this.#storing
  }

  tick(): void {
    if (this.#isUp) this.#run(this.coordinator.tick(this.#world.nowMs()))
  }

  /** Stores the oldest value that waits and tells the coordinator. False where none waits. */
  completeStore(): boolean {
    const effect = this.#storing.shift()
    if (effect === undefined) return false
    const revision = this.#write(effect)
    this.#step({ type: 'stored', shard: SHARD, revision })
    return true
  }

  /** The process dies. `stored`: the oldest value that waited reached the disk, though nobody was told. */
  crash(stored = false): void {
    this.#isUp = false
    const effect = this.#storing.shift()
    if (stored && effect !== undefined) this.#write(effect)
    this.#storing = []
    this.#world.network.detach(COORDINATOR)
  }

  #write({ shard, expectedRevision, membership }: StoreEffect): number | undefined {
    return this.store.compareAndSet(shard, expectedRevision, membership)
  }

  #step(event: CoordinatorEvent): void {
    if (this.#isUp) this.#run(this.coordinator.step(event, this.#world.nowMs()))
  }

  #run(effects: readonly CoordinatorEffect[]): void {
    for (const effect of effects) {
      if (effect.type === 'send') this.#send(effect)
      else if (effect.type === 'store') this.#storing.push(effect)
    }
  }
}
