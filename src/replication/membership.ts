/**
 * What the coordinator must never forget of a shard (I1), and how it is kept. The whole value is compared and set by
 * its revision: two changes cannot both succeed, whatever epochs they carry.
 */
import type { Configuration } from '../generated/varve/v1/replication.js'

/** A shard as the cluster's configuration file lists it. */
export interface ListedShard {
  readonly ordinal: number
  readonly name: string
  /** Addresses; the first is the first head. */
  readonly replicas: readonly string[]
  readonly topology: 'chain' | 'star'
  readonly minInSync: number
}

/** The stored value: JSON, one for each shard. */
export interface Membership {
  /** Born with the shard: 32 hex digits. */
  readonly logId: string
  /** Highest epoch that was ever reserved, used or burnt. */
  readonly reservedEpoch: number
  /** The newest configuration that was stored, PROPOSED or ACTIVE. */
  readonly current: Configuration | null
  /** The last ACTIVE one that had at least minInSync members, and its EPOCH entry: where survivors come from (I5). */
  readonly base: Configuration | null
  readonly baseEpochIndex: number
  readonly baseEpochHash: string
  /** Every epoch that was ever ACTIVE, ascending. */
  readonly activeEpochs: readonly number[]
  /** What each member last reported in the current epoch (I5), as last persisted. */
  readonly reports: Readonly<Record<string, number>>
  /** Highest commitIndex heard of. */
  readonly commitBound: number
}

export interface StoredMembership {
  readonly revision: number
  readonly membership: Membership
}

/** The coordinator's memory. Implementations sync before they answer. */
export interface MembershipStore {
  /** Random, made at the cluster's birth. */
  readonly clusterId: string
  /** What is stored of a shard; undefined for one never heard of. */
  read(ordinal: number): StoredMembership | undefined
  /**
   * Replaces the value if its revision still is `expectedRevision` (0: there is none yet). Resolves with the new
   * revision, or undefined where another was stored meanwhile. Rejects when the disk fails: then end the process.
   */
  write(ordinal: number, expectedRevision: number, membership: Membership): Promise<number | undefined>
  close(): Promise<void>
}
