/**
 * The replica's state machine. `step` and `tick` change memory and return effects; nothing here touches disk, network,
 * clock or chance, and the simulator runs this very file.
 *
 * An epoch's life at one replica: a Seal or Configure *adopts* it (I2: synced before anything else happens in it);
 * Configure makes this process a member, which *follows* its upstream until their logs are *matched* (I3), or, as
 * head, appends the EPOCH entry; when every member reports that entry the head says *Ready*, and Activate puts the
 * configuration in office (I6). Commit is the lowest report of all members (I4).
 */
import type { Configuration, Envelope, ReplicaSummary } from '../generated/varve/v1/replication.js'
import type { Log } from '../log/log.js'
import { configurationFault, isActive, isMember, memberAt } from './configuration.js'
import { Downstreams } from './downstreams.js'
import type { Body, Effect, ReplicaEvent } from './effects.js'
import type { EpochContext } from './epoch-context.js'
import { Following } from './following.js'
import { Leading } from './leading.js'
import { epochEnds } from './matching.js'
import { type ReadContext, StrongReads } from './strong-reads.js'
import { type Role, roleOf } from './topology.js'

/** Ticks after which a Ready, report or commit that may be lost is repeated. A Follow is repeated every tick. */
const REPEAT_AFTER_TICKS = 5

/** What only a downstream says, and what only the upstream does. */
type ChildBody = Extract<Body, { $case: 'follow' | 'report' | 'barrierAnswer' }>
type UpstreamBody = Extract<Body, { $case: 'followFrom' | 'record' | 'commit' | 'barrier' }>

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
}

export class Replica {
  readonly #options: ReplicaOptions
  readonly #log: Log
  readonly #downstreams: Downstreams
  readonly #reads: StrongReads
  readonly #context: EpochContext
  #effects: Effect[] = []
  #epoch: number
  #pending: Configuration | undefined
  #configuration: Configuration | undefined
  /** This replica's part in its configuration: one of the two while it is a member, none while it is sealed. */
  #leading: Leading | undefined
  #following: Following | undefined
  #active = false
  #commitIndex: number
  #sealAsked = false
  #ticks = 0

  constructor(options: ReplicaOptions) {
    this.#options = options
    this.#log = options.log
    this.#epoch = options.log.adoptedEpoch
    this.#commitIndex = options.commitIndex
    this.#downstreams = new Downstreams(options.log, (to, body) => this.#send(to, body))
    this.#context = this.#epochContext()
    this.#reads = new StrongReads(
      this.#readContext(),
      (to, body) => this.#send(to, body),
      effect => this.#effects.push(effect),
    )
  }

  /** The highest epoch adopted, synced or not. */
  get epoch(): number {
    return this.#epoch
  }

  /** The configuration that this process is a member of now. */
  get configuration(): Configuration | undefined {
    return this.#configuration
  }

  /** Invariant: never falls, never above the log's last index. */
  get commitIndex(): number {
    return this.#commitIndex
  }

  get isHead(): boolean {
    return this.#leading !== undefined
  }

  /** True once the coordinator said that this epoch's configuration is in office. */
  get isActive(): boolean {
    return this.#active
  }

  get role(): Role | 'sealed' {
    if (this.#configuration === undefined) return 'sealed'
    const { topology, members } = this.#configuration
    return roleOf(topology, members, this.#options.address) ?? 'sealed'
  }

  /** What this replica itself reports (I3): durable and matched. Undefined before it has matched. */
  get reportedIndex(): number | undefined {
    return this.#leading?.reportedIndex ?? this.#following?.reportedIndex
  }

  /** Why no client entry may be appended here now (I6), in words; undefined where one may. */
  writeRefusal(strong: boolean): string | undefined {
    if (this.#leading === undefined) return 'this replica is not the head'
    if (!this.#active) return `epoch ${this.#epoch} is not active yet`
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
      case 'read':
        this.#reads.read(event.ticket)
        break
      case 'dropped':
        this.#downstreams.dropped(event.address)
        break
      case 'linkDown':
        this.#downstreams.linkDown(event.address)
        break
    }
    return this.#takeEffects()
  }

  /** Time passes: what was not answered is sent again. */
  tick(): Effect[] {
    this.#ticks += 1
    this.#reads.tick()
    this.#downstreams.tick(this.#commitIndex)
    // The next record carries the news; only where none comes is it worth a message, and that can wait for a tick.
    this.#downstreams.tellCommit(this.#commitIndex)
    this.#following?.tick()
    if (this.#ticks % REPEAT_AFTER_TICKS === 0) this.#repeat()
    return this.#takeEffects()
  }

  /** What this replica holds, for the coordinator. */
  summary(): ReplicaSummary {
    return {
      shard: this.#options.shard,
      adoptedEpoch: this.#epoch,
      logId: this.#log.logId,
      lastIndex: this.#log.lastIndex,
      commitIndex: this.#commitIndex,
      epochs: epochEnds(this.#log),
    }
  }

  #takeEffects(): Effect[] {
    const effects = this.#effects
    this.#effects = []
    return effects
  }

  #send(to: string, body: Body): void {
    this.#effects.push({ type: 'send', to, epoch: this.#epoch, body })
  }

  #onMessage(envelope: Envelope): void {
    const { body, from, epoch } = envelope
    if (body === undefined || epoch < this.#epoch) return
    switch (body.$case) {
      case 'seal':
        if (from === this.#options.coordinator) this.#onSeal(epoch)
        return
      case 'configure':
        if (from === this.#options.coordinator) this.#onConfigure(body.value.configuration)
        return
      case 'activate':
        if (from === this.#options.coordinator) this.#onActivate(epoch, body.value.configuration)
        return
      default:
        if (epoch === this.#epoch && this.#isPeer(envelope))
          this.#onPeerMessage(from, envelope.incarnation, body)
    }
  }

  /** I2: only members, in the incarnation that the configuration names, are listened to. */
  #isPeer(envelope: Envelope): boolean {
    return (
      this.#configuration !== undefined && isMember(this.#configuration, envelope.from, envelope.incarnation)
    )
  }

  #onPeerMessage(from: string, incarnation: number, body: Body): void {
    switch (body.$case) {
      case 'follow':
      case 'report':
      case 'barrierAnswer':
        return this.#onChildMessage(from, incarnation, body)
      case 'followFrom':
      case 'record':
      case 'commit':
      case 'barrier':
        if (from === this.#following?.upstream) this.#onUpstreamMessage(this.#following, body)
        return
      case 'readIndex':
        return this.#reads.readIndex(from, body.value.id)
      case 'readIndexAnswer':
        if (from !== this.#configuration?.head) return
        if (body.value.refused === '') this.#following?.hearCommit(body.value.index)
        return this.#reads.readIndexAnswer(body.value)
    }
  }

  #onChildMessage(from: string, incarnation: number, body: ChildBody): void {
    const child = this.#downstreams.child(from, incarnation)
    if (child === undefined) return
    switch (body.$case) {
      case 'follow': {
        const fault = this.#downstreams.follow(child, body.value, this.#commitIndex)
        if (fault !== undefined) this.#alarm(fault)
        return
      }
      case 'report':
        this.#downstreams.report(child, body.value, this.#commitIndex)
        return this.#progressed()
      case 'barrierAnswer':
        return this.#reads.barrierAnswer(body.value.nonce, from)
    }
  }

  #onUpstreamMessage(following: Following, body: UpstreamBody): void {
    switch (body.$case) {
      case 'followFrom':
        return following.followFrom(body.value)
      case 'record':
        return following.record(body.value.record, body.value.commitIndex)
      case 'commit':
        return following.hearCommit(body.value.commitIndex)
      case 'barrier':
        return this.#reads.barrier(body.value.nonce)
    }
  }

  // -- epochs

  #onSeal(epoch: number): void {
    if (epoch > this.#epoch) this.#adopt(epoch)
    if (this.#configuration !== undefined) return
    this.#sealAsked = true
    this.#answerSeal()
  }

  /** Adopting an epoch ends the one before: no append, report or barrier answer in it after this (I2). */
  #adopt(epoch: number): void {
    this.#reads.leave(`epoch ${this.#epoch} is over`)
    this.#epoch = epoch
    this.#configuration = undefined
    this.#pending = undefined
    this.#leading = undefined
    this.#following = undefined
    this.#active = false
    this.#sealAsked = false
    this.#downstreams.leave()
    this.#effects.push({ type: 'adopt', epoch }, { type: 'changed' })
  }

  /** Answers a Seal once the epoch and all that was appended before it are synced. */
  #answerSeal(): void {
    const isDurable = this.#log.durableEpoch >= this.#epoch && this.#log.pendingWrites === 0
    if (!this.#sealAsked || !isDurable) return
    this.#sealAsked = false
    this.#send(this.#options.coordinator, { $case: 'sealed', value: { summary: this.summary() } })
  }

  #onConfigure(configuration: Configuration | undefined): void {
    const { address, incarnation } = this.#options
    if (configuration === undefined || configuration.epoch < this.#epoch) return
    const fault = configurationFault(configuration)
    if (fault !== undefined) return this.#alarm(`epoch ${configuration.epoch}: ${fault}`)
    if (!isMember(configuration, address, incarnation)) return
    if (this.#configuration?.epoch === configuration.epoch) return
    if (configuration.epoch > this.#epoch) this.#adopt(configuration.epoch)
    if (this.#log.logId === '') this.#effects.push({ type: 'setLogId', logId: configuration.logId })
    else if (this.#log.logId !== configuration.logId) {
      return this.#alarm(`the shard's log is ${configuration.logId}, this replica holds ${this.#log.logId}`)
    }
    this.#pending = configuration
    this.#enter()
  }

  /** Becomes a member once the adoption is synced. */
  #enter(): void {
    const configuration = this.#pending
    if (configuration === undefined || this.#log.durableEpoch < configuration.epoch) return
    this.#pending = undefined
    this.#sealAsked = false
    this.#configuration = configuration
    this.#active = isActive(configuration)
    const { address, coordinator } = this.#options
    this.#downstreams.enter(configuration, address)
    if (configuration.head === address) this.#leading = new Leading(configuration, coordinator, this.#context)
    else this.#following = new Following(memberAt(configuration, address)!.upstream, this.#context)
    this.#leading?.begin()
    this.#following?.begin()
    this.#effects.push({ type: 'changed' })
  }

  #onActivate(epoch: number, configuration: Configuration | undefined): void {
    if (configuration === undefined || epoch !== configuration.epoch) return
    if (this.#configuration?.epoch !== epoch) this.#onConfigure(configuration)
    if (epoch !== this.#epoch || this.#configuration === undefined || this.#active) return
    this.#active = true
    this.#configuration = configuration
    this.#effects.push({ type: 'changed' })
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
    this.#downstreams.tellCommit(this.#commitIndex, true)
  }

  #commitTo(index: number): void {
    if (index <= this.#commitIndex) return
    this.#commitIndex = index
    this.#effects.push({ type: 'commit', index })
  }

  #alarm(message: string): void {
    this.#effects.push({ type: 'alarm', message })
  }

  #epochContext(): EpochContext {
    const replica = this
    return {
      log: replica.#log,
      downstreams: replica.#downstreams,
      get epoch() {
        return replica.#epoch
      },
      get isActive() {
        return replica.#active
      },
      get commitIndex() {
        return replica.#commitIndex
      },
      send: (to, body) => replica.#send(to, body),
      emit: effect => replica.#effects.push(effect),
      commitTo: index => replica.#commitTo(index),
      applied: index => replica.#reads.applied(index),
    }
  }

  #readContext(): ReadContext {
    const replica = this
    return {
      headRefusal: () => replica.writeRefusal(true),
      get commitIndex() {
        return replica.#commitIndex
      },
      get appliedIndex() {
        return replica.#following?.isMatched ? replica.#log.lastIndex : undefined
      },
      get children() {
        return replica.#downstreams.addresses()
      },
      get head() {
        return replica.#configuration?.head
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
