/**
 * A node of one shard: the real replica, driver and log rules over a disk in memory. It syncs, ticks, beats, crashes
 * and starts only when told.
 */
import type { Envelope } from '../../../src/generated/varve/v1/replication.js'
import { Operation } from '../../../src/log/entry.js'
import type { Log } from '../../../src/log/log.js'
import { nullLogger } from '../../../src/log/logger.js'
import { MemoryLogStore } from '../../../src/log/memory-log.js'
import { RecordWriter } from '../../../src/log/record-writer.js'
import { StampClock } from '../../../src/log/stamp.js'
import type { Body } from '../../../src/replication/effects.js'
import { ReplicaDriver } from '../../../src/replication/replica-driver.js'
import type { Event, Write } from './events.js'
import { ModelProjector } from './model-projector.js'
import { CLUSTER_ID, COORDINATOR, SHARD, type World } from './process.js'

const NO_CLIENT = Buffer.alloc(16)

type EventOf<T> = T extends { readonly node: string } ? Omit<T, 'node'> : never

export class ModelNode {
  readonly address: string
  incarnation = 0
  store = new MemoryLogStore()
  driver: ReplicaDriver | undefined
  projector: ModelProjector | undefined
  readonly #world: World
  readonly #writer = new RecordWriter()
  #post: (to: string, epoch: number, body: Body) => void = () => {}
  #pending: Write[] = []
  #standing = ''
  #isKnown = false
  #mapRevision = 0

  constructor(address: string, world: World) {
    this.address = address
    this.#world = world
    this.start()
  }

  get isUp(): boolean {
    return this.driver !== undefined
  }

  get log(): Log {
    return this.store.log(SHARD)
  }

  /** A new life of the process, from what the disk holds. */
  start(): void {
    const { network, nextIncarnation, nowMs } = this.#world
    this.incarnation = nextIncarnation()
    const clock = new StampClock(nowMs)
    const transport = network.attach(this.address)
    const { address, incarnation, log } = this
    this.projector = new ModelProjector(log)
    const driver = new ReplicaDriver({
      shard: SHARD,
      address,
      incarnation,
      coordinator: COORDINATOR,
      log,
      projector: this.#watched(this.projector),
      clock,
      transport,
      logger: nullLogger,
      clusterId: () => CLUSTER_ID,
      onAlarm: message => this.#alarm(message),
    })
    driver.listen({
      onCommit: index => this.#onCommit(index),
      onDurable: index => this.#acknowledge('weak', index),
      onChange: () => this.#onChange(),
      onReadReady: (ticket, index) => this.#emit({ type: 'readReady', ticket, index }),
      onReadRefused: (ticket, reason) => this.#emit({ type: 'readRefused', ticket, reason }),
    })
    transport.onMessage(envelope =>
      this.#guard(() => {
        clock.observe(envelope.stamp?.lamport ?? 0)
        if (!this.#onRegistration(envelope)) driver.message(envelope)
      }),
    )
    transport.onLinkDown(peer => this.#guard(() => driver.linkDown(peer)))
    this.#post = (to, epoch, body) => {
      const stamp = { lamport: clock.lamport, wallMs: 0 }
      transport.send(to, {
        from: address,
        incarnation,
        clusterId: CLUSTER_ID,
        stamp,
        shard: SHARD,
        epoch,
        body,
      })
    }
    this.driver = driver
    this.#standing = ''
    this.#isKnown = false
    this.#mapRevision = 0
  }

  /** The process dies. The first `kept` unsynced writes reach the disk all the same. */
  crash(kept = 0): void {
    this.#end()
    this.store.crash(kept)
  }

  /** The disk at this address is replaced by an empty one. */
  wipe(): void {
    this.store = new MemoryLogStore()
  }

  sync(): void {
    this.#guard(() => this.store.sync())
  }

  tick(): void {
    this.#guard(() => this.driver?.tick())
  }

  read(ticket: number): void {
    this.#guard(() => this.driver?.read(ticket))
  }

  /** Registers with the coordinator, or, once known, sends a heartbeat. */
  beat(): void {
    if (this.driver === undefined) return
    const { replica } = this.driver
    if (!this.#isKnown) {
      return this.#register(false)
    }
    const heartbeat = {
      shard: SHARD,
      epoch: replica.epoch,
      reportedIndex: replica.reportedIndex ?? 0,
      commitIndex: replica.commitIndex,
      oldestUnsyncedMs: 0,
      active: replica.isActive,
      learner: replica.isLearner,
      lastIndex: this.log.lastIndex,
      drained: replica.isDrained,
      baseReceivedBytes: 0,
      baseTotalBytes: 0,
    }
    this.#post(COORDINATOR, 0, {
      $case: 'heartbeat',
      value: { replicas: [heartbeat], mapRevision: this.#mapRevision, wallMs: 0 },
    })
  }

  #register(confirmed: boolean): void {
    const replicas = [this.driver!.replica.summary()]
    this.#post(COORDINATOR, 0, { $case: 'register', value: { replicas, version: '', confirmed } })
  }

  /** Appends one record of SET entries as head. Returns why not, in words, where it may not. */
  write(entries: readonly (readonly [string, string])[], level: Write['level']): string | undefined {
    const { driver, projector } = this
    if (driver === undefined || projector === undefined) return 'the process is down'
    const refusal = driver.replica.writeRefusal(level === 'strong')
    if (refusal !== undefined) return refusal
    this.#guard(() => {
      driver.begin(this.#writer)
      const client = this.#writer.client(NO_CLIENT, '')
      for (const [key, value] of entries) {
        const keyBytes = Buffer.from(key)
        const valueBytes = Buffer.from(value)
        const { length } = valueBytes
        this.#writer.add(Operation.SET, 0, keyBytes, 0, keyBytes.length, valueBytes, 0, length, 0, client, 0)
      }
      const record = this.#writer.finish()
      const label = entries.map(([key, value]) => (value.length > 20 ? key : `${key}=${value}`)).join(' ')
      this.#pending.push({ label, level, record })
      projector.apply(record)
      this.#emit({ type: 'appended', record })
      driver.append(record)
    })
    return undefined
  }

  /** Role, epoch and readiness in words. */
  standing(): string {
    if (this.driver === undefined) return 'down'
    const { epoch, role, isActive } = this.driver.replica
    if (role === 'sealed') return `epoch ${epoch}, sealed`
    return `epoch ${epoch}, ${role}${isActive ? ', active' : ''}`
  }

  #emit(event: EventOf<Event>): void {
    this.#world.emit({ ...event, node: this.address } as Event)
  }

  /** The projector, with what is done to it made visible. */
  #watched(projector: ModelProjector) {
    return {
      get committedIndex() {
        return projector.committedIndex
      },
      apply: (record: Write['record']) => {
        projector.apply(record)
        this.#emit({ type: 'appended', record })
      },
      commit: (index: number) => projector.commit(index),
      truncate: (index: number) => {
        projector.truncate(index)
        this.#emit({ type: 'cut', index })
      },
    }
  }

  #onCommit(index: number): void {
    this.#emit({ type: 'committed', index })
    this.#acknowledge('strong', index)
  }

  #acknowledge(level: Write['level'], index: number): void {
    const ready = this.#pending.filter(write => write.level === level && write.record.lastIndex <= index)
    this.#pending = this.#pending.filter(write => !ready.includes(write))
    for (const write of ready) this.#emit({ type: 'acknowledged', write })
  }

  #onChange(): void {
    if (this.driver?.replica.configuration === undefined) {
      const unknown = this.#pending
      this.#pending = []
      for (const write of unknown) this.#emit({ type: 'unknown', write })
    }
    const standing = this.standing()
    if (standing === this.#standing) return
    this.#standing = standing
    this.#emit({ type: 'changed', standing })
  }

  /** A node's standing with the coordinator, as `src/node/registration.ts` keeps it. True if the message was of it. */
  #onRegistration({ body }: Envelope): boolean {
    if (body?.$case === 'heartbeatAnswer') {
      if (body.value.incarnation !== this.incarnation) return true
      this.#isKnown = body.value.known
      if (!this.#isKnown) this.#register(true)
      return true
    }
    if (body?.$case === 'probe') {
      this.beat()
      return true
    }
    if (body?.$case !== 'shardMap') return false
    this.#mapRevision = body.value.revision
    return true
  }

  /** As a process does: an error in a step ends it. */
  #guard(step: () => void): void {
    if (this.driver === undefined) return
    try {
      step()
    } catch (error) {
      this.#alarm(error instanceof Error ? error.message : String(error))
    }
  }

  #alarm(message: string): void {
    this.#emit({ type: 'alarm', message })
    this.crash()
  }

  #end(): void {
    this.driver?.stop()
    this.driver = undefined
    this.projector = undefined
    this.#pending = []
    this.#world.network.detach(this.address)
  }
}
