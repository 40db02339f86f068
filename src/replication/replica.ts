/**
 * The replica's state machine. `step` and `tick` change memory and return effects; nothing here touches disk, network,
 * clock or chance, and the simulator runs this very file.
 *
 * An epoch's life at one replica: a Seal or Configure *adopts* it (I2: synced before anything else happens in it);
 * Configure makes this process a member, which *follows* its upstream until their logs are *matched* (I3), or, as
 * head, appends the EPOCH entry; when every member reports that entry the head says *Ready*, and Activate puts the
 * configuration in office (I6). Commit is the lowest report of all members (I4). Learn makes it a *learner* instead: it
 * follows a member of the configuration in office in the same way, and nobody counts it.
 */
import type { Configuration, Envelope, ReplicaSummary } from '../generated/varve/v1/replication.js'
import type { Log } from '../log/log.js'
import type { BaseContent } from './base-sender.js'
import { configurationFault, isActive, isMember, memberAt } from './configuration.js'
import type { Downstreams } from './downstreams.js'
import type { Body, Effect, ReplicaEvent } from './effects.js'
import { Following } from './following.js'
import { Leading } from './leading.js'
import { epochEnds } from './matching.js'
import { PeerMessages } from './peer-messages.js'
import { Pulse } from './pulse.js'
import { ReplicaState } from './replica-state.js'
import { type ReadContext, StrongReads } from './strong-reads.js'
import { type Role, roleOf } from './topology.js'

/** What the coordinator says to a replica. */
type CoordinatorBody = Extract<Body, { $case: 'seal' | 'configure' | 'activate' | 'learn' | 'drain' }>

/** A part in an epoch: as a member, or, where an upstream is given, as a learner that follows it. */
interface Part {
  readonly configuration: Configuration
  readonly upstream: string | undefined
}

export interface ReplicaOptions {
  readonly shard: number
  readonly address: string
  readonly incarnation: number
  /** The only one whose Seal, Configure and Activate count. */
  readonly coordinator: string
  /** Read only here; every change is an effect. */
  readonly log: Log
  /** Known to be committed when the process starts: by the log's headers, or by a checkpoint. */
  readonly commitIndex: number
  /** What the log is kept from, if not from its beginning; it is sent to who is too far behind. */
  readonly base?: () => BaseContent | undefined
}

export class Replica {
  readonly #options: ReplicaOptions
  readonly #log: Log
  readonly #state: ReplicaState
  readonly #downstreams: Downstreams
  readonly #reads: StrongReads
  readonly #peers: PeerMessages
  /** What to become once the epoch's adoption is synced. */
  #pending: Part | undefined
  /** What this process is part of, as a member or as a learner; undefined while it is sealed. */
  #part: Part | undefined
  /** How it takes part: one of the two, none while it is sealed. */
  #leading: Leading | undefined
  #following: Following | undefined
  #sealAsked = false
  readonly #pulse = new Pulse()

  constructor(options: ReplicaOptions) {
    const state = new ReplicaState(options.log, options.commitIndex, options.base ?? (() => undefined))
    this.#options = options
    this.#log = options.log
    this.#state = state
    this.#downstreams = state.downstreams
    this.#reads = new StrongReads(
      this.#readContext(),
      (to, body) => state.send(to, body),
      effect => state.emit(effect),
    )
    state.onApplied = index => this.#reads.applied(index)
    this.#peers = new PeerMessages(state, this.#reads, {
      following: () => this.#following,
      head: () => this.configuration?.head,
      progressed: () => this.#progressed(),
    })
  }

  /** The highest epoch adopted, synced or not. */
  get epoch(): number {
    return this.#state.epoch
  }

  /** The configuration that this process is a member of now. */
  get configuration(): Configuration | undefined {
    return this.#part?.upstream === undefined ? this.#part?.configuration : undefined
  }

  /** Invariant: never falls, never above the log's last index. */
  get commitIndex(): number {
    return this.#state.commitIndex
  }

  /** It follows uncounted. */
  get isLearner(): boolean {
    return this.#part?.upstream !== undefined
  }

  /** As head it was asked to drain, and holds nothing any more that is not committed. */
  get isDrained(): boolean {
    return this.#leading?.isDrained ?? false
  }

  get isHead(): boolean {
    return this.#leading !== undefined
  }

  /** True once the coordinator said that this epoch's configuration is in office. */
  get isActive(): boolean {
    return this.#state.isActive
  }

  get role(): Role | 'learner' | 'sealed' {
    if (this.#part === undefined) return 'sealed'
    if (this.isLearner) return 'learner'
    const { topology, members } = this.#part.configuration
    return roleOf(topology, members, this.#options.address) ?? 'sealed'
  }

  /** What this replica itself reports (I3): durable and matched. Undefined before it has matched. */
  get reportedIndex(): number | undefined {
    return this.#leading?.reportedIndex ?? this.#following?.reportedIndex
  }

  /** A base on its way in: bytes received, and in all; zeros where none is. */
  get baseProgress(): { receivedBytes: number; totalBytes: number } {
    const { receivedBytes, totalBytes } = this.#state.baseReceiver
    return { receivedBytes, totalBytes }
  }

  /**
   * The log up to here is nobody's concern but this replica's, and may be trimmed: it is a member in office, and who follows
   * it has that much. 0 where it is not, or a base is coming in.
   */
  get trimmableIndex(): number {
    const isMember = this.configuration !== undefined && this.isActive && this.reportedIndex !== undefined
    const { isReceiving } = this.#state.baseReceiver
    return isMember && !isReceiving ? this.#downstreams.sharedIndex : 0
  }

  /** Why no client entry may be appended here now (I6), in words; undefined where one may. */
  writeRefusal(strong: boolean): string | undefined {
    if (this.#leading === undefined) return 'this replica is not the head'
    if (!this.isActive) return `epoch ${this.epoch} is not active yet`
    if (this.#leading.isDraining) return 'the head is leaving: its shard gets another'
    return strong ? this.#leading.strongRefusal() : undefined
  }

  step(event: ReplicaEvent): Effect[] {
    switch (event.type) {
      case 'message':
        this.#onMessage(event.envelope)
        break
      case 'appended':
        this.#leading?.appended(event.record)
        break
      case 'durable':
        this.#onDurable()
        break
      case 'cutDurable':
        this.#following?.cutDurable()
        break
      case 'baseWritten':
        this.#state.baseReceiver.written(event.sizeBytes)
        break
      case 'basePrepared':
        this.#state.preparedBase = event.base
        this.#following?.basePrepared()
        break
      case 'baseDamaged':
        this.#state.baseReceiver.reset()
        this.#following?.baseDamaged()
        break
      case 'read':
        this.#reads.read(event.ticket)
        break
      case 'dropped':
        this.#downstreams.dropped(event.address)
        break
      case 'linkDown':
        this.#downstreams.linkDown(event.address)
        this.#pulse.busy()
        break
    }
    const effects = this.#state.takeEffects()
    if (effects.length > 0) this.#pulse.busy()
    return effects
  }

  /** Time passes: what was not answered is sent again. */
  tick(): Effect[] {
    this.#reads.tick()
    this.#downstreams.tick(this.commitIndex)
    // The next record carries the news; only where none comes is it worth a message, and that can wait for a tick.
    this.#downstreams.tellQuiet(this.commitIndex)
    this.#leading?.tick()
    this.#following?.tick()
    const repeats = this.#pulse.tick()
    if (repeats === 'all') this.#repeat()
    else if (repeats === 'to observers') this.#downstreams.tellObservers(this.commitIndex)
    return this.#state.takeEffects()
  }

  /** What this replica holds, for the coordinator. */
  summary(): ReplicaSummary {
    return {
      shard: this.#options.shard,
      adoptedEpoch: this.epoch,
      logId: this.#log.logId,
      lastIndex: this.#log.lastIndex,
      commitIndex: this.commitIndex,
      epochs: epochEnds(this.#log),
    }
  }

  #onMessage(envelope: Envelope): void {
    const { body, from, epoch, incarnation } = envelope
    if (body === undefined || epoch < this.epoch) return
    switch (body.$case) {
      case 'seal':
      case 'configure':
      case 'activate':
      case 'learn':
      case 'drain':
        if (from === this.#options.coordinator) this.#onCoordinatorMessage(epoch, body)
        return
      default:
        if (epoch !== this.epoch || this.#part === undefined) return
        // I2: only members, in the incarnation that the configuration names, are counted.
        if (isMember(this.#part.configuration, from, incarnation)) this.#peers.member(from, incarnation, body)
        else if (!this.isLearner) this.#peers.stranger(from, incarnation, body)
    }
  }

  #onCoordinatorMessage(epoch: number, body: CoordinatorBody): void {
    switch (body.$case) {
      case 'seal':
        return this.#onSeal(epoch)
      case 'configure':
        return this.#onConfigure(body.value.configuration)
      case 'activate':
        return this.#onActivate(epoch, body.value.configuration)
      case 'learn':
        return this.#onLearn(body.value.configuration, body.value.upstream)
      case 'drain':
        if (epoch === this.epoch) this.#leading?.drain()
    }
  }

  // -- epochs

  #onSeal(epoch: number): void {
    if (epoch > this.epoch) this.#adopt(epoch)
    if (this.#part !== undefined) return
    this.#sealAsked = true
    this.#answerSeal()
  }

  /** Adopting an epoch ends the one before: no append, report or barrier answer in it after this (I2). */
  #adopt(epoch: number): void {
    this.#reads.leave(`epoch ${this.epoch} is over`)
    this.#state.epoch = epoch
    this.#state.isActive = false
    this.#part = undefined
    this.#pending = undefined
    this.#leading = undefined
    this.#following = undefined
    this.#sealAsked = false
    this.#downstreams.leave()
    this.#state.emit({ type: 'adopt', epoch })
    this.#state.emit({ type: 'changed' })
  }

  /** Answers a Seal once the epoch and all that was appended before it are synced. */
  #answerSeal(): void {
    const isDurable = this.#log.durableEpoch >= this.epoch && this.#log.pendingWrites === 0
    if (!this.#sealAsked || !isDurable) return
    this.#sealAsked = false
    this.#state.send(this.#options.coordinator, { $case: 'sealed', value: { summary: this.summary() } })
  }

  #onConfigure(configuration: Configuration | undefined): void {
    const { address, incarnation } = this.#options
    if (configuration === undefined || configuration.epoch < this.epoch) return
    if (isMember(configuration, address, incarnation)) this.#prepare({ configuration, upstream: undefined })
  }

  /** A learner follows whom the coordinator names, in the epoch in office. Named again elsewhere, it begins anew. */
  #onLearn(configuration: Configuration | undefined, upstream: string): void {
    if (configuration === undefined || configuration.epoch < this.epoch) return
    const { address } = this.#options
    if (memberAt(configuration, address) !== undefined || memberAt(configuration, upstream) === undefined)
      return
    this.#prepare({ configuration, upstream })
  }

  #prepare(part: Part): void {
    const { configuration } = part
    if (this.#part?.configuration.epoch === configuration.epoch) return
    const fault = configurationFault(configuration)
    if (fault !== undefined) return this.#state.alarm(`epoch ${configuration.epoch}: ${fault}`)
    if (configuration.epoch > this.epoch) this.#adopt(configuration.epoch)
    if (this.#log.logId === '') this.#state.emit({ type: 'setLogId', logId: configuration.logId })
    else if (this.#log.logId !== configuration.logId) {
      const fault = `the shard's log is ${configuration.logId}, this replica holds ${this.#log.logId}`
      return this.#state.alarm(fault)
    }
    this.#pending = part
    this.#enter()
  }

  /** Becomes a member or learner once the adoption is synced. */
  #enter(): void {
    const part = this.#pending
    if (part === undefined || this.#log.durableEpoch < part.configuration.epoch) return
    const { configuration } = part
    const { address, coordinator } = this.#options
    this.#pending = undefined
    this.#sealAsked = false
    this.#part = part
    this.#state.isActive = isActive(configuration)
    this.#downstreams.enter(configuration, address)
    if (configuration.head === address) {
      this.#leading = new Leading(configuration, coordinator, this.#state)
    } else {
      const upstream = part.upstream ?? memberAt(configuration, address)!.upstream
      this.#following = new Following(upstream, configuration.recovery, this.isLearner, this.#state)
    }
    this.#leading?.begin()
    this.#following?.begin()
    this.#state.emit({ type: 'changed' })
  }

  #onActivate(epoch: number, configuration: Configuration | undefined): void {
    if (configuration === undefined || epoch !== configuration.epoch) return
    if (this.#part?.configuration.epoch !== epoch) this.#onConfigure(configuration)
    if (epoch !== this.epoch || this.configuration === undefined || this.isActive) return
    this.#state.isActive = true
    this.#part = { configuration, upstream: undefined }
    this.#state.emit({ type: 'changed' })
    this.#leading?.progressed()
  }

  // -- progress

  #onDurable(): void {
    this.#enter()
    this.#answerSeal()
    this.#progressed()
  }

  /** Something about this replica's or its subtree's durable progress changed. */
  #progressed(): void {
    this.#leading?.progressed()
    this.#following?.progressed()
  }

  #repeat(): void {
    this.#leading?.repeat()
    this.#following?.repeat()
    this.#downstreams.tellCommit(this.commitIndex, true)
  }

  #readContext(): ReadContext {
    const replica = this
    return {
      headRefusal: () => replica.writeRefusal(true),
      get commitIndex() {
        return replica.commitIndex
      },
      get appliedIndex() {
        return replica.#following?.isMatched ? replica.#log.lastIndex : undefined
      },
      get children() {
        return replica.#downstreams.addresses()
      },
      get head() {
        return replica.configuration?.head
      },
      get upstream() {
        return replica.#following?.upstream
      },
      get isHead() {
        return replica.isHead
      },
    }
  }
}
