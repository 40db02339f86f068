/**
 * Who holds a shard up (Normal work 5). A member lags when it does not reach, within `lagMsMax`, what its upstream held
 * when the count began, or when its disk, the head's too, has not synced for so long: whatever the reason, nothing that is
 * written now is committed before it is there. Of several only the one nearest the head is named: the others may merely
 * wait for it.
 */
import type { Configuration, ReplicaHeartbeat } from '../generated/varve/v1/replication.js'
import { memberAt } from './configuration.js'

interface Goal {
  readonly index: number
  readonly sinceMs: number
}

export class Laggards {
  readonly #lagMsMax: number
  #epoch = 0
  #reported = new Map<string, number>()
  #unsyncedMs = new Map<string, number>()
  #goals = new Map<string, Goal>()

  constructor(lagMsMax: number) {
    this.#lagMsMax = lagMsMax
  }

  /** A member says what it has reported in the configuration's epoch; -1 before it has matched. */
  heard(epoch: number, address: string, replica: ReplicaHeartbeat): void {
    this.#enter(epoch)
    this.#reported.set(address, replica.epoch === epoch ? replica.reportedIndex : -1)
    this.#unsyncedMs.set(address, replica.oldestUnsyncedMs)
  }

  /** The member that holds the shard up, if one does. */
  find(configuration: Configuration, nowMs: number): string | undefined {
    this.#enter(configuration.epoch)
    for (const { address, upstream } of configuration.members) {
      if ((this.#unsyncedMs.get(address) ?? 0) > this.#lagMsMax) return address
      if (upstream === '') continue
      const own = this.#reported.get(address) ?? -1
      const goal = this.#goals.get(address)
      if (goal === undefined || own >= goal.index) {
        this.#goals.set(address, { index: this.#heldAbove(configuration, upstream), sinceMs: nowMs })
      } else if (nowMs - goal.sinceMs > this.#lagMsMax) return address
    }
    return undefined
  }

  /** This process itself paused: what it did not hear of proves nothing. */
  forgive(): void {
    this.#goals = new Map()
    this.#unsyncedMs = new Map()
  }

  /** What a member must reach: what its upstream holds, and at least something, so that one that never matches is found. */
  #heldAbove(configuration: Configuration, upstream: string): number {
    const held = this.#reported.get(memberAt(configuration, upstream)?.address ?? '') ?? 0
    return Math.max(1, held)
  }

  #enter(epoch: number): void {
    if (epoch === this.#epoch) return
    this.#epoch = epoch
    this.#reported = new Map()
    this.#unsyncedMs = new Map()
    this.#goals = new Map()
  }
}
