/**
 * The coordinator's care for one shard: it looks when another configuration is due, whom it has to wait for, who is to
 * be brought in, and what operators want. The steps of a change are `ShardChange`'s.
 */
import type { Configuration, ReplicaHeartbeat, ReplicaSummary } from '../generated/varve/v1/replication.js'
import { BackOff } from './back-off.js'
import { awaited, birthFault, changeDue, memberFault, membersInOrder } from './change-due.js'
import { isActive, memberAt } from './configuration.js'
import type { Body } from './effects.js'
import { Laggards } from './laggards.js'
import { type LearnerProgress, Learners } from './learners.js'
import type { ListedShard, Membership, StoredMembership } from './membership.js'
import type { NodeTable } from './node-table.js'
import { type Force, ShardChange } from './shard-change.js'
import { ShardRecord } from './shard-record.js'

/** A member that does not reach what its upstream held so long ago holds the shard up, and is removed, ms. */
export const LAG_MS_MAX = 5_000
/** A removed laggard comes back after so long at the earliest, ms. */
const LAGGARD_BACK_OFF_MS = 5_000
/** A change that found no survivor, or the like, is tried again after so long, ms. */
const RETRY_MS = 1_000
/** Between two persisted copies of what members reported, ms. */
const PERSIST_REPORTS_MS = 5_000
/** Between two shard maps that differ only in how far learners are, ms. */
const SHOW_LEARNERS_MS = 500

/** What the shard needs of the coordinator around it. */
export interface ControlContext {
  readonly nodes: NodeTable
  /** In how many shards the node has a replica. */
  readonly replicasOn: (address: string) => number
  send(to: string, epoch: number, body: Body): void
  /** Stores the value; `stored` is called with the outcome. */
  store(expectedRevision: number, membership: Membership): void
  /** The shard map is another one; `isInOffice`: and whoever serves the shard now has just come into office. */
  changed(isInOffice?: boolean): void
  /** Something that operators want to find in the log later. */
  note(message: string): void
}

export class ShardControl {
  readonly listed: ListedShard
  readonly #context: ControlContext
  readonly #nodes: NodeTable
  readonly #record: ShardRecord
  readonly #change: ShardChange
  readonly #learners: Learners
  readonly #laggards = new Laggards(LAG_MS_MAX)
  readonly #backOff = new BackOff()
  #waitingFor = ''
  #isStuck = false
  #force: Force | undefined
  #retryAtMs = 0
  #outageSinceMs: number | undefined
  #persistedAtMs = 0
  #learnersShown = '[]'
  #learnersShownAtMs = 0

  /** `logId` is used if the shard was never born; the caller makes it. */
  constructor(
    listed: ListedShard,
    stored: StoredMembership | undefined,
    logId: string,
    context: ControlContext,
  ) {
    const { nodes, replicasOn } = context
    this.listed = listed
    this.#context = context
    this.#nodes = nodes
    this.#record = new ShardRecord(listed, stored, logId, (revision, value) => context.store(revision, value))
    const note = (message: string) => context.note(message)
    this.#learners = new Learners({ listed, nodes, backOff: this.#backOff, replicasOn, note })
    this.#change = new ShardChange({
      record: this.#record,
      nodes,
      send: (to, epoch, body) => context.send(to, epoch, body),
      toSeal: () => this.#toSeal(),
      order: () => this.#order(),
      isLeftOut: address => this.#isLeftOut(address),
      heldUp: configuration => this.#removeLaggard(this.#laggards.find(configuration, nodes.nowMs)),
      gaveUp: waitingFor => {
        this.#retryAtMs = nodes.nowMs + RETRY_MS
        this.#waitStuck(waitingFor)
      },
      proposed: () => this.#wait(''),
      inOffice: (configuration, before) => this.#enterOffice(configuration, before),
    })
  }

  /** The value as it is stored, or about to be. */
  get membership(): Membership {
    return this.#record.membership
  }

  /** The newest configuration stored. */
  get current(): Configuration | null {
    return this.membership.current
  }

  get status(): 'ACTIVE' | 'PROPOSED' | 'WAITING' {
    switch (this.#change.phase) {
      case 'idle':
        return this.#isServing() ? 'ACTIVE' : 'WAITING'
      case 'draining':
        return 'ACTIVE'
      case 'reserving':
      case 'sealing':
        return 'WAITING'
      default:
        return 'PROPOSED'
    }
  }

  /** What the shard waits for, in words; empty while it waits for nothing. */
  get waitingFor(): string {
    return this.#waitingFor
  }

  /** It waits for members that may never come back: an operator may give up what they had. */
  get isStuck(): boolean {
    return this.#isStuck && this.#waitingFor !== ''
  }

  get learners(): LearnerProgress[] {
    return this.current === null ? [] : this.#learners.progress(this.current)
  }

  /** What a member last said that it holds. */
  reportOf(address: string): number {
    return this.#record.reports.of(address)
  }

  isLearner(address: string): boolean {
    return this.#learners.has(address)
  }

  /** Time passed, or a process came or went: go on with what is under way, or begin what is due. */
  consider(): void {
    if (this.#record.isWriting) return
    this.#change.goOn()
    if (this.#change.phase === 'idle' && !this.#record.isWriting) this.#rest()
  }

  sealed(from: string, incarnation: number, epoch: number, summary: ReplicaSummary): void {
    this.#change.sealed(from, incarnation, epoch, summary)
  }

  ready(from: string, incarnation: number, epoch: number, epochIndex: number, epochHash: Buffer): void {
    this.#change.ready(from, incarnation, epoch, epochIndex, epochHash)
  }

  heartbeat(from: string, incarnation: number, replica: ReplicaHeartbeat): void {
    const { current } = this
    if (current === null) return
    const isMember = memberAt(current, from)?.incarnation === incarnation
    if (isMember) this.#laggards.heard(current.epoch, from, replica)
    if (!isActive(current) || this.status === 'PROPOSED') return
    if (!isMember) return this.#strangerBeats(current, from, incarnation, replica)
    if (!(replica.active && replica.epoch === current.epoch)) {
      if (replica.epoch <= current.epoch && this.#change.phase === 'idle') this.#activate(from, current)
      return
    }
    this.#record.reports.heard(from, replica)
    if (from !== current.head) return
    this.#learners.headHolds(replica.reportedIndex)
    if (replica.drained) this.#change.drained(replica.epoch)
  }

  /** The outcome of `store`: the new revision, or undefined where the value had changed meanwhile. */
  stored(revision: number | undefined): void {
    this.#record.stored(revision)
    const before = this.#change.phase
    this.#change.stored()
    // Reports are stored now and then: nobody needs a new shard map for that.
    if (this.#change.phase !== before) this.#context.changed(before === 'recording')
  }

  /** This process itself paused: the silence of others proves nothing. */
  forgive(): void {
    this.#laggards.forgive()
  }

  // -- what operators ask for; who may ask for what is checked before (operator-wishes.ts)

  leave(address: string): void {
    this.#record.wish({ left: [...new Set([...this.#record.wished.left, address])] })
    this.#context.changed()
  }

  /** The node may hold a replica again; `invite`: it shall, as one more where the shard has as many as it wants. */
  join(address: string, invite: boolean): void {
    const { left, wanted } = this.#record.wished
    const members = this.membership.active?.members.length ?? 0
    this.#record.wish({ left: left.filter(each => each !== address) })
    this.#context.changed()
    if (!invite) return
    this.#record.wish({ wanted: Math.max(wanted, members + 1) })
    this.#learners.invite(address)
  }

  /** Begins with what is left. Resolves when the configuration is stored; rejects with why not. */
  recover(address: string): Promise<Configuration> {
    return new Promise((done, failed) => {
      this.#force?.failed('another recovery was asked for')
      this.#force = { address, done, failed: reason => failed(new Error(reason)) }
      this.consider()
    })
  }

  // -- why and when

  #isServing(): boolean {
    const { current, reservedEpoch } = this.membership
    if (current === null || !isActive(current) || reservedEpoch > current.epoch) return false
    return memberFault(current, this.#nodes) === undefined && !this.#isUnheard(current)
  }

  /** A coordinator that just started calls nothing in office before it heard of all members. */
  #isUnheard({ members }: Configuration): boolean {
    return members.some(({ address }) => this.#nodes.state(address) === 'unknown')
  }

  /** No change is under way. */
  #rest(): void {
    const { current } = this
    const { nowMs } = this.#nodes
    if (this.#record.hasWishes) return this.#record.write({})
    if (this.#force !== undefined) {
      const force = this.#force
      this.#force = undefined
      return this.#change.begin(force)
    }
    this.#watchOutage()
    const inOffice = current !== null && isActive(current)
    const laggard = inOffice ? this.#laggards.find(current, nowMs) : undefined
    const wishes = { laggard, near: this.#learners.near() }
    const reason = changeDue(this.membership, this.#nodes, wishes)
    if (reason !== undefined) {
      if (nowMs >= this.#retryAtMs) this.#begin(reason, laggard)
      return
    }
    this.#wait(inOffice && this.#isUnheard(current) ? this.#awaited(0) : '')
    if (inOffice) this.#bringIn(current)
    if (nowMs - this.#persistedAtMs >= PERSIST_REPORTS_MS) this.#persistReports()
  }

  /** Begins a change, unless it has to wait for somebody. */
  #begin(reason: string, laggard: string | undefined): void {
    if (this.membership.base !== null && this.#toSeal().length === 0) {
      return this.#waitStuck(`a survivor: one of ${this.#survivors().join(', ')}`)
    }
    const outageMs = this.#outageSinceMs === undefined ? 0 : this.#nodes.nowMs - this.#outageSinceMs
    const missing = this.#awaited(outageMs)
    if (missing !== '') return this.#wait(missing)
    const fault = birthFault(this.listed, this.membership, this.#nodes)
    if (fault !== undefined) return this.#wait(fault)
    this.#removeLaggard(laggard)
    // While a stuck change is tried again, what it waits for still stands.
    if (!this.#isStuck) {
      this.#context.note(`another configuration is due: ${reason}`)
      this.#wait('')
    }
    const { current } = this
    const leaves = current !== null && isActive(current) && this.membership.left.includes(current.head)
    if (leaves && memberFault(current, this.#nodes) === undefined) this.#change.beginDrained()
    else this.#change.begin()
    this.#context.changed()
  }

  #awaited(outageMs: number): string {
    return awaited(this.listed, this.membership, this.#nodes, outageMs)
  }

  /** How long it has been that somebody is there, and nobody of those in office lives on. */
  #watchOutage(): void {
    const order = [...membersInOrder(this.listed, this.membership), ...this.#survivors()]
    const isBack = order.some(address => this.#nodes.incarnationAt(address) !== undefined)
    const livesOn = this.membership.active?.members.some(
      ({ address, incarnation }) => this.#nodes.incarnationAt(address) === incarnation,
    )
    if (livesOn || !isBack) this.#outageSinceMs = undefined
    else this.#outageSinceMs ??= this.#nodes.nowMs
  }

  #survivors(): string[] {
    return this.membership.base?.members.map(({ address }) => address) ?? [...this.listed.replicas]
  }

  /** Those in office, in their order, then learners that caught up: as far as they are alive. */
  #order(): string[] {
    const order = [...membersInOrder(this.listed, this.membership), ...this.#learners.near()]
    return order.filter(address => this.#nodes.incarnationAt(address) !== undefined)
  }

  /** Whom to seal: with the others all that may be survivors (I5), whether they are in office or not. */
  #toSeal(): string[] {
    const survivors = this.#survivors().filter(address => this.#nodes.incarnationAt(address) !== undefined)
    return [...new Set([...this.#order(), ...survivors])]
  }

  /** Who left, or was removed a moment ago, is taken only where there is nobody else. */
  #isLeftOut(address: string): boolean {
    return this.membership.left.includes(address) || this.#backOff.leftMs(address, this.#nodes.nowMs) > 0
  }

  /** True where there is one: it is left out of the next configuration, and for some time. */
  #removeLaggard(laggard: string | undefined): boolean {
    if (laggard === undefined) return false
    this.#backOff.removed(laggard, this.#nodes.nowMs, LAGGARD_BACK_OFF_MS)
    return true
  }

  #waitStuck(waitingFor: string): void {
    if (waitingFor !== this.#waitingFor) this.#context.note(`waiting for ${waitingFor}`)
    this.#wait(waitingFor)
    this.#isStuck = true
  }

  #wait(waitingFor: string): void {
    this.#isStuck = false
    if (waitingFor === this.#waitingFor) return
    this.#waitingFor = waitingFor
    this.#context.changed()
  }

  #enterOffice(configuration: Configuration, before: Configuration | null): void {
    const { nowMs } = this.#nodes
    this.#learners.entered(configuration)
    const { epoch, members } = configuration
    this.#context.note(`epoch ${epoch} is in office: ${members.map(({ address }) => address).join(', ')}`)
    for (const { address } of before?.members ?? []) {
      if (memberAt(configuration, address) === undefined) this.#backOff.removed(address, nowMs)
    }
    for (const { address } of configuration.members) {
      if (before === null || memberAt(before, address) === undefined) this.#backOff.entered(address, nowMs)
      this.#activate(address, configuration)
    }
  }

  #activate(to: string, configuration: Configuration): void {
    this.#context.send(to, configuration.epoch, { $case: 'activate', value: { configuration } })
  }

  // -- learners and strangers

  #bringIn(current: Configuration): void {
    this.#learners.tick(this.membership, current)
    for (const { address, upstream } of this.#learners.toAsk(current)) {
      const { activeEpochIndex } = this.membership
      if (activeEpochIndex > 0) this.#record.reports.lower(address, activeEpochIndex - 1)
      const value = { configuration: current, upstream }
      this.#context.send(address, current.epoch, { $case: 'learn', value })
    }
    const shown = JSON.stringify(this.learners)
    const { nowMs } = this.#nodes
    if (shown === this.#learnersShown || nowMs - this.#learnersShownAtMs < SHOW_LEARNERS_MS) return
    this.#learnersShown = shown
    this.#learnersShownAtMs = nowMs
    this.#context.changed()
  }

  /** A replica that is no member says where it stands: a learner's progress, or that it serves in an epoch long over. */
  #strangerBeats(current: Configuration, from: string, incarnation: number, replica: ReplicaHeartbeat): void {
    this.#learners.heard(current, from, incarnation, replica)
    if (this.#learners.has(from) || replica.epoch >= current.epoch || replica.epoch === 0) return
    this.#context.send(from, current.epoch, { $case: 'seal', value: {} })
  }

  #persistReports(): void {
    this.#persistedAtMs = this.#nodes.nowMs
    if (this.current !== null && this.#record.reports.isNews) this.#record.write({})
  }
}
