/** One shard's control with everything around it played by the test: who is alive, what is stored, what is sent. */
import type {
  Configuration,
  ReplicaHeartbeat,
  ReplicaSummary,
} from '../../../src/generated/varve/v1/replication.js'
import { isActive } from '../../../src/replication/configuration.js'
import type { Body } from '../../../src/replication/effects.js'
import type { ListedShard, Membership, StoredMembership } from '../../../src/replication/membership.js'
import { NodeTable } from '../../../src/replication/node-table.js'
import { ShardControl } from '../../../src/replication/shard-control.js'
import { LOG_ID } from './records.js'

export const EPOCH_HASH = Buffer.alloc(32, 7)

/** What a replica of the shard holds: `[epoch, first index, last index]` each. */
export function summaryOf(adoptedEpoch: number, ...spans: [number, number, number][]): ReplicaSummary {
  return {
    shard: 0,
    adoptedEpoch,
    logId: spans.length === 0 ? '' : LOG_ID,
    lastIndex: spans.at(-1)?.[2] ?? 0,
    commitIndex: 0,
    epochs: spans.map(([epoch, startIndex, lastIndex]) => ({
      epoch,
      startIndex,
      lastIndex,
      hash: Buffer.alloc(32, lastIndex),
      startHash: EPOCH_HASH,
    })),
  }
}

/** A heartbeat's part about a replica that has nothing to say. */
export const QUIET: ReplicaHeartbeat = {
  shard: 0,
  epoch: 0,
  reportedIndex: 0,
  commitIndex: 0,
  oldestUnsyncedMs: 0,
  active: false,
  learner: false,
  lastIndex: 0,
  drained: false,
  baseReceivedBytes: 0,
  baseTotalBytes: 0,
}

/** Time between two ticks, ms. */
export const TICK_MS = 50

export class ControlBench {
  readonly listed: ListedShard
  /** Incarnations of the processes that go on beating. */
  readonly alive = new Map<string, number>()
  /** What happened, in order: `seal 1 to a`, `store 2` and so on. */
  readonly happened: string[] = []
  /** What operators find in the log. */
  readonly notes: string[] = []
  /** How often the shard map had to be made anew. */
  changes = 0
  /** What members say that they report, if not what the epoch began with. */
  readonly reported = new Map<string, number>()
  /** Members whose heartbeats say nothing of the shard. */
  readonly mute = new Set<string>()
  nodes = new NodeTable(1_000)
  nowMs = 0
  readonly #stored: StoredMembership[] = []
  #waiting: { expectedRevision: number; membership: Membership } | undefined
  control: ShardControl

  constructor(replicas: readonly string[], minInSync = 1, topology: 'chain' | 'star' = 'chain') {
    this.listed = { ordinal: 0, name: 'shard_0', replicas, topology, minInSync }
    this.control = this.#begin()
    replicas.forEach((address, at) => {
      this.register(address, at + 1, summaryOf(0))
    })
  }

  get stored(): Membership | undefined {
    return this.#stored.at(-1)?.membership
  }

  /** Takes what happened so far away, and returns it. */
  take(): string[] {
    return this.happened.splice(0)
  }

  register(address: string, incarnation: number, summary: ReplicaSummary): void {
    this.alive.set(address, incarnation)
    this.nodes.at(this.nowMs)
    this.nodes.register(address, incarnation, { replicas: [summary], version: '' })
  }

  /** The process is silent from now on. */
  silence(address: string): void {
    this.alive.delete(address)
  }

  /** The process says goodbye: it is gone at once. */
  leave(address: string): void {
    this.nodes.leave(address, this.alive.get(address)!)
    this.alive.delete(address)
  }

  beat(address: string, replica: Partial<ReplicaHeartbeat>): void {
    this.control.heartbeat(address, this.alive.get(address)!, { ...QUIET, ...replica })
  }

  /** The store takes the value that waits and says so. */
  completeStore(): void {
    const { expectedRevision, membership } = this.#waiting!
    this.#waiting = undefined
    this.#stored.push({ revision: expectedRevision + 1, membership })
    this.control.stored(expectedRevision + 1)
  }

  get isStoring(): boolean {
    return this.#waiting !== undefined
  }

  /** The coordinator starts anew from what is stored; the processes register again. */
  restart(): void {
    this.#waiting = undefined
    const known = this.nodes.all()
    this.nodes = new NodeTable(1_000)
    this.nodes.tick(this.nowMs, undefined)
    this.control = this.#begin()
    for (const { address, incarnation, replicas } of known) {
      if (this.alive.get(address) === incarnation) this.register(address, incarnation, replicas.get(0)!)
    }
  }

  /** Time passes; who is alive is heard of. */
  tick(count: number): void {
    for (let at = 0; at < count; at += 1) {
      this.nowMs += TICK_MS
      this.nodes.tick(this.nowMs, undefined)
      for (const [address, incarnation] of this.alive) {
        this.nodes.heard(address, incarnation)
        this.#beats(address)
      }
      this.control.consider()
    }
  }

  /** A member of the configuration in office says that it is well. */
  #beats(address: string): void {
    const { current } = this.control
    const member = current?.members.find(each => each.address === address)
    if (this.mute.has(address)) return
    if (current === null || member?.incarnation !== this.alive.get(address) || !isActive(current)) return
    const reportedIndex = this.reported.get(address) ?? this.stored?.reports[address] ?? 1
    this.beat(address, { epoch: current.epoch, active: true, reportedIndex })
  }

  sealed(address: string, summary: ReplicaSummary): void {
    this.control.sealed(address, this.alive.get(address)!, summary.adoptedEpoch, summary)
  }

  /** The head of the configuration that is proposed says Ready, and ACTIVE is recorded. */
  office(epochIndex = 1): Configuration {
    const { head, epoch } = this.control.current!
    this.control.ready(head, this.alive.get(head)!, epoch, epochIndex, EPOCH_HASH)
    this.completeStore()
    this.take()
    return this.control.current!
  }

  /** From nothing to an ACTIVE epoch whose EPOCH entry has this index. Returns the configuration. */
  activate(epochIndex = 1, ...spans: [number, number, number][]): Configuration {
    this.control.consider()
    this.completeStore()
    const epoch = this.stored!.reservedEpoch
    for (const address of this.listed.replicas) this.sealed(address, summaryOf(epoch, ...spans))
    this.completeStore()
    return this.office(epochIndex)
  }

  /** A change that is due goes all the way: those that are asked seal with these spans. */
  change(epochIndex: number, ...spans: [number, number, number][]): Configuration {
    this.completeStore()
    const epoch = this.stored!.reservedEpoch
    const asked = this.take().flatMap(line => (line.startsWith('seal') ? [line.split(' to ')[1]!] : []))
    for (const address of asked) this.sealed(address, summaryOf(epoch, ...spans))
    this.completeStore()
    return this.office(epochIndex)
  }

  #begin(): ShardControl {
    return new ShardControl(this.listed, this.#stored.at(-1), LOG_ID, {
      nodes: this.nodes,
      replicasOn: () => 0,
      send: (to, epoch, body) => this.happened.push(describe(to, epoch, body)),
      store: (expectedRevision, membership) => {
        this.#waiting = { expectedRevision, membership }
        this.happened.push(`store ${expectedRevision + 1}`)
      },
      changed: () => {
        this.changes += 1
      },
      note: message => this.notes.push(message),
    })
  }
}

function describe(to: string, epoch: number, body: Body): string {
  return `${body.$case} ${epoch} to ${to}`
}
