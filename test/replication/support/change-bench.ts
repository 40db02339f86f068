/** One shard's change with everything around it played by the test: who is alive, what is stored, what is sent. */
import type { Configuration, ReplicaSummary } from '../../../src/generated/varve/v1/replication.js'
import type { Body } from '../../../src/replication/effects.js'
import type { ListedShard, Membership, StoredMembership } from '../../../src/replication/membership.js'
import { ShardChange } from '../../../src/replication/shard-change.js'
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

export class ChangeBench {
  readonly listed: ListedShard
  readonly alive = new Map<string, number>()
  readonly registered = new Map<string, ReplicaSummary>()
  /** What happened, in order: `seal a`, `store 2` and so on. */
  readonly happened: string[] = []
  /** How often the shard map had to be made anew. */
  changes = 0
  readonly #stored: StoredMembership[] = []
  #waiting: { expectedRevision: number; membership: Membership } | undefined
  change: ShardChange

  constructor(replicas: readonly string[], minInSync = 1) {
    this.listed = { ordinal: 0, name: 'shard_0', replicas, topology: 'chain', minInSync }
    this.change = this.#begin()
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
    this.registered.set(address, summary)
  }

  /** The store takes the value that waits and says so. */
  completeStore(): void {
    const { expectedRevision, membership } = this.#waiting!
    this.#waiting = undefined
    this.#stored.push({ revision: expectedRevision + 1, membership })
    this.change.stored(expectedRevision + 1)
  }

  /** The coordinator starts anew from what is stored. */
  restart(): void {
    this.#waiting = undefined
    this.change = this.#begin()
  }

  tick(count: number): void {
    for (let at = 0; at < count; at += 1) this.change.tick()
  }

  sealed(address: string, summary: ReplicaSummary): void {
    this.change.sealed(address, this.alive.get(address)!, summary.adoptedEpoch, summary)
  }

  /** From nothing to an ACTIVE epoch whose EPOCH entry has this index. Returns the configuration. */
  activate(epochIndex = 1, ...spans: [number, number, number][]): Configuration {
    this.change.consider()
    this.completeStore()
    const epoch = this.stored!.reservedEpoch
    for (const address of this.listed.replicas) this.sealed(address, summaryOf(epoch, ...spans))
    this.completeStore()
    const { head } = this.change.current!
    this.change.ready(head, this.alive.get(head)!, epoch, epochIndex, EPOCH_HASH)
    this.completeStore()
    this.take()
    return this.change.current!
  }

  #begin(): ShardChange {
    return new ShardChange(this.listed, this.#stored.at(-1), LOG_ID, {
      incarnationAt: address => this.alive.get(address),
      registered: address => this.registered.get(address),
      send: (to, epoch, body) => this.happened.push(describe(to, epoch, body)),
      store: (expectedRevision, membership) => {
        this.#waiting = { expectedRevision, membership }
        this.happened.push(`store ${expectedRevision + 1}`)
      },
      changed: () => {
        this.changes += 1
      },
    })
  }
}

function describe(to: string, epoch: number, body: Body): string {
  return `${body.$case} ${epoch} to ${to}`
}
