/**
 * The coordinator's state machine for one shard: how it gets from one configuration to the next. An epoch number is
 * reserved in the store before its first Seal; the configuration is stored before any replica is told; ACTIVE is
 * recorded before any replica is told (I1, I6). Any surprise on the way burns the epoch and begins again with a higher.
 */
import { Topology } from '../generated/varve/v1/cluster.js'
import {
  type Configuration,
  ConfigurationStatus,
  type ReplicaHeartbeat,
  type ReplicaSummary,
} from '../generated/varve/v1/replication.js'
import { activated, hasEnoughMembers, memberAt } from './configuration.js'
import type { Body } from './effects.js'
import { chooseHead, survivorFault } from './head-choice.js'
import type { ListedShard, Membership, StoredMembership } from './membership.js'
import { plantTree } from './topology.js'

/** Ticks after which a change that could not be completed is tried again, with a higher epoch. */
const RETRY_AFTER_TICKS = 50

/** Ticks between two persisted copies of what members reported. */
const PERSIST_REPORTS_TICKS = 100

/** What a sealed replica holds, and which life of its process said so. */
type Seals = Map<string, { readonly incarnation: number; readonly summary: ReplicaSummary }>

type Phase =
  /** In office, or waiting for members. */
  | { readonly name: 'idle' }
  | { readonly name: 'reserving'; readonly epoch: number }
  | { readonly name: 'sealing'; readonly epoch: number; readonly seals: Seals }
  | { readonly name: 'proposing'; readonly configuration: Configuration }
  | { readonly name: 'configuring'; readonly configuration: Configuration }
  | { readonly name: 'recording'; readonly configuration: Configuration }

/** What the shard needs of the coordinator around it. */
export interface ChangeContext {
  /** The incarnation of the process that is alive at this address, if one registered. */
  incarnationAt(address: string): number | undefined
  /** What that process said of its replica of this shard when it registered. */
  registered(address: string): ReplicaSummary | undefined
  send(to: string, epoch: number, body: Body): void
  /** Stores the value; `stored` is called with the outcome. */
  store(expectedRevision: number, membership: Membership): void
  changed(): void
}

export class ShardChange {
  readonly listed: ListedShard
  readonly #context: ChangeContext
  #revision: number
  #membership: Membership
  #phase: Phase = { name: 'idle' }
  #writing = false
  #waitingFor = ''
  #reports = new Map<string, number>()
  #commitBound: number
  #ticks = 0
  #retryAtTick = 0

  /** `logId` is used if the shard was never born; the caller makes it. */
  constructor(
    listed: ListedShard,
    stored: StoredMembership | undefined,
    logId: string,
    context: ChangeContext,
  ) {
    this.listed = listed
    this.#context = context
    this.#revision = stored?.revision ?? 0
    this.#membership = stored?.membership ?? unborn(logId)
    this.#commitBound = this.#membership.commitBound
    for (const [address, index] of Object.entries(this.#membership.reports)) this.#reports.set(address, index)
  }

  /** The newest configuration stored. */
  get current(): Configuration | null {
    return this.#membership.current
  }

  /** Highest epoch reserved. */
  get reservedEpoch(): number {
    return this.#membership.reservedEpoch
  }

  get status(): 'ACTIVE' | 'PROPOSED' | 'WAITING' {
    if ('configuration' in this.#phase) return 'PROPOSED'
    if (this.#phase.name !== 'idle' || this.#waitingFor !== '') return 'WAITING'
    return this.#changeDue() === undefined ? 'ACTIVE' : 'WAITING'
  }

  /** What the shard waits for, in words; empty while it waits for nothing. */
  get waitingFor(): string {
    return this.#waitingFor
  }

  /** A process registered or fell silent, or time passed: begin a change if one is due and possible. */
  consider(): void {
    if (this.#writing || this.#ticks < this.#retryAtTick) return
    if (this.#phase.name !== 'idle' && this.#participantsStand()) return
    const reason = this.#phase.name === 'idle' ? this.#changeDue() : 'a member restarted'
    const missing = this.#order().filter(address => this.#context.incarnationAt(address) === undefined)
    if (reason === undefined) return this.#wait(missing.join(', '))
    if (missing.length > 0) return this.#wait(missing.join(', '))
    const fault = this.#birthFault()
    if (fault !== undefined) return this.#wait(fault)
    this.#reserve()
  }

  sealed(from: string, incarnation: number, epoch: number, summary: ReplicaSummary): void {
    const phase = this.#phase
    if (phase.name !== 'sealing' || phase.epoch !== epoch) return
    if (this.#context.incarnationAt(from) !== incarnation) return
    if (summary.adoptedEpoch !== epoch) return
    phase.seals.set(from, { incarnation, summary })
    if (this.#unsealed(phase.seals).length === 0) this.#propose(phase.epoch, phase.seals)
  }

  ready(from: string, incarnation: number, epoch: number, epochIndex: number, epochHash: Buffer): void {
    const phase = this.#phase
    if (phase.name !== 'configuring' || phase.configuration.epoch !== epoch || this.#writing) return
    const head = memberAt(phase.configuration, from)
    if (from !== phase.configuration.head || head?.incarnation !== incarnation) return
    const configuration = activated(phase.configuration)
    this.#phase = { name: 'recording', configuration }
    const isBase = hasEnoughMembers(configuration)
    const base = { base: configuration, baseEpochIndex: epochIndex, baseEpochHash: epochHash.toString('hex') }
    this.#reports = new Map(configuration.members.map(({ address }) => [address, epochIndex]))
    if (isBase) this.#commitBound = Math.max(this.#commitBound, epochIndex)
    this.#write({
      ...this.#membership,
      ...(isBase ? base : {}),
      current: configuration,
      activeEpochs: [...this.#membership.activeEpochs, epoch],
      reports: Object.fromEntries(this.#reports),
      commitBound: this.#commitBound,
    })
  }

  heartbeat(from: string, incarnation: number, replica: ReplicaHeartbeat): void {
    const { current } = this.#membership
    if (current === null || memberAt(current, from)?.incarnation !== incarnation) return
    if (this.#phase.name !== 'idle' || current.status !== ConfigurationStatus.ACTIVE) return
    if (!(replica.active && replica.epoch === current.epoch)) {
      if (replica.epoch <= current.epoch) this.#activate(from, current)
      return
    }
    this.#reports.set(from, Math.max(this.#reports.get(from) ?? 0, replica.reportedIndex))
    this.#commitBound = Math.max(this.#commitBound, replica.commitIndex)
  }

  /** The outcome of `store`: the new revision, or undefined where the value had changed meanwhile. */
  stored(revision: number | undefined): void {
    this.#writing = false
    if (revision === undefined)
      throw new Error(`shard ${this.listed.name}: another coordinator writes to this store`)
    this.#revision = revision
    const before = this.#phase
    this.#afterStore()
    // Reports are stored now and then: nobody needs a new shard map for that.
    if (this.#phase !== before) this.#context.changed()
  }

  tick(): void {
    this.#ticks += 1
    const phase = this.#phase
    if (phase.name === 'sealing') this.#seal(phase.epoch, phase.seals)
    if (phase.name === 'configuring') this.#configure(phase.configuration)
    this.consider()
    if (this.#ticks % PERSIST_REPORTS_TICKS === 0) this.#persistReports()
  }

  // -- why and when

  /** The order in which members stand: the base's, or the listed one for a shard that was never in office. */
  #order(): readonly string[] {
    return this.#membership.base?.members.map(({ address }) => address) ?? this.listed.replicas
  }

  #changeDue(): string | undefined {
    const { current } = this.#membership
    if (current === null) return 'the shard is not born yet'
    if (current.status !== ConfigurationStatus.ACTIVE) return 'the last change was not finished'
    // An earlier life of this coordinator may have sealed replicas in it: they serve in no lower one any more.
    if (this.#membership.reservedEpoch > current.epoch) return 'an epoch was reserved and never used'
    const restarted = current.members.some(({ address, incarnation }) => {
      const alive = this.#context.incarnationAt(address)
      return alive !== undefined && alive !== incarnation
    })
    return restarted ? 'a member restarted' : undefined
  }

  /** True while every process that takes part in the change that is under way is the one that it began with. */
  #participantsStand(): boolean {
    const phase = this.#phase
    if (!('configuration' in phase)) return true
    return phase.configuration.members.every(({ address, incarnation }) => {
      const alive = this.#context.incarnationAt(address)
      return alive === undefined || alive === incarnation
    })
  }

  /** A store that knows nothing must not make a new shard over old data (Changes of configuration, 9). */
  #birthFault(): string | undefined {
    if (this.#membership.reservedEpoch > 0) return undefined
    for (const address of this.listed.replicas) {
      const summary = this.#context.registered(address)
      if (summary === undefined) return `${address} to say what it holds`
      if (summary.adoptedEpoch === 0 && summary.lastIndex === 0) continue
      return `an operator: ${address} holds data of epoch ${summary.adoptedEpoch}, this coordinator has no record of it`
    }
    return undefined
  }

  #wait(waitingFor: string): void {
    if (waitingFor === this.#waitingFor) return
    this.#waitingFor = waitingFor
    this.#context.changed()
  }

  // -- the steps of a change

  #reserve(): void {
    const heard = this.#order().map(address => this.#context.registered(address)?.adoptedEpoch ?? 0)
    const epoch = Math.max(this.#membership.reservedEpoch, ...heard) + 1
    this.#waitingFor = ''
    this.#phase = { name: 'reserving', epoch }
    this.#write({ ...this.#membership, reservedEpoch: epoch })
  }

  #seal(epoch: number, seals: Seals): void {
    for (const address of this.#unsealed(seals))
      this.#context.send(address, epoch, { $case: 'seal', value: {} })
  }

  /** Members whose present process has not sealed yet; what an earlier life of it said does not count. */
  #unsealed(seals: Seals): string[] {
    return this.#order().filter(address => {
      const alive = this.#context.incarnationAt(address)
      return alive === undefined || seals.get(address)?.incarnation !== alive
    })
  }

  #propose(epoch: number, seals: Seals): void {
    const order = this.#order()
    const summaries = new Map([...seals].map(([address, { summary }]) => [address, summary]))
    const remembered = { ...this.#membership, reports: Object.fromEntries(this.#reports) }
    for (const [address, summary] of summaries) {
      const fault = survivorFault(remembered, address, summary)
      if (fault !== undefined) return this.#giveUp(`an operator: ${address} ${fault}`)
    }
    const head = chooseHead(this.#membership, order, summaries)
    if (head === undefined) return this.#giveUp('a survivor of the last configuration')
    const { lastIndex } = summaries.get(head)!
    if (lastIndex < this.#commitBound) {
      return this.#giveUp(`a member that holds index ${this.#commitBound}; ${head} ends at ${lastIndex}`)
    }
    const peers = [head, ...order.filter(address => address !== head)].map(address => ({
      address,
      incarnation: this.#context.incarnationAt(address)!,
    }))
    const topology = this.listed.topology === 'star' ? Topology.STAR : Topology.CHAIN
    const configuration: Configuration = {
      shard: this.listed.ordinal,
      logId: this.#membership.logId,
      epoch,
      head,
      members: plantTree(topology, peers),
      topology,
      minInSync: this.listed.minInSync,
      status: ConfigurationStatus.PROPOSED,
      recovery: undefined,
    }
    this.#phase = { name: 'proposing', configuration }
    this.#write({ ...this.#membership, current: configuration })
  }

  #configure(configuration: Configuration): void {
    for (const { address } of configuration.members) {
      this.#context.send(address, configuration.epoch, { $case: 'configure', value: { configuration } })
    }
  }

  #activate(to: string, configuration: Configuration): void {
    this.#context.send(to, configuration.epoch, { $case: 'activate', value: { configuration } })
  }

  #giveUp(waitingFor: string): void {
    this.#phase = { name: 'idle' }
    this.#retryAtTick = this.#ticks + RETRY_AFTER_TICKS
    this.#wait(waitingFor)
  }

  #afterStore(): void {
    const phase = this.#phase
    if (phase.name === 'reserving') {
      const seals: Seals = new Map()
      this.#phase = { name: 'sealing', epoch: phase.epoch, seals }
      this.#seal(phase.epoch, seals)
    } else if (phase.name === 'proposing') {
      this.#phase = { name: 'configuring', configuration: phase.configuration }
      this.#configure(phase.configuration)
    } else if (phase.name === 'recording') {
      this.#phase = { name: 'idle' }
      for (const { address } of phase.configuration.members) this.#activate(address, phase.configuration)
    }
  }

  #persistReports(): void {
    const { current, reports, commitBound } = this.#membership
    if (this.#writing || this.#phase.name !== 'idle' || current === null) return
    const isNews = [...this.#reports].some(([address, index]) => reports[address] !== index)
    if (!isNews && commitBound === this.#commitBound) return
    this.#write({
      ...this.#membership,
      reports: Object.fromEntries(this.#reports),
      commitBound: this.#commitBound,
    })
  }

  #write(membership: Membership): void {
    this.#writing = true
    this.#membership = membership
    this.#context.store(this.#revision, membership)
  }
}

function unborn(logId: string): Membership {
  return {
    logId,
    reservedEpoch: 0,
    current: null,
    base: null,
    baseEpochIndex: 0,
    baseEpochHash: '',
    activeEpochs: [],
    reports: {},
    commitBound: 0,
  }
}
