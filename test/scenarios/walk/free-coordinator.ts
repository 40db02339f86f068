/**
 * A coordinator that changes configurations at whim: any reachable members seal, any of them, with strangers, become
 * the next configuration, and a change may be dropped for another at any point. It keeps the rules that safety hangs
 * on (I1, I5, I6) and no others, so that the replicas meet every schedule that those rules permit.
 */
import { Topology } from '../../../src/generated/varve/v1/cluster.js'
import {
  type Configuration,
  ConfigurationStatus,
  type Envelope,
  type ReplicaSummary,
} from '../../../src/generated/varve/v1/replication.js'
import { activated, hasEnoughMembers } from '../../../src/replication/configuration.js'
import type { Body } from '../../../src/replication/effects.js'
import { chooseHead, survivorFault } from '../../../src/replication/head-choice.js'
import { type ListedShard, type Membership, unborn } from '../../../src/replication/membership.js'
import { plantTree } from '../../../src/replication/topology.js'
import type { Network } from '../harness/network.js'
import { CLUSTER_ID, COORDINATOR, SHARD } from '../harness/process.js'

type Seals = Map<string, { readonly incarnation: number; readonly summary: ReplicaSummary }>

export class FreeCoordinator {
  readonly #listed: ListedShard
  readonly #network: Network
  readonly #onStored: (membership: Membership) => void
  #asked: readonly string[] = []
  #seals: Seals = new Map()
  membership: Membership

  constructor(listed: ListedShard, network: Network, onStored: (membership: Membership) => void) {
    this.#listed = listed
    this.membership = unborn('f'.repeat(32), listed.replicas.length)
    this.#network = network
    this.#onStored = onStored
    network.attach(COORDINATOR).onMessage(envelope => this.#onMessage(envelope))
  }

  /** The configuration under way or in office, unless a later epoch was reserved. */
  get standing(): Configuration | undefined {
    const { current, reservedEpoch } = this.membership
    return current?.epoch === reservedEpoch ? current : undefined
  }

  /** True while a change is not in office yet. */
  get isChanging(): boolean {
    return this.standing?.status !== ConfigurationStatus.ACTIVE
  }

  /** True while somebody who was asked has not sealed. */
  get isAwaited(): boolean {
    return this.#asked.some(address => !this.#seals.has(address))
  }

  /** Reserves an epoch and asks these processes to seal; whatever was under way is dropped. */
  begin(addresses: readonly string[]): void {
    this.#asked = addresses
    this.#seals = new Map()
    this.#store({ reservedEpoch: this.membership.reservedEpoch + 1 })
    this.repeat()
  }

  /** Proposes a configuration of those that sealed and `wanted` picks; false where no survivor is among them. */
  propose(wanted: (address: string) => boolean): boolean {
    if (this.standing !== undefined) return false
    const { base, logId, reservedEpoch } = this.membership
    const sealed = [...this.#seals.keys()].filter(wanted)
    const survivors = new Map<string, ReplicaSummary>()
    for (const address of sealed) {
      const { summary } = this.#seals.get(address)!
      const isOfBase = base === null || base.members.some(member => member.address === address)
      if (isOfBase && survivorFault(this.membership, address, summary) === undefined)
        survivors.set(address, summary)
    }
    const head = chooseHead(this.membership, sealed, survivors)
    if (head === undefined) return false
    const peers = [head, ...sealed.filter(address => address !== head)].map(address => ({
      address,
      incarnation: this.#seals.get(address)!.incarnation,
    }))
    const topology = this.#listed.topology === 'star' ? Topology.STAR : Topology.CHAIN
    const configuration: Configuration = {
      shard: SHARD,
      logId,
      epoch: reservedEpoch,
      head,
      members: plantTree(topology, peers),
      topology,
      minInSync: this.#listed.minInSync,
      status: ConfigurationStatus.PROPOSED,
      recovery: undefined,
    }
    this.#store({ current: configuration })
    this.repeat()
    return true
  }

  /** Says again whatever may have been lost. */
  repeat(): void {
    const configuration = this.standing
    if (configuration === undefined) {
      const { reservedEpoch } = this.membership
      for (const to of this.#asked) this.#send(to, reservedEpoch, { $case: 'seal', value: {} })
      return
    }
    const $case = configuration.status === ConfigurationStatus.ACTIVE ? 'activate' : 'configure'
    for (const { address } of configuration.members) {
      this.#send(address, configuration.epoch, { $case, value: { configuration } })
    }
  }

  #onMessage({ from, incarnation, epoch, body }: Envelope): void {
    if (body?.$case === 'sealed' && epoch === this.membership.reservedEpoch && this.standing === undefined) {
      const { summary } = body.value
      if (summary?.adoptedEpoch === epoch) this.#seals.set(from, { incarnation, summary })
    }
    if (body?.$case === 'ready') this.#ready(from, incarnation, epoch, body.value)
  }

  #ready(
    from: string,
    incarnation: number,
    epoch: number,
    at: { epochIndex: number; epochHash: Buffer },
  ): void {
    const configuration = this.standing
    if (configuration?.epoch !== epoch || configuration.status !== ConfigurationStatus.PROPOSED) return
    const head = configuration.members.find(member => member.address === configuration.head)
    if (from !== head?.address || incarnation !== head.incarnation) return
    const current = activated(configuration)
    const base = {
      base: current,
      baseEpochIndex: at.epochIndex,
      baseEpochHash: at.epochHash.toString('hex'),
    }
    this.#store({
      ...(hasEnoughMembers(current) ? base : {}),
      current,
      active: current,
      activeEpochs: [...this.membership.activeEpochs, epoch],
    })
    this.repeat()
  }

  #store(change: Partial<Membership>): void {
    this.membership = { ...this.membership, ...change }
    this.#onStored(this.membership)
  }

  #send(to: string, epoch: number, body: Body): void {
    const stamp = { lamport: 0, wallMs: 0 }
    const origin = { from: COORDINATOR, incarnation: 0, clusterId: CLUSTER_ID, stamp }
    this.#network.post(to, { ...origin, shard: SHARD, epoch, body })
  }
}
