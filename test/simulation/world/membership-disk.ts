/**
 * The coordinator's store: what survives its crashes. It stands for LevelDB under the real store, and for the lock
 * that keeps two coordinators apart: here they may meet, and compare-and-set (I1) is all that is between them.
 */
import type { Membership, MembershipStore, StoredMembership } from '../../../src/replication/membership.js'
import type { World } from './process.js'
import type { Life } from './schedule.js'

export const CLUSTER_ID = 'simulated'

export class MembershipDisk {
  readonly #world: World
  readonly #values = new Map<number, StoredMembership>()
  /** Called with each value that was stored, before anybody hears of it. */
  onStored: (ordinal: number, membership: Membership, before: Membership | undefined) => void = () => {}
  /** Probability that the coordinator dies at a write: before it, or after it and before it hears of it. */
  crashAtWrite = 0
  /** Kills the coordinator. */
  crash: () => void = () => {}

  constructor(world: World) {
    this.#world = world
  }

  read(ordinal: number): StoredMembership | undefined {
    return this.#values.get(ordinal)
  }

  /** As one life of the coordinator has it. */
  open(life: Life): MembershipStore {
    return {
      clusterId: CLUSTER_ID,
      read: ordinal => copyOf(this.#values.get(ordinal)),
      write: (ordinal, expectedRevision, membership) => {
        const copy = copyOf(membership)
        return new Promise(resolve => this.#write(life, ordinal, expectedRevision, copy, resolve))
      },
      close: async () => {},
    }
  }

  #write(
    life: Life,
    ordinal: number,
    expectedRevision: number,
    membership: Membership,
    done: (revision: number | undefined) => void,
  ): void {
    const { schedule, random, network, trace } = this.#world
    const ms = network.weather.syncMs * (0.5 + random.next())
    schedule.after(life, ms, () => {
      if (this.#crashes('before')) return
      const revision = this.#compareAndSet(ordinal, expectedRevision, membership)
      if (revision === undefined) trace.count('transition: compare-and-set refuses')
      if (this.#crashes('after')) return
      done(revision)
    })
  }

  #compareAndSet(ordinal: number, expectedRevision: number, membership: Membership): number | undefined {
    const before = this.#values.get(ordinal)
    if ((before?.revision ?? 0) !== expectedRevision) return undefined
    const revision = expectedRevision + 1
    this.#values.set(ordinal, { revision, membership })
    this.onStored(ordinal, membership, before?.membership)
    return revision
  }

  #crashes(when: 'before' | 'after'): boolean {
    const { random, trace } = this.#world
    if (this.crashAtWrite === 0 || !random.chance(this.crashAtWrite)) return false
    trace.count(`fault: coordinator dies ${when} a store write`)
    trace.note(`the coordinator dies ${when} a store write`)
    this.crash()
    return true
  }
}

/** As if read from disk: no two processes share memory. */
function copyOf<T>(value: T): T {
  return value === undefined ? value : (JSON.parse(JSON.stringify(value)) as T)
}
