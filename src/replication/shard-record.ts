/**
 * What is known of one shard: the value that is stored (I1), what its members reported since (I5), and what operators
 * asked for. One write is under way at a time, and each names the revision that it replaces.
 */
import { MemberReports } from './member-reports.js'
import { type ListedShard, type Membership, type StoredMembership, unborn } from './membership.js'

/** What an operator may ask to be stored. */
export type Wishes = Partial<Pick<Membership, 'left' | 'wanted'>>

export class ShardRecord {
  readonly listed: ListedShard
  readonly reports: MemberReports
  readonly #store: (expectedRevision: number, membership: Membership) => void
  #revision: number
  #membership: Membership
  #isWriting = false
  #wishes: Wishes = {}

  /** `logId` is used if the shard was never born. `store` stores a value; `stored` is called with the outcome. */
  constructor(
    listed: ListedShard,
    stored: StoredMembership | undefined,
    logId: string,
    store: (expectedRevision: number, membership: Membership) => void,
  ) {
    this.listed = listed
    this.#store = store
    this.#revision = stored?.revision ?? 0
    this.#membership = stored?.membership ?? unborn(logId, listed.replicas.length)
    this.reports = new MemberReports(this.#membership.reports, this.#membership.commitBound)
  }

  /** The value as it is stored, or about to be. */
  get membership(): Membership {
    return this.#membership
  }

  /** The same with all that was reported since. */
  get newest(): Membership {
    return { ...this.#membership, ...this.reports.toStored() }
  }

  get isWriting(): boolean {
    return this.#isWriting
  }

  get hasWishes(): boolean {
    return Object.keys(this.#wishes).length > 0
  }

  /** As it will be once the wishes are stored. */
  get wished(): Required<Wishes> {
    const { left, wanted } = this.#membership
    return { left, wanted, ...this.#wishes }
  }

  /** Goes with the next value that is stored. */
  wish(wishes: Wishes): void {
    this.#wishes = { ...this.#wishes, ...wishes }
  }

  /** Stores the value with this change, with all reports and wishes. */
  write(change: Partial<Membership>): void {
    this.#isWriting = true
    this.#membership = { ...this.newest, ...change, ...this.#wishes }
    this.#wishes = {}
    this.reports.persisted()
    this.#store(this.#revision, this.#membership)
  }

  /** The outcome: the new revision, or undefined where the value had changed meanwhile. */
  stored(revision: number | undefined): void {
    this.#isWriting = false
    if (revision === undefined)
      throw new Error(`shard ${this.listed.name}: another coordinator writes to this store`)
    this.#revision = revision
  }
}
