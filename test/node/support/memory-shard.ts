/** A shard of replicas in memory, with their drivers and hosts, joined by a network that delivers in order. */

import {
  KeyScratch,
  ReadFrameEncoder,
  WriteFrameBuilder,
  WriteSlab,
} from '../../../src/client/frame-encoder.js'
import { FrameConsistency, ResponseKind } from '../../../src/client/session-frame.js'
import { ResponseFrameReader } from '../../../src/client/session-frame-reader.js'
import { Topology } from '../../../src/generated/varve/v1/cluster.js'
import type { Envelope } from '../../../src/generated/varve/v1/replication.js'
import { ConfigurationStatus } from '../../../src/generated/varve/v1/replication.js'
import type { Operation } from '../../../src/log/entry.js'
import { nullLogger } from '../../../src/log/logger.js'
import { MemoryLogStore } from '../../../src/log/memory-log.js'
import { StampClock } from '../../../src/log/stamp.js'
import type { ReplySink } from '../../../src/node/node-host.js'
import { ReplicaHost } from '../../../src/node/shard-host.js'
import { ShardProjection } from '../../../src/projection/shard-projection.js'
import { TimeTravel } from '../../../src/projection/time-travel.js'
import { ReplicaDriver } from '../../../src/replication/replica-driver.js'
import { plantTree } from '../../../src/replication/topology.js'
import type { Transport } from '../../../src/replication/transport.js'

const COORDINATOR = 'coordinator'

export interface MemoryReplica {
  readonly address: string
  readonly store: MemoryLogStore
  readonly projection: ShardProjection
  readonly driver: ReplicaDriver
  readonly clock: StampClock
  readonly host: ReplicaHost
}

/** One shard; the first replica is the head. Nothing is delivered or synced by itself. */
export class MemoryShard {
  readonly replicas = new Map<string, MemoryReplica>()
  readonly #queue: { to: string; envelope: Envelope }[] = []
  readonly #shardCount: number
  readonly alarms: string[] = []
  /** What everybody's clock shows, epoch ms. */
  nowMs = 1_000
  /** What every replica's disk says of itself. */
  diskFault: string | undefined

  constructor(addresses: readonly string[], minInSync = 1, shardCount = 1) {
    this.#shardCount = shardCount
    for (const [at, address] of addresses.entries()) this.#add(address, at + 1)
    const members = plantTree(
      Topology.CHAIN,
      addresses.map((address, at) => ({ address, incarnation: at + 1 })),
    )
    const configuration = {
      shard: 0,
      logId: 'ab'.repeat(16),
      epoch: 1,
      head: addresses[0]!,
      members,
      topology: Topology.CHAIN,
      minInSync,
      status: ConfigurationStatus.PROPOSED,
      recovery: undefined,
    }
    for (const address of addresses) this.#control(address, { $case: 'configure', value: { configuration } })
    this.settle()
    const active = { ...configuration, status: ConfigurationStatus.ACTIVE }
    for (const address of addresses) {
      this.#control(address, { $case: 'activate', value: { configuration: active } })
    }
    this.settle()
  }

  get head(): MemoryReplica {
    return [...this.replicas.values()][0]!
  }

  /** Syncs and delivers until nothing is left to do. `except`: replicas whose disk does not sync. */
  settle(except: readonly string[] = []): void {
    for (let isBusy = true; isBusy; ) {
      isBusy = false
      for (const { address, store } of this.replicas.values()) {
        if (except.includes(address) || store.unsyncedWrites === 0) continue
        store.sync()
        isBusy = true
      }
      for (let next = this.#queue.shift(); next !== undefined; next = this.#queue.shift()) {
        this.replicas.get(next.to)?.driver.message(next.envelope)
        isBusy = true
      }
    }
  }

  #control(to: string, body: NonNullable<Envelope['body']>): void {
    const stamp = { lamport: 0, wallMs: 0 }
    const envelope = { from: COORDINATOR, incarnation: 1, clusterId: '', stamp, shard: 0, epoch: 1, body }
    this.replicas.get(to)!.driver.message(envelope)
  }

  #add(address: string, incarnation: number): void {
    const store = new MemoryLogStore()
    const log = store.log(0)
    const projection = new ShardProjection({ log })
    const clock = new StampClock(() => this.nowMs)
    const transport: Transport = {
      send: (to, envelope) => this.#queue.push({ to, envelope }) > 0,
      onMessage: () => {},
      onLinkDown: () => {},
      close: async () => {},
    }
    const driver = new ReplicaDriver({
      shard: 0,
      address,
      incarnation,
      coordinator: COORDINATOR,
      log,
      projector: projection,
      clock,
      transport,
      logger: nullLogger,
      clusterId: () => '',
      onAlarm: message => this.alarms.push(message),
    })
    const host = new ReplicaHost({
      address,
      ordinal: 0,
      name: 'shard_0',
      shardCount: this.#shardCount,
      log,
      projection,
      timeTravel: new TimeTravel(projection, { log, blobs: store.blobs, logger: nullLogger }),
      blobs: store.blobs,
      driver,
      clock,
      defaultConsistency: () => 'strong',
      oldestUnsyncedMs: () => 0,
      diskRefusal: () => this.diskFault,
      headHint: () => 'the-head:1',
    })
    this.replicas.set(address, { address, store, projection, driver, clock, host })
  }
}

/** What became of one operation, by its id. */
export interface Outcome {
  readonly id: number
  readonly kind: 'done' | 'result' | 'read' | 'failed'
  readonly index?: number
  readonly flags?: number
  readonly value?: string
  readonly previousIndex?: number
  readonly code?: string
  readonly outcome?: string | undefined
}

/** A session's end that keeps what it was answered. */
export class TestSink implements ReplySink {
  readonly clientId: Buffer
  readonly actor: string
  closed = false
  readonly outcomes: Outcome[] = []
  /** Frames received, by kind. */
  readonly kinds: number[] = []
  readonly #reader = new ResponseFrameReader()

  constructor(name = 'a') {
    this.clientId = Buffer.alloc(16, name)
    this.clientId.writeBigUInt64BE(1n, 0)
    this.actor = name
  }

  send(frame: Buffer): void {
    const reader = this.#reader
    reader.reset(frame)
    this.kinds.push(reader.kind)
    if (reader.kind === ResponseKind.WRITES_DONE) {
      for (let k = 0; k < reader.count; k += 1) {
        this.outcomes.push({
          id: reader.firstId + k,
          kind: 'done',
          index: reader.index + k,
          flags: reader.flags,
        })
      }
    } else if (reader.kind === ResponseKind.FAILED) {
      const { code, outcome } = reader.failure()
      for (let k = 0; k < reader.count; k += 1) {
        this.outcomes.push({ id: reader.firstId + k, kind: 'failed', code, outcome })
      }
    } else this.#results(reader)
  }

  /** Outcome of the operation; throws where there is none, or several. */
  of(id: number): Outcome {
    const found = this.outcomes.filter(outcome => outcome.id === id)
    if (found.length !== 1) throw new Error(`operation ${id} has ${found.length} answers`)
    return found[0]!
  }

  #results(reader: ResponseFrameReader): void {
    const isWrite = reader.kind === ResponseKind.WRITE_RESULTS
    for (let k = 0; reader.next(); k += 1) {
      const value = reader.frame.toString('utf8', reader.valueStart, reader.valueStart + reader.valueLength)
      const { index, flags, previousIndex } = reader
      if (isWrite) this.outcomes.push({ id: reader.id, kind: 'result', index, flags, value, previousIndex })
      else this.outcomes.push({ id: reader.firstId + k, kind: 'read', index, flags, value })
    }
  }
}

export interface TestWrite {
  readonly operation?: typeof Operation.SET | typeof Operation.DELETE
  readonly key: string
  readonly value?: string
  readonly flags?: number
  readonly ifIndex?: number
}

/** A WRITES frame. */
export function writes(firstId: number, consistency: 'strong' | 'weak', list: readonly TestWrite[]): Buffer {
  const slab = new WriteSlab()
  const scratch = new KeyScratch()
  const builder = new WriteFrameBuilder()
  builder.begin()
  for (const { operation = 1, key, value = '', flags = 0, ifIndex = 0 } of list) {
    scratch.load(key)
    slab.append(operation, flags, ifIndex, scratch, value)
    builder.add(slab.bytes, slab.start, slab.end)
  }
  return builder.finish({
    shard: 0,
    observedLamport: 0,
    firstId,
    acknowledgedBelowOrTokenIndex: 0,
    tokenEpoch: 0,
    consistency: consistency === 'strong' ? FrameConsistency.STRONG : FrameConsistency.WEAK,
  })
}

/** A READS frame. */
export function reads(
  firstId: number,
  consistency: FrameConsistency,
  keys: readonly string[],
  token = { index: 0, epoch: 0 },
): Buffer {
  const encoder = new ReadFrameEncoder()
  encoder.begin()
  for (const key of keys) encoder.add(key)
  return encoder.finish({
    shard: 0,
    observedLamport: 0,
    firstId,
    acknowledgedBelowOrTokenIndex: token.index,
    tokenEpoch: token.epoch,
    consistency,
  })
}

/** The end of this turn of the event loop, when hosts carry out what arrived. */
export function turn(): Promise<void> {
  return new Promise(resolve => setImmediate(resolve))
}
