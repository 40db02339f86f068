/** Who changes configurations in a walk: the real coordinator, or one that does at whim whatever is safe. */
import type { Membership } from '../../../src/replication/membership.js'
import type { Random } from '../../../tools/random.js'
import type { ModelCluster } from '../harness/model-cluster.js'
import { FreeCoordinator } from './free-coordinator.js'

export interface Control {
  /** What it does in a step, and how likely. */
  weights(random: Random): Record<string, number>
  /** One step of its own; returns what it did, in words. */
  act(action: string, random: Random): string
  /** A round of time without faults: what brings the shard into office with all its nodes. */
  heal(): void
  /** The epoch in office with all nodes as members; undefined while there is none. */
  wholeEpoch(): number | undefined
}

type OnStored = (membership: Membership) => void

export class RealControl implements Control {
  readonly #cluster: ModelCluster

  constructor(cluster: ModelCluster, onStored: OnStored) {
    this.#cluster = cluster
    cluster.membershipStore.onStored = onStored
    cluster.startCoordinator()
    for (const node of cluster.nodes.values()) node.beat()
  }

  weights(random: Random): Record<string, number> {
    return {
      tickCoordinator: 4,
      store: 6,
      crashCoordinator: random.chance(0.5) ? random.next() * 1.5 : 0,
      startCoordinator: 2,
    }
  }

  act(action: string, random: Random): string {
    const cluster = this.#cluster
    const { coordinator } = cluster
    if (action === 'startCoordinator' && coordinator === undefined) {
      cluster.startCoordinator()
      return action
    }
    if (coordinator === undefined || action === 'startCoordinator') return `${action} (nothing to do)`
    if (action === 'store') return coordinator.completeStore() ? action : `${action} (nothing to do)`
    if (action === 'crashCoordinator') {
      const stored = random.chance(0.5)
      cluster.crashCoordinator(stored)
      return `${action}${stored ? ' stored' : ''}`
    }
    cluster.nowMs += 50
    coordinator.tick()
    return action
  }

  heal(): void {
    if (this.#cluster.coordinator === undefined) this.#cluster.startCoordinator()
  }

  wholeEpoch(): number | undefined {
    const shard = this.#cluster.coordinator?.coordinator.shardMap().shards[0]
    const isWhole = shard?.status === 'ACTIVE' && shard.members.length === this.#cluster.nodes.size
    return isWhole ? shard.epoch : undefined
  }
}

export class FreeControl implements Control {
  readonly #cluster: ModelCluster
  readonly #coordinator: FreeCoordinator
  #rounds = 0

  constructor(cluster: ModelCluster, onStored: OnStored) {
    this.#cluster = cluster
    this.#coordinator = new FreeCoordinator(cluster.listed, cluster.network, onStored)
    this.#coordinator.begin(cluster.listed.replicas)
  }

  weights(random: Random): Record<string, number> {
    return { change: 0.2 + random.next() * 1.5, propose: 1 + random.next() * 3, repeat: 3, beat: 0 }
  }

  act(action: string, random: Random): string {
    if (action === 'repeat') this.#coordinator.repeat()
    if (action === 'propose') {
      if (this.#coordinator.isAwaited && random.chance(0.8)) return 'propose (waits)'
      const isDone = this.#coordinator.propose(() => random.chance(0.8))
      return isDone ? `propose epoch ${this.#coordinator.standing?.epoch}` : 'propose (nothing to do)'
    }
    if (action !== 'change') return action
    if (this.#coordinator.isChanging && random.chance(0.7)) return 'change (one is under way)'
    const { isolated } = this.#cluster.network
    const addresses = this.#cluster.listed.replicas.filter(address =>
      random.chance(isolated.has(address) ? 0.1 : 0.85),
    )
    this.#coordinator.begin(addresses)
    return `change to epoch ${this.#coordinator.membership.reservedEpoch}: seal ${addresses.join(' ')}`
  }

  heal(): void {
    const { replicas } = this.#cluster.listed
    // A change may hang on a process that has restarted since it sealed: it is begun anew now and then.
    if (this.#rounds % 10 === 0 && this.wholeEpoch() === undefined) this.#coordinator.begin(replicas)
    if (this.#rounds % 10 === 5) this.#coordinator.propose(() => true)
    this.#coordinator.repeat()
    this.#rounds += 1
  }

  wholeEpoch(): number | undefined {
    const { standing, membership } = this.#coordinator
    if (standing === undefined || !membership.activeEpochs.includes(standing.epoch)) return undefined
    const isWhole = standing.members.every(
      ({ address, incarnation }) => this.#cluster.node(address).incarnation === incarnation,
    )
    return isWhole && standing.members.length === this.#cluster.nodes.size ? standing.epoch : undefined
  }
}
