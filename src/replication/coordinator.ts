/**
 * The coordinator's state machine: who is alive, and for every shard the change that is under way. It takes messages
 * and ticks with the monotonic time and returns effects; disk, network and clock are its driver's. Reads and writes
 * never pass through it: while it is down the cluster serves on, and only changes wait.
 */
import { type Member, type Shard, type ShardMap, Topology } from '../generated/varve/v1/cluster.js'
import type { Envelope, Heartbeat, Register, ReplicaSummary } from '../generated/varve/v1/replication.js'
import type { Body } from './effects.js'
import type { ListedShard, Membership, MembershipStore } from './membership.js'
import { type ChangeContext, ShardChange } from './shard-change.js'

export type CoordinatorEffect =
  | {
      readonly type: 'send'
      readonly to: string
      readonly shard: number
      readonly epoch: number
      readonly body: Body
    }
  /** Store by compare-and-set and step `stored` with the outcome. */
  | {
      readonly type: 'store'
      readonly shard: number
      readonly expectedRevision: number
      readonly membership: Membership
    }
  /** The shard map changed: tell whoever watches it on this process. */
  | { readonly type: 'mapChanged' }

export type CoordinatorEvent =
  | { readonly type: 'message'; readonly envelope: Envelope }
  | { readonly type: 'stored'; readonly shard: number; readonly revision: number | undefined }

export interface CoordinatorOptions {
  readonly address: string
  readonly clusterId: string
  readonly shards: readonly ListedShard[]
  readonly defaultConsistency: 'strong' | 'weak'
  /** A node that was silent for so long counts as gone. */
  readonly heartbeatTimeoutMs: number
  readonly store: Pick<MembershipStore, 'read'>
  /**
   * The shard map's first revision, above every one that an earlier life of the coordinator gave out: epoch ms will do.
   * It only tells clients which of two maps is newer; nothing's safety hangs on it.
   */
  readonly firstRevision: number
  /** A fresh random log id, 32 hex digits, for a shard that is not born yet. */
  readonly newLogId: () => string
}

/** A node as the coordinator knows it. */
interface KnownNode {
  readonly address: string
  readonly incarnation: number
  readonly replicas: ReadonlyMap<number, ReplicaSummary>
  lastHeardMs: number
}

export class Coordinator {
  readonly #options: CoordinatorOptions
  readonly #changes: ReadonlyMap<number, ShardChange>
  readonly #nodes = new Map<string, KnownNode>()
  #effects: CoordinatorEffect[] = []
  #nowMs = 0
  #revision: number
  #mapDirty = false

  constructor(options: CoordinatorOptions) {
    this.#options = options
    this.#revision = options.firstRevision
    this.#changes = new Map(
      options.shards.map(listed => {
        const stored = options.store.read(listed.ordinal)
        const context = this.#contextOf(listed.ordinal)
        return [listed.ordinal, new ShardChange(listed, stored, options.newLogId(), context)]
      }),
    )
    // Whoever a stored configuration names has not been heard of yet: nothing is in office until it has.
    for (const change of this.#changes.values()) change.consider()
  }

  step(event: CoordinatorEvent, nowMs: number): CoordinatorEffect[] {
    this.#nowMs = nowMs
    if (event.type === 'stored') this.#changes.get(event.shard)?.stored(event.revision)
    else this.#onMessage(event.envelope)
    return this.#takeEffects()
  }

  tick(nowMs: number): CoordinatorEffect[] {
    this.#nowMs = nowMs
    for (const change of this.#changes.values()) change.tick()
    return this.#takeEffects()
  }

  /** The shard map as it is now. */
  shardMap(): ShardMap {
    const shards = [...this.#changes.values()].map(change => shardOf(change))
    return {
      clusterId: this.#options.clusterId,
      revision: this.#revision,
      shards,
      coordinator: this.#options.address,
      defaultConsistency: this.#options.defaultConsistency,
    }
  }

  /** Addresses of the nodes that were heard of in time. */
  liveNodes(): string[] {
    return [...this.#nodes.values()].filter(node => this.#isAlive(node)).map(({ address }) => address)
  }

  #onMessage(envelope: Envelope): void {
    const { body, from, incarnation, shard, epoch } = envelope
    if (body === undefined) return
    if (body.$case === 'register') return this.#onRegister(from, incarnation, body.value)
    const node = this.#nodes.get(from)
    if (node?.incarnation !== incarnation) {
      if (body.$case === 'heartbeat') this.#answerHeartbeat(from, false)
      return
    }
    node.lastHeardMs = this.#nowMs
    if (body.$case === 'heartbeat') this.#onHeartbeat(from, incarnation, body.value)
    const change = this.#changes.get(shard)
    if (body.$case === 'sealed' && body.value.summary !== undefined) {
      change?.sealed(from, incarnation, epoch, body.value.summary)
    } else if (body.$case === 'ready') {
      change?.ready(from, incarnation, epoch, body.value.epochIndex, body.value.epochHash)
    }
  }

  #onRegister(address: string, incarnation: number, register: Register): void {
    const replicas = new Map(register.replicas.map(summary => [summary.shard, summary]))
    this.#nodes.set(address, { address, incarnation, replicas, lastHeardMs: this.#nowMs })
    this.#answerHeartbeat(address, true)
    this.#sendMap(address)
    for (const change of this.#changes.values()) change.consider()
  }

  #onHeartbeat(address: string, incarnation: number, heartbeat: Heartbeat): void {
    this.#answerHeartbeat(address, true)
    for (const replica of heartbeat.replicas) {
      this.#changes.get(replica.shard)?.heartbeat(address, incarnation, replica)
    }
    if (heartbeat.mapRevision !== this.#revision) this.#sendMap(address)
  }

  #answerHeartbeat(to: string, known: boolean): void {
    this.#send(to, 0, 0, { $case: 'heartbeatAnswer', value: { known, incarnation: 0, clockAheadMs: 0 } })
  }

  #sendMap(to: string): void {
    this.#send(to, 0, 0, { $case: 'shardMap', value: this.shardMap() })
  }

  #send(to: string, shard: number, epoch: number, body: Body): void {
    this.#effects.push({ type: 'send', to, shard, epoch, body })
  }

  #isAlive(node: KnownNode): boolean {
    return this.#nowMs - node.lastHeardMs <= this.#options.heartbeatTimeoutMs
  }

  #contextOf(shard: number): ChangeContext {
    return {
      incarnationAt: address => {
        const node = this.#nodes.get(address)
        return node !== undefined && this.#isAlive(node) ? node.incarnation : undefined
      },
      registered: address => this.#nodes.get(address)?.replicas.get(shard),
      send: (to, epoch, body) => this.#send(to, shard, epoch, body),
      store: (expectedRevision, membership) =>
        this.#effects.push({ type: 'store', shard, expectedRevision, membership }),
      changed: () => {
        this.#mapDirty = true
      },
    }
  }

  #takeEffects(): CoordinatorEffect[] {
    if (this.#mapDirty) {
      this.#mapDirty = false
      this.#revision += 1
      for (const address of this.liveNodes()) this.#sendMap(address)
      this.#effects.push({ type: 'mapChanged' })
    }
    const effects = this.#effects
    this.#effects = []
    return effects
  }
}

function shardOf(change: ShardChange): Shard {
  const { listed, current, status, waitingFor } = change
  const members: Member[] =
    current?.members.map(({ address, upstream }) => ({ address, upstream })) ??
    listed.replicas.map(address => ({ address, upstream: '' }))
  return {
    ordinal: listed.ordinal,
    name: listed.name,
    epoch: current?.epoch ?? 0,
    head: current?.head ?? '',
    members,
    topology: listed.topology === 'star' ? Topology.STAR : Topology.CHAIN,
    minInSync: listed.minInSync,
    status,
    waitingFor,
    learners: [],
    wanted: listed.replicas.length,
  }
}
