/**
 * The coordinator's state machine: who is alive, and for every shard the change that is under way. It takes messages
 * and ticks with the monotonic time and returns effects; disk, network and clock are its driver's. Reads and writes
 * never pass through it: while it is down the cluster serves on, and only changes wait.
 */
import {
  type Member,
  type NodeList,
  type Shard,
  type ShardMap,
  Topology,
} from '../generated/varve/v1/cluster.js'
import type { Configuration, Envelope, Heartbeat, Register } from '../generated/varve/v1/replication.js'
import type { Body } from './effects.js'
import type { ListedShard, Membership, MembershipStore } from './membership.js'
import { nodeListOf } from './node-list.js'
import { NodeTable } from './node-table.js'
import { joinFault, leaveFault, recoverFault } from './operator-wishes.js'
import { type ControlContext, ShardControl } from './shard-control.js'

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
  /** Something happened to a shard that operators want to find in the log later. */
  | { readonly type: 'note'; readonly shard: string; readonly message: string }

export type CoordinatorEvent =
  | { readonly type: 'message'; readonly envelope: Envelope }
  | { readonly type: 'stored'; readonly shard: number; readonly revision: number | undefined }
  /** The link to `address` broke, or could not be opened. */
  | { readonly type: 'linkDown'; readonly address: string }

/** A node that beats with an older shard map is sent the same one again after so long, ms: it may be busy, or it was lost. */
export const MAP_REPEAT_MS = 500

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

export class Coordinator {
  readonly #options: CoordinatorOptions
  readonly #nodes: NodeTable
  readonly #shards: ReadonlyMap<number, ShardControl>
  #effects: CoordinatorEffect[] = []
  #revision: number
  #mapDirty = false
  /** Nodes wait for a newer map until the next tick; where it says who serves now, until the step's end. */
  #mapDue: 'no' | 'at the next tick' | 'now' = 'no'
  #lastTickMs: number | undefined

  constructor(options: CoordinatorOptions) {
    this.#options = options
    this.#revision = options.firstRevision
    this.#nodes = new NodeTable(options.heartbeatTimeoutMs)
    this.#shards = new Map(
      options.shards.map(listed => {
        const stored = options.store.read(listed.ordinal)
        const context = this.#contextOf(listed.ordinal)
        return [listed.ordinal, new ShardControl(listed, stored, options.newLogId(), context)]
      }),
    )
    // Whoever a stored configuration names has not been heard of yet: nothing is in office until it has.
    this.#consider()
  }

  step(event: CoordinatorEvent, nowMs: number): CoordinatorEffect[] {
    this.#nodes.at(nowMs)
    if (event.type === 'stored') this.#shards.get(event.shard)?.stored(event.revision)
    else if (event.type === 'linkDown') this.#suspect(event.address, true)
    else this.#onMessage(event.envelope)
    return this.takeEffects()
  }

  /** `nowMs`: monotonic; `wallMs`: the coordinator's own clock, as one among its nodes'. */
  tick(nowMs: number, wallMs?: number): CoordinatorEffect[] {
    const pausedMs = nowMs - (this.#lastTickMs ?? nowMs)
    this.#lastTickMs = nowMs
    this.#nodes.tick(nowMs, wallMs)
    for (const address of this.#nodes.suspects()) this.#send(address, 0, 0, { $case: 'probe', value: {} })
    for (const shard of this.#shards.values()) {
      if (pausedMs > this.#options.heartbeatTimeoutMs / 2) shard.forgive()
      shard.consider()
    }
    if (this.#mapDue === 'at the next tick') this.#mapDue = 'now'
    return this.takeEffects()
  }

  /** The shard map as it is now. */
  shardMap(): ShardMap {
    return {
      clusterId: this.#options.clusterId,
      revision: this.#revision,
      shards: [...this.#shards.values()].map(shard => shardOf(shard)),
      coordinator: this.#options.address,
      defaultConsistency: this.#options.defaultConsistency,
    }
  }

  /** Addresses of the nodes that were heard of in time. */
  liveNodes(): string[] {
    return this.#nodes.alive()
  }

  /** The nodes, sorted by address, with what is known of their replicas. */
  nodeList(): NodeList {
    return nodeListOf(this.#nodes, [...this.#shards.values()])
  }

  /** Why the node at this address may not leave the shard, in words; undefined where it may. */
  leaveFault(shard: number, address: string, force: boolean): string | undefined {
    const { listed, membership } = this.#shards.get(shard)!
    return leaveFault(listed, membership, address, force)
  }

  /** The node leaves the shard, and is not brought in again until it joins. Ask `leaveFault` before. */
  leave(shard: number, address: string): void {
    this.#shards.get(shard)!.leave(address)
  }

  /** Why the node may not become a member of the shard, in words; undefined where it may. */
  joinFault(shard: number, address: string): string | undefined {
    const { listed, membership } = this.#shards.get(shard)!
    return joinFault(listed, membership, this.#nodes, address)
  }

  /** Lets a node hold a replica again; `invite`: it shall have one, as one more than the shard has. */
  join(shard: number, address: string, invite: boolean): void {
    this.#shards.get(shard)!.join(address, invite)
  }

  /**
   * Begins a shard anew with what is left, or with what `address` holds. Rejects with why not. The effects of the
   * recovery come with the next tick.
   */
  async recover(shard: number, address: string): Promise<Configuration> {
    const control = this.#shards.get(shard)!
    const fault = recoverFault(control.listed, control.membership, this.#nodes, control.isStuck, address)
    if (fault !== undefined) throw new Error(fault)
    return await control.recover(address)
  }

  /** What earlier calls gave rise to. */
  takeEffects(): CoordinatorEffect[] {
    if (this.#mapDirty) {
      this.#mapDirty = false
      this.#revision += 1
      this.#effects.push({ type: 'mapChanged' })
    }
    if (this.#mapDue === 'now') this.#sendMaps()
    const effects = this.#effects
    this.#effects = []
    return effects
  }

  #onMessage(envelope: Envelope): void {
    const { body, from, incarnation, shard, epoch } = envelope
    if (body === undefined) return
    if (body.$case === 'register') return this.#onRegister(from, incarnation, body.value)
    if (!this.#nodes.heard(from, incarnation)) {
      if (body.$case === 'heartbeat') this.#answerHeartbeat(from, incarnation, false)
      return
    }
    switch (body.$case) {
      case 'heartbeat':
        return this.#onHeartbeat(from, incarnation, body.value)
      case 'sealed':
        if (body.value.summary !== undefined) {
          this.#shards.get(shard)?.sealed(from, incarnation, epoch, body.value.summary)
        }
        return
      case 'ready':
        return this.#shards
          .get(shard)
          ?.ready(from, incarnation, epoch, body.value.epochIndex, body.value.epochHash)
      case 'suspect':
        return this.#suspect(body.value.address, false)
      case 'goodbye':
        if (this.#nodes.leave(from, incarnation)) this.#consider()
    }
  }

  /** Twice: the second time it says that the answer to the first arrived at its address. */
  #onRegister(address: string, incarnation: number, register: Register): void {
    if (!register.confirmed) {
      this.#nodes.claim(address, incarnation)
      return this.#answerHeartbeat(address, incarnation, false)
    }
    if (!this.#nodes.register(address, incarnation, register)) return
    this.#answerHeartbeat(address, incarnation, true)
    this.#sendMap(address)
    this.#consider()
  }

  #onHeartbeat(address: string, incarnation: number, heartbeat: Heartbeat): void {
    this.#nodes.heardClock(address, heartbeat.wallMs)
    if (this.#nodes.takeTelling(address)) this.#answerHeartbeat(address, incarnation, true)
    for (const replica of heartbeat.replicas) {
      this.#shards.get(replica.shard)?.heartbeat(address, incarnation, replica)
    }
    if (heartbeat.mapRevision > this.#revision) {
      // An earlier life's clock was ahead: its maps must not hide the newer ones.
      this.#revision = heartbeat.mapRevision
      this.#changeMap(true)
    } else if (heartbeat.mapRevision < this.#revision) this.#sendMapAgain(address)
  }

  #changeMap(isUrgent: boolean): void {
    this.#mapDirty = true
    if (isUrgent) this.#mapDue = 'now'
    else if (this.#mapDue === 'no') this.#mapDue = 'at the next tick'
  }

  /** A change takes several steps, and each is a map of its own: with many members one map for each is much work. */
  #sendMaps(): void {
    this.#mapDue = 'no'
    for (const address of this.liveNodes()) this.#sendMap(address)
  }

  /** The node beats with an older map: unless the newest is on its way to it, or about to be, it gets that. */
  #sendMapAgain(address: string): void {
    const { mapSent } = this.#nodes.node(address)!
    const isOnItsWay =
      mapSent?.revision === this.#revision && this.#nodes.nowMs - mapSent.atMs < MAP_REPEAT_MS
    if (this.#mapDue === 'no' && !isOnItsWay) this.#sendMap(address)
  }

  /** Ask at once: a refusal or an answer will tell more than silence. */
  #suspect(address: string, isOwnLink: boolean): void {
    if (!this.#nodes.suspect(address, isOwnLink)) return
    this.#send(address, 0, 0, { $case: 'probe', value: {} })
    this.#consider()
  }

  #consider(): void {
    for (const shard of this.#shards.values()) shard.consider()
  }

  #answerHeartbeat(to: string, incarnation: number, known: boolean): void {
    const clockAheadMs = this.#nodes.clockAheadMs(to)
    this.#send(to, 0, 0, { $case: 'heartbeatAnswer', value: { known, incarnation, clockAheadMs } })
  }

  #sendMap(to: string): void {
    const node = this.#nodes.node(to)
    if (node !== undefined) node.mapSent = { atMs: this.#nodes.nowMs, revision: this.#revision }
    this.#send(to, 0, 0, { $case: 'shardMap', value: this.shardMap() })
  }

  #send(to: string, shard: number, epoch: number, body: Body): void {
    this.#effects.push({ type: 'send', to, shard, epoch, body })
  }

  #contextOf(shard: number): ControlContext {
    return {
      nodes: this.#nodes,
      replicasOn: address => {
        const holding = [...this.#shards.values()].filter(
          control =>
            control.isLearner(address) || control.current?.members.some(each => each.address === address),
        )
        return holding.length
      },
      send: (to, epoch, body) => this.#send(to, shard, epoch, body),
      store: (expectedRevision, membership) =>
        this.#effects.push({ type: 'store', shard, expectedRevision, membership }),
      changed: isInOffice => this.#changeMap(isInOffice ?? false),
      note: message => {
        const name = this.#options.shards.find(({ ordinal }) => ordinal === shard)!.name
        this.#effects.push({ type: 'note', shard: name, message })
      },
    }
  }
}

function shardOf({ listed, current, status, waitingFor, learners, membership }: ShardControl): Shard {
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
    learners,
    wanted: membership.wanted,
  }
}
