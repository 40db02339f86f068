/**
 * Carries out a replica's effects: appends and cuts its log, keeps its projection in step, sends its messages, and
 * tells its host what became durable or committed. The only place where the state machine meets the world.
 */

import type { Configuration, Envelope } from '../generated/varve/v1/replication.js'
import { Operation, type Stamp } from '../log/entry.js'
import type { Log } from '../log/log.js'
import type { Logger } from '../log/logger.js'
import type { LogRecord } from '../log/record-codec.js'
import { RecordWriter } from '../log/record-writer.js'
import type { StampClock } from '../log/stamp.js'
import type { BaseKeeper } from './base-keeper.js'
import type { Effect, ReplicaEvent } from './effects.js'
import { Replica } from './replica.js'
import type { Transport } from './transport.js'

/** What is built from the log, as far as replication must keep it in step. */
export interface Projector {
  /** What opening the projection proved to be committed. */
  readonly committedIndex: number
  /** A record that this process did not build was appended. */
  apply(record: LogRecord): void
  commit(index: number): void
  /** Undo all above `index`. */
  truncate(index: number): void
}

/** Who serves clients from this replica. Called in the middle of a step: do not step the replica from here. */
export interface ReplicaListener {
  onCommit(index: number): void
  onDurable(index: number): void
  /** Role, epoch or readiness changed. */
  onChange(): void
  onReadReady(ticket: number, index: number): void
  onReadRefused(ticket: number, reason: string): void
}

export interface ReplicaDriverOptions {
  readonly shard: number
  readonly address: string
  readonly incarnation: number
  readonly coordinator: string
  readonly log: Log
  readonly projector: Projector
  readonly clock: StampClock
  readonly transport: Transport
  readonly logger: Logger
  /** '' until the coordinator named it. */
  readonly clusterId: () => string
  /** Sends and takes in bases; without it this replica can do neither. */
  readonly bases?: BaseKeeper
  /** An invariant broke: end the process. */
  readonly onAlarm: (message: string) => void
}

const NO_CLIENT = Buffer.alloc(16)
const NOTHING = Buffer.alloc(0)

export class ReplicaDriver {
  readonly replica: Replica
  readonly #options: ReplicaDriverOptions
  readonly #writer = new RecordWriter()
  #listener: ReplicaListener | undefined
  /** Index of a cut that is not synced yet, and how many writes this driver issued after it. */
  #cut: { index: number; writesAfter: number } | undefined
  #isStopped = false

  constructor(options: ReplicaDriverOptions) {
    this.#options = options
    const { shard, address, incarnation, coordinator, log, projector } = options
    const commitIndex = Math.max(log.commitIndexHint, projector.committedIndex)
    const base = () => options.bases?.content()
    this.replica = new Replica({ shard, address, incarnation, coordinator, log, commitIndex, base })
    options.bases?.listen({
      onWritten: sizeBytes => this.#step({ type: 'baseWritten', sizeBytes }),
      onPrepared: base => this.#step({ type: 'basePrepared', base }),
      onDamaged: () => this.#step({ type: 'baseDamaged' }),
    })
    options.clock.observe(log.lastStamp.lamport)
    options.clock.observeWall(log.lastStamp.wallMs)
    log.onDurable(() => this.#onDurable())
  }

  listen(listener: ReplicaListener): void {
    this.#listener = listener
  }

  message(envelope: Envelope): void {
    this.#step({ type: 'message', envelope })
  }

  /**
   * Appends a record that this process built as head; its entries are in the projection already.
   * @throws Error when this replica takes no writes (I2, I6): ask `writeRefusal` before you begin a record
   */
  append(record: LogRecord): void {
    const refusal = this.replica.writeRefusal(false)
    if (refusal !== undefined || record.epoch !== this.replica.epoch) {
      throw new Error(`record of epoch ${record.epoch} refused in epoch ${this.replica.epoch}: ${refusal}`)
    }
    this.#append(record)
    this.#step({ type: 'appended', record })
  }

  /** Asks for a read index; the listener hears of the ticket once. */
  read(ticket: number): void {
    this.#step({ type: 'read', ticket })
  }

  linkDown(address: string): void {
    this.#step({ type: 'linkDown', address })
  }

  tick(): void {
    if (!this.#isStopped) this.#run(this.replica.tick())
  }

  /** What a record that is begun now starts with. Its entries take Lamport times from `lamport` on. */
  nextStart(): { stamp: Stamp; firstIndex: number } {
    const { log, clock } = this.#options
    const stamp = { lamport: clock.lamport + 1, wallMs: clock.wall(log.lastStamp.wallMs) }
    return { stamp, firstIndex: log.lastIndex + 1 }
  }

  /** Begins a record in `writer` at the log's end. Finish and append it in the same turn. */
  begin(writer: RecordWriter): { stamp: Stamp; firstIndex: number } {
    const { log, shard } = this.#options
    const start = this.nextStart()
    writer.begin({
      logId: log.logId,
      shard,
      epoch: this.replica.epoch,
      firstIndex: start.firstIndex,
      lamport: start.stamp.lamport,
      wallMs: start.stamp.wallMs,
      commitIndex: this.replica.commitIndex,
      previousHash: log.lastHash,
    })
    return start
  }

  /** No step is taken any more: the process is about to end. */
  stop(): void {
    this.#isStopped = true
  }

  #step(event: ReplicaEvent): void {
    if (!this.#isStopped) this.#run(this.replica.step(event))
  }

  #run(effects: readonly Effect[]): void {
    for (const effect of effects) {
      // An alarm is among them: nothing that follows it may happen.
      if (this.#isStopped) return
      this.#carryOut(effect)
    }
  }

  #carryOut(effect: Effect): void {
    const { log, projector } = this.#options
    switch (effect.type) {
      case 'send':
        return this.#send(effect)
      case 'append':
        return this.#append(effect.record)
      case 'apply':
        return projector.apply(effect.record)
      case 'commit':
        projector.commit(effect.index)
        this.#listener?.onCommit(effect.index)
        return
      case 'adopt':
        log.adoptEpoch(effect.epoch)
        return this.#countWrite()
      case 'setLogId':
        log.setLogId(effect.logId)
        return this.#countWrite()
      case 'cut':
        projector.truncate(effect.index)
        log.cut(effect.index)
        this.#cut = { index: effect.index, writesAfter: 0 }
        return
      case 'baseBegin':
        return this.#options.bases?.begin(effect.base)
      case 'baseWrite':
        return this.#options.bases?.write(effect.bytes)
      case 'baseFinish':
        return this.#options.bases?.finish()
      case 'installBase':
        return this.#installBase(effect.committedIndex)
      case 'cutForRecovery':
        return this.#cutForRecovery(effect.index, effect.reason)
      case 'writeEpoch':
        return this.#writeEpoch(effect.configuration)
      case 'changed':
        return this.#listener?.onChange()
      case 'readReady':
        return this.#listener?.onReadReady(effect.ticket, effect.index)
      case 'readRefused':
        return this.#listener?.onReadRefused(effect.ticket, effect.reason)
      case 'alarm':
        this.stop()
        return this.#options.onAlarm(`shard ${this.#options.shard}: ${effect.message}`)
    }
  }

  #send({ to, epoch, body }: Extract<Effect, { type: 'send' }>): void {
    const { address, incarnation, clock, transport, shard, clusterId } = this.#options
    const isTaken = transport.send(to, {
      from: address,
      incarnation,
      clusterId: clusterId(),
      stamp: { lamport: clock.lamport, wallMs: 0 },
      shard,
      epoch,
      body,
    })
    // Everything else is repeated by ticks. This step has no effects, so it may stand within another.
    if (!isTaken && (body.$case === 'record' || body.$case === 'baseChunk'))
      this.#step({ type: 'dropped', address: to })
  }

  /** The log takes the record, and the clock what it says (I7). */
  #append(record: LogRecord): void {
    const { log, clock } = this.#options
    log.append(record)
    // There is more to do in this turn, forwarding and applying: the disk need not wait for it.
    log.startSync()
    clock.observe(record.lastLamport)
    clock.observeWall(record.wallMs)
    this.#countWrite()
  }

  /** The head's first record in its epoch: the EPOCH entry alone, so that the shard's history names its heads. */
  #writeEpoch(configuration: Configuration): void {
    const value = Buffer.from(JSON.stringify(configuration))
    this.begin(this.#writer)
    const client = this.#writer.client(NO_CLIENT, '')
    this.#writer.add(Operation.EPOCH, 0, NOTHING, 0, 0, value, 0, value.length, 0, client, 0)
    const record = this.#writer.finish()
    this.#append(record)
    this.#options.projector.apply(record)
    this.#step({ type: 'appended', record })
  }

  /** Log and projection begin anew above the base, and the clock takes what it says (I7). */
  #installBase(committedIndex: number): void {
    const { log, clock, bases } = this.#options
    bases?.install(committedIndex)
    clock.observe(log.lastStamp.lamport)
    clock.observeWall(log.lastStamp.wallMs)
    this.#cut = { index: log.baseIndex, writesAfter: 0 }
  }

  /** The projection cannot undo what was committed: the process ends, and its next life begins from what is left. */
  #cutForRecovery(index: number, reason: string): void {
    const { log, shard, onAlarm } = this.#options
    log.cut(index)
    this.#isStopped = true
    log.onDurable(() => {
      if (log.pendingWrites === 0) onAlarm(`shard ${shard}: ${reason}`)
    })
  }

  #countWrite(): void {
    if (this.#cut !== undefined) this.#cut.writesAfter += 1
  }

  #onDurable(): void {
    const { log } = this.#options
    this.#step({ type: 'durable' })
    const cut = this.#cut
    if (cut !== undefined && log.pendingWrites <= cut.writesAfter) {
      this.#cut = undefined
      this.#step({ type: 'cutDurable', index: cut.index })
    }
    this.#listener?.onDurable(log.durableIndex)
  }
}
