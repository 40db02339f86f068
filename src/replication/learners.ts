/**
 * Who is on its way into a shard (Changes of configuration 5, 7): nodes that follow the tail of a chain or the hub of a
 * star without being counted, until they are near enough to become members in the next epoch. The coordinator brings
 * one in by itself while the shard has fewer members than it wants.
 */
import { Topology } from '../generated/varve/v1/cluster.js'
import type { Configuration, ReplicaHeartbeat } from '../generated/varve/v1/replication.js'
import type { BackOff } from './back-off.js'
import { memberAt } from './configuration.js'
import type { ListedShard, Membership } from './membership.js'
import type { NodeTable } from './node-table.js'

/** A shard waits so long for its own nodes before it takes a replica to another one. */
export const REPLACEMENT_GRACE_MS = 10_000

/** When one learner is near, so long is waited for others: each epoch interrupts the writes. */
const NEAR_TOGETHER_MS = 500

/** A learner that makes no progress for so long gives its place to another. */
const STUCK_MS = 30_000

/** What is known of a learner. */
export interface LearnerProgress {
  readonly address: string
  readonly upstream: string
  /** What it holds durably and matched, as it last said. */
  readonly index: number
  readonly baseReceivedBytes: number
  readonly baseTotalBytes: number
}

interface Learner {
  readonly address: string
  /** The life and epoch that its progress is of. */
  incarnation: number
  epoch: number
  index: number
  baseReceivedBytes: number
  baseTotalBytes: number
  /** What the head held when the learner was heard of before. */
  goal: number
  nearSinceMs: number | undefined
  progressAtMs: number
}

export interface LearnerContext {
  readonly listed: ListedShard
  readonly nodes: NodeTable
  readonly backOff: BackOff
  /** In how many shards the node has a replica. */
  readonly replicasOn: (address: string) => number
  /** Something that operators want to find in the log later. */
  readonly note: (message: string) => void
}

export class Learners {
  readonly #context: LearnerContext
  readonly #learners = new Map<string, Learner>()
  /** Whom an operator wants, before all others. */
  readonly #invited = new Set<string>()
  #shortSinceMs: number | undefined
  /** What the head of the configuration in office holds; unknown until it says so. */
  #headIndex: number | undefined

  constructor(context: LearnerContext) {
    this.#context = context
  }

  get isEmpty(): boolean {
    return this.#learners.size === 0
  }

  invite(address: string): void {
    this.#invited.add(address)
    this.#context.backOff.forget(address)
  }

  /** Time passes while this configuration is in office: who is gone is dropped, who is missing is looked for. */
  tick(membership: Membership, configuration: Configuration): void {
    const { nowMs } = this.#context.nodes
    for (const [address, learner] of this.#learners) {
      const isStuck = nowMs - learner.progressAtMs > STUCK_MS && learner.nearSinceMs === undefined
      if (isStuck) {
        this.#context.note(`learner ${address} makes no progress`)
        this.#context.backOff.removed(address, nowMs, STUCK_MS)
      }
      if (isStuck || !this.#mayLearn(membership, configuration, address)) this.#learners.delete(address)
    }
    const missing = membership.wanted - configuration.members.length - this.#learners.size
    if (missing <= 0) {
      this.#shortSinceMs = undefined
      return
    }
    this.#shortSinceMs ??= nowMs
    for (const address of this.#candidates(membership, configuration).slice(0, missing)) this.#add(address)
  }

  /** Whom to ask to follow, and whom each follows: those that do not yet, in this configuration's epoch. */
  toAsk(configuration: Configuration): { address: string; upstream: string }[] {
    const upstream = upstreamOfLearners(configuration)
    const asked = [...this.#learners.values()].filter(({ address, incarnation, epoch }) => {
      return epoch !== configuration.epoch || incarnation !== this.#context.nodes.incarnationAt(address)
    })
    return asked.map(({ address }) => ({ address, upstream }))
  }

  has(address: string): boolean {
    return this.#learners.has(address)
  }

  /** The head of the configuration in office holds so much. */
  headHolds(index: number): void {
    this.#headIndex = Math.max(this.#headIndex ?? 0, index)
  }

  heard(configuration: Configuration, address: string, incarnation: number, replica: ReplicaHeartbeat): void {
    const learner = this.#learners.get(address)
    if (learner === undefined || !replica.learner || replica.epoch !== configuration.epoch) return
    const { nowMs } = this.#context.nodes
    const isNew = learner.epoch !== configuration.epoch || learner.incarnation !== incarnation
    if (isNew) {
      learner.epoch = configuration.epoch
      learner.incarnation = incarnation
      learner.nearSinceMs = undefined
      learner.goal = Number.POSITIVE_INFINITY
    }
    const { reportedIndex, baseReceivedBytes, baseTotalBytes } = replica
    if (reportedIndex !== learner.index || baseReceivedBytes !== learner.baseReceivedBytes)
      learner.progressAtMs = nowMs
    Object.assign(learner, { index: reportedIndex, baseReceivedBytes, baseTotalBytes })
    // What the head held a heartbeat ago: with writes going on nobody ever holds what it holds now.
    if (reportedIndex >= learner.goal) learner.nearSinceMs ??= nowMs
    else if (learner.goal !== Number.POSITIVE_INFINITY) learner.nearSinceMs = undefined
    learner.goal = this.#headIndex ?? Number.POSITIVE_INFINITY
  }

  /** Those that have caught up, as soon as it makes sense to take them in. */
  near(): string[] {
    const { nowMs } = this.#context.nodes
    const all = [...this.#learners.values()]
    const near = all.filter(({ nearSinceMs }) => nearSinceMs !== undefined)
    const longestMs = Math.max(...near.map(({ nearSinceMs }) => nowMs - nearSinceMs!))
    if (near.length < all.length && longestMs < NEAR_TOGETHER_MS) return []
    return near.map(({ address }) => address)
  }

  progress(configuration: Configuration): LearnerProgress[] {
    const upstream = upstreamOfLearners(configuration)
    return [...this.#learners.values()].map(learner => {
      const { address, index, baseReceivedBytes, baseTotalBytes } = learner
      return { address, upstream, index, baseReceivedBytes, baseTotalBytes }
    })
  }

  /** A new configuration is in office: its members are no learners any more, and all others begin anew in its epoch. */
  entered(configuration: Configuration): void {
    this.#headIndex = undefined
    for (const { address } of configuration.members) {
      this.#learners.delete(address)
      this.#invited.delete(address)
    }
  }

  #add(address: string): void {
    this.#context.note(`${address} is brought in as a learner`)
    this.#learners.set(address, {
      address,
      incarnation: 0,
      epoch: 0,
      index: 0,
      baseReceivedBytes: 0,
      baseTotalBytes: 0,
      goal: Number.POSITIVE_INFINITY,
      nearSinceMs: undefined,
      progressAtMs: this.#context.nodes.nowMs,
    })
  }

  /** The shard's own nodes first, in their order; after a while any other, those with the fewest replicas first. */
  #candidates(membership: Membership, configuration: Configuration): string[] {
    const { listed, nodes, replicasOn } = this.#context
    const shortMs = nodes.nowMs - (this.#shortSinceMs ?? nodes.nowMs)
    const own = [...this.#invited, ...listed.replicas]
    const others = nodes.alive().filter(address => !own.includes(address))
    others.sort((a, b) => replicasOn(a) - replicasOn(b))
    const all = [...new Set(own), ...(shortMs >= REPLACEMENT_GRACE_MS ? others : [])]
    return all.filter(
      address => !this.#learners.has(address) && this.#mayLearn(membership, configuration, address),
    )
  }

  #mayLearn(membership: Membership, configuration: Configuration, address: string): boolean {
    const { listed, nodes, backOff } = this.#context
    if (nodes.incarnationAt(address) === undefined || memberAt(configuration, address) !== undefined)
      return false
    if (membership.left.includes(address) || backOff.leftMs(address, nodes.nowMs) > 0) return false
    const logId = nodes.node(address)?.replicas.get(listed.ordinal)?.logId ?? ''
    return logId === '' || logId === membership.logId
  }
}

/** Whom a learner follows: the tail of a chain, the hub of a star. */
function upstreamOfLearners({ topology, members, head }: Configuration): string {
  return topology === Topology.STAR ? head : members.at(-1)!.address
}
