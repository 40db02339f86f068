/** One shard's nodes, their network, the coordinator if there is one, and virtual time. Everything is deterministic. */
import type { ListedShard } from '../../../src/replication/membership.js'
import type { Event } from './events.js'
import { ModelCoordinator, ModelMembershipStore } from './model-coordinator.js'
import { ModelNode } from './model-node.js'
import { type Message, Network } from './network.js'
import { SHARD, type World } from './process.js'

/** Virtual time between two ticks of a process, ms: as the real timers have it. */
export const TICK_MS = 50

/** Rounds after which a cluster that still has something to do counts as one that never comes to rest. */
const SETTLE_ROUNDS_MAX = 2_000

export interface ClusterOptions {
  readonly addresses: readonly string[]
  /** Nodes that the shard does not list. */
  readonly spares?: readonly string[]
  readonly topology: 'chain' | 'star'
  readonly minInSync: number
  readonly onEvent: (event: Event) => void
  readonly onSend?: (message: Message) => void
}

export class ModelCluster {
  readonly listed: ListedShard
  readonly network: Network
  readonly nodes: ReadonlyMap<string, ModelNode>
  readonly membershipStore = new ModelMembershipStore()
  coordinator: ModelCoordinator | undefined
  nowMs = 1_000
  readonly #world: World
  #incarnations = 0
  #logIds = 0

  constructor({ addresses, spares = [], topology, minInSync, onEvent, onSend }: ClusterOptions) {
    this.network = new Network(onSend)
    this.listed = { ordinal: SHARD, name: 'shard_0', replicas: addresses, topology, minInSync }
    this.#world = {
      network: this.network,
      nowMs: () => this.nowMs,
      nextIncarnation: () => {
        this.#incarnations += 1
        return this.#incarnations
      },
      emit: onEvent,
    }
    this.nodes = new Map(
      [...addresses, ...spares].map(address => [address, new ModelNode(address, this.#world)]),
    )
  }

  node(address: string): ModelNode {
    const node = this.nodes.get(address)
    if (node === undefined) throw new Error(`no node ${address}`)
    return node
  }

  startCoordinator(): ModelCoordinator {
    this.#logIds += 1
    const logId = String(this.#logIds).padStart(32, '0')
    this.coordinator = new ModelCoordinator(this.listed, this.membershipStore, this.#world, logId)
    return this.coordinator
  }

  crashCoordinator(stored: boolean): void {
    this.coordinator?.crash(stored)
    this.coordinator = undefined
  }

  /** Delivers the oldest message of all; false where there is none. */
  deliverOldest(): boolean {
    const oldest = this.network.deliverable[0]
    if (oldest === undefined) return false
    this.network.deliver(oldest)
    return true
  }

  /** Delivers all messages, and those that they cause, without syncing anything. */
  deliverAll(): void {
    for (let count = 0; this.deliverOldest(); count += 1) {
      if (count > 100_000) throw new Error('the messages never end')
    }
  }

  /** Delivers, syncs and stores until there is nothing more to do. Time stands still. */
  settle(): void {
    for (let round = 0; round < SETTLE_ROUNDS_MAX; round += 1) {
      this.deliverAll()
      let isQuiet = true
      for (const node of this.nodes.values()) {
        if (!node.isUp || node.store.unsyncedWrites === 0) continue
        node.sync()
        isQuiet = false
      }
      if (this.coordinator?.completeStore()) isQuiet = false
      if (isQuiet && this.network.deliverable.length === 0) return
    }
    throw new Error('the cluster never comes to rest')
  }

  /** One tick's time passes for every process: nodes tick and beat, the coordinator ticks. */
  tickAll(): void {
    this.nowMs += TICK_MS
    for (const node of this.nodes.values()) {
      node.tick()
      if (this.coordinator !== undefined) node.beat()
    }
    this.coordinator?.tick()
  }
}
