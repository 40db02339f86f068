/**
 * What the members of a shard were heard to hold (I5), and the highest commit: kept between the coordinator's lives, as
 * last persisted. A replica that comes back with less than it had reported lost what it had promised to keep.
 */
import type { ReplicaHeartbeat } from '../generated/varve/v1/replication.js'

export class MemberReports {
  #reports: Map<string, number>
  #commitBound: number
  #persisted: { readonly reports: Readonly<Record<string, number>>; readonly commitBound: number }

  constructor(reports: Readonly<Record<string, number>>, commitBound: number) {
    this.#reports = new Map(Object.entries(reports))
    this.#commitBound = commitBound
    this.#persisted = { reports, commitBound }
  }

  /** Highest commitIndex heard of. Falls only in a recovery. */
  get commitBound(): number {
    return this.#commitBound
  }

  /** A member of the configuration in office says what it holds. */
  heard(address: string, replica: ReplicaHeartbeat): void {
    this.#reports.set(address, Math.max(this.of(address), replica.reportedIndex))
    this.#commitBound = Math.max(this.#commitBound, replica.commitIndex)
  }

  of(address: string): number {
    return this.#reports.get(address) ?? 0
  }

  /**
   * The process is asked to follow uncounted: what it holds above the log that it follows it may cut, and rightly so. It
   * must still hold what it had reported up to where the epoch in office began at `index` + 1.
   */
  lower(address: string, index: number): void {
    if (this.of(address) > index) this.#reports.set(address, index)
  }

  /**
   * These members came into office at this index. What others had reported stays where they may still be survivors:
   * where the configuration is not what survivors come from.
   */
  begin(members: readonly string[], epochIndex: number, isBase: boolean): void {
    if (isBase) {
      this.#reports = new Map()
      this.#commitBound = Math.max(this.#commitBound, epochIndex)
    }
    for (const address of members) this.#reports.set(address, epochIndex)
  }

  /** An operator gave up all above. */
  giveUp(commitBound: number): void {
    this.#commitBound = commitBound
  }

  /** As it is stored. */
  toStored(): { reports: Record<string, number>; commitBound: number } {
    return { reports: Object.fromEntries(this.#reports), commitBound: this.#commitBound }
  }

  /** What is known now is being stored. */
  persisted(): void {
    this.#persisted = this.toStored()
  }

  /** Whether what was stored last is not all that is known. */
  get isNews(): boolean {
    const { reports, commitBound } = this.#persisted
    if (commitBound !== this.#commitBound) return true
    return [...this.#reports].some(([address, index]) => reports[address] !== index)
  }
}
