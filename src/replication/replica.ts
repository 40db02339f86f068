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
import { LogRecord } from '../log/record-codec.js'
import { configurationFault, hasEnoughMembers, isActive, isMember, memberAt } from './configuration.js'
import { Downstreams } from './downstreams.js'
import type { Body, Effect, ReplicaEvent } from './effects.js'
import { epochEnds } from './matching.js'
import { WINDOW_SIZE_BYTES } from './progress.js'
import { StrongReads } from './strong-reads.js'
import { type Role, roleOf } from './topology.js'

/** Ticks after which a Ready, report or commit that may be lost is repeated. A Follow is repeated every tick. */
const REPEAT_AFTER_TICKS = 5

/** Bytes received after which the upstream is told, so that its window never closes on a slow subtree. */
const RECEIPT_SIZE_BYTES = WINDOW_SIZE_BYTES / 4

/** A follower's part in its epoch: asking where the logs part, waiting for the cut to be synced, matched. */
type Following = 'asking' | 'cutting' | 'matched'

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
  #effects: Effect[] = []
  #epoch: number
  #pending: Configuration | undefined
  #configuration: Configuration | undefined
  #upstream = ''
  #following: Following = 'asking'
  /** Index of this epoch's EPOCH entry, once this log holds it. */
  #epochIndex = 0
  #active = false
  #commitIndex: number
  #commitHeard = 0
  #reportSent = -1
  #receivedUnsaidBytes = 0
  #sealAsked = false
  #ticks = 0
  #askedAgainAtTick = -1

  constructor(options: ReplicaOptions) {
    this.#options = options
    this.#log = options.log
    this.#epoch = options.log.adoptedEpoch
    this.#commitIndex = options.commitIndex
    this.#downstreams = new Downstreams(options.log, (to, body) => this.#send(to, body))
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
    return this.#configuration?.head === this.#options.address
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
    if (this.#configuration === undefined) return undefined
    if (this.isHead) return this.#epochIndex === 0 ? undefined : this.#log.durableIndex
    return this.#following === 'matched' ? this.#log.durableIndex : undefined
  }

  /** Why no client entry may be appended here now (I6), in words; undefined where one may. */
  writeRefusal(strong: boolean): string | undefined {
    if (!this.isHead) return 'this replica is not the head'
    if (!this.#active) return `epoch ${this.#epoch} is not active yet`
    if (strong) return this.#strongRefusal()
    return undefined
  }

  step(event: ReplicaEvent): Effect[] {
    switch (event.type) {
      case 'message':
        this.#onMessage(event.envelope)
        break
      case 'appended':
        this.#onAppended(event.record)
        break
      case 'durable':
        this.#onDurable()
        break
      case 'cutDurable':
        this.#onCutDurable()
        break
      case 'read':
        this.#reads.read(event.ticket)
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
    if (this.#configuration !== undefined && !this.isHead && this.#following === 'asking') this.#follow()
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
    const child = this.#downstreams.child(from, incarnation)
    switch (body.$case) {
      case 'follow': {
        if (child === undefined) return
        child.parkedFollow = body.value
        this.#answerFollows()
        return
      }
      case 'report':
        if (child === undefined) return
        this.#downstreams.report(child, body.value, this.#commitIndex)
        this.#reported()
        return
      case 'followFrom':
        if (from === this.#upstream) this.#onFollowFrom(body.value.index, body.value.hash, body.value.logId)
        return
      case 'record':
        if (from === this.#upstream) this.#onRecord(body.value.record, body.value.commitIndex)
        return
      case 'commit':
        if (from === this.#upstream) this.#hearCommit(body.value.commitIndex)
        return
      case 'barrier':
        if (from === this.#upstream) this.#reads.barrier(body.value.nonce)
        return
      case 'barrierAnswer':
        if (child !== undefined) this.#reads.barrierAnswer(body.value.nonce, from)
        return
      case 'readIndex':
        this.#reads.readIndex(from, body.value.id)
        return
      case 'readIndexAnswer':
        if (from !== this.#configuration?.head) return
        if (body.value.refused === '') this.#hearCommit(body.value.index)
        this.#reads.readIndexAnswer(body.value)
        return
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
    this.#active = false
    this.#epochIndex = 0
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
    this.#upstream = memberAt(configuration, this.#options.address)!.upstream
    this.#following = 'asking'
    this.#reportSent = -1
    this.#receivedUnsaidBytes = 0
    this.#commitHeard = 0
    this.#downstreams.enter(configuration, this.#options.address)
    if (this.isHead) this.#effects.push({ type: 'writeEpoch', configuration })
    else this.#follow()
    if (isActive(configuration)) this.#active = true
    this.#effects.push({ type: 'changed' })
  }

  #onActivate(epoch: number, configuration: Configuration | undefined): void {
    if (configuration === undefined || epoch !== configuration.epoch) return
    if (this.#configuration?.epoch !== epoch) this.#onConfigure(configuration)
    if (epoch !== this.#epoch || this.#configuration === undefined || this.#active) return
    this.#active = true
    this.#configuration = configuration
    this.#effects.push({ type: 'changed' })
    this.#advanceCommit()
  }

  /** The head tells the coordinator when all members report its log through the EPOCH entry (I6). */
  #sayReady(): void {
    if (!this.isHead || this.#active || this.#epochIndex === 0) return
    const lowest = this.#downstreams.lowestReport(this.#log.durableIndex)
    if (lowest === undefined || lowest < this.#epochIndex) return
    const epochHash = this.#log.hashAt(this.#epochIndex)!
    this.#send(this.#options.coordinator, {
      $case: 'ready',
      value: { epochIndex: this.#epochIndex, epochHash },
    })
  }

  // -- following

  #follow(): void {
    const { logId, lastIndex } = this.#log
    const value = { logId, lastIndex, commitIndex: this.#commitIndex, epochs: epochEnds(this.#log) }
    this.#send(this.#upstream, { $case: 'follow', value })
  }

  /** Records are missing. Asked once a tick, however many come that do not fit: each answer brings a whole window. */
  #followAgain(): void {
    if (this.#askedAgainAtTick === this.#ticks) return
    this.#askedAgainAtTick = this.#ticks
    this.#follow()
  }

  /**
   * A log may be followed once it holds all of the head's up to this epoch's EPOCH entry, and is not cut any more. One
   * that is only matched may still be short: its follower would be told to cut what the head has, even if committed.
   */
  #mayLead(): boolean {
    return this.#epochIndex > 0 && (this.isHead || this.#following === 'matched')
  }

  #answerFollows(): void {
    if (!this.#mayLead()) return
    const fault = this.#downstreams.answerFollows(this.#commitIndex)
    if (fault !== undefined) this.#alarm(fault)
  }

  #onFollowFrom(index: number, hash: Buffer, logId: string): void {
    // Once matched, a log is never cut in the same epoch: a late answer would undo what was reported.
    if (this.#following !== 'asking' || logId !== this.#log.logId) return
    const own = this.#log.hashAt(index)
    if (own === undefined || !own.equals(hash) || index < this.#commitIndex) {
      return this.#alarm(
        `the upstream's log parts from this one at index ${index}, commitIndex ${this.#commitIndex}`,
      )
    }
    if (index === this.#log.lastIndex) return this.#match()
    this.#following = 'cutting'
    this.#effects.push({ type: 'cut', index })
  }

  #onCutDurable(): void {
    if (this.#following === 'cutting' && this.#configuration !== undefined) this.#match()
  }

  #match(): void {
    this.#following = 'matched'
    this.#answerFollows()
    this.#hearCommit(this.#commitHeard)
    this.#reported()
  }

  #onRecord(bytes: Buffer, commitIndex: number): void {
    if (this.#following === 'asking') return
    const record = decodeRecord(bytes)
    if (record === undefined) return this.#followAgain()
    const { lastIndex, lastHash } = this.#log
    if (record.firstIndex > lastIndex + 1) return this.#followAgain()
    if (record.lastIndex <= lastIndex) return this.#hearCommit(commitIndex)
    if (record.epoch > this.#epoch || !record.previousHash.equals(lastHash)) {
      return this.#alarm(
        `the upstream sent a record at index ${record.firstIndex} that does not follow this log`,
      )
    }
    this.#effects.push({ type: 'append', record })
    if (record.epoch === this.#epoch && this.#epochIndex === 0) this.#epochIndex = record.firstIndex
    this.#downstreams.forward(record, this.#commitIndex)
    this.#receivedUnsaidBytes += bytes.length
    if (commitIndex > this.#commitHeard) this.#commitHeard = commitIndex
    if (this.#following !== 'matched') return
    // The append's effect is still to come: the record's end is what the log will show after it.
    this.#commitTo(Math.min(this.#commitHeard, record.lastIndex))
    this.#reads.applied(record.lastIndex)
    if (this.#receivedUnsaidBytes >= RECEIPT_SIZE_BYTES) this.#reportUpstream(true, record.lastIndex)
  }

  // -- reports and commit

  #onAppended(record: LogRecord): void {
    if (!this.isHead) return
    if (record.epoch === this.#epoch && this.#epochIndex === 0) {
      this.#epochIndex = record.firstIndex
      this.#answerFollows()
    }
    this.#downstreams.forward(record, this.#commitIndex)
  }

  #onDurable(): void {
    this.#enter()
    this.#answerSeal()
    this.#answerFollows()
    this.#reported()
  }

  /** Something about this replica's or its subtree's durable progress changed. */
  #reported(): void {
    if (this.#configuration === undefined) return
    if (this.isHead) {
      this.#sayReady()
      this.#advanceCommit()
    } else this.#reportUpstream(false)
  }

  #reportUpstream(repeat: boolean, receivedIndex = this.#log.lastIndex): void {
    if (this.#following !== 'matched') return
    const lowest = this.#downstreams.lowestReport(this.#log.durableIndex)
    const isNews = lowest !== undefined && lowest > this.#reportSent
    if (!isNews && !repeat) return
    this.#reportSent = lowest ?? this.#reportSent
    this.#receivedUnsaidBytes = 0
    const value = { index: lowest ?? 0, receivedIndex, matched: lowest !== undefined }
    this.#send(this.#upstream, { $case: 'report', value })
  }

  /** I4: the lowest report of all members, once the configuration is in office and large enough. */
  #advanceCommit(): void {
    if (!this.isHead || !this.#active || !hasEnoughMembers(this.#configuration!)) return
    const lowest = this.#downstreams.lowestReport(this.#log.durableIndex)
    if (lowest === undefined || lowest < this.#epochIndex) return
    this.#commitTo(lowest)
    if (this.#commitIndex === this.#log.lastIndex) this.#downstreams.tellCommit(this.#commitIndex)
  }

  #hearCommit(commitIndex: number): void {
    if (commitIndex > this.#commitHeard) this.#commitHeard = commitIndex
    if (this.#following !== 'matched' || this.isHead) return
    this.#commitTo(Math.min(this.#commitHeard, this.#log.lastIndex))
    this.#downstreams.tellCommit(this.#commitIndex)
    this.#reads.applied(this.#log.lastIndex)
  }

  #commitTo(index: number): void {
    if (index <= this.#commitIndex) return
    this.#commitIndex = index
    this.#effects.push({ type: 'commit', index })
  }

  #alarm(message: string): void {
    this.#effects.push({ type: 'alarm', message })
  }

  #repeat(): void {
    if (this.#configuration === undefined) return
    if (this.isHead) this.#sayReady()
    else this.#reportUpstream(true)
    this.#downstreams.tellCommit(this.#commitIndex, true)
  }

  // -- strong reads

  #strongRefusal(): string | undefined {
    const { members, minInSync } = this.#configuration!
    if (!hasEnoughMembers(this.#configuration!)) return `${members.length} of ${minInSync} in-sync members`
    if (this.#commitIndex < this.#epochIndex) return `epoch ${this.#epoch} has no committed entry yet`
    return undefined
  }

  #readContext() {
    const replica = this
    return {
      headRefusal: () => replica.writeRefusal(true),
      get commitIndex() {
        return replica.#commitIndex
      },
      get appliedIndex() {
        return replica.#following === 'matched' ? replica.#log.lastIndex : undefined
      },
      get children() {
        return replica.#downstreams.addresses()
      },
      get head() {
        return replica.#configuration?.head
      },
      get upstream() {
        return replica.#upstream
      },
      get isHead() {
        return replica.isHead
      },
    }
  }
}

function decodeRecord(bytes: Buffer): LogRecord | undefined {
  try {
    return LogRecord.decode(bytes)
  } catch {
    return undefined
  }
}
