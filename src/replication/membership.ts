/**
 * What the coordinator must never forget of a shard (I1), and how it is kept. The whole value is compared and set by
 * its revision: two changes cannot both succeed, whatever epochs they carry.
 */
import type { Configuration, Recovery } from '../generated/varve/v1/replication.js'

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
  /** The last ACTIVE one, whatever its size: its members go on first. */
  readonly active: Configuration | null
  /** Index of its EPOCH entry; 0 where that is not known. */
  readonly activeEpochIndex: number
  /**
   * The last ACTIVE one that had at least minInSync members, or that an operator forced, and its EPOCH entry: where
   * survivors come from (I5).
   */
  readonly base: Configuration | null
  readonly baseEpochIndex: number
  readonly baseEpochHash: string
  /** Every epoch that was ever ACTIVE, ascending. */
  readonly activeEpochs: readonly number[]
  /** What each member last reported in the current epoch (I5), as last persisted. */
  readonly reports: Readonly<Record<string, number>>
  /** Highest commitIndex heard of. */
  readonly commitBound: number
  /** How many members the shard shall have. */
  readonly wanted: number
  /** Addresses that left by an operator's wish: they are not brought in again. */
  readonly left: readonly string[]
  /** The last forced recovery; null where there never was one. */
  readonly recovery: Recovery | null
}

/** A shard that was never in office. */
export function unborn(logId: string, wanted: number): Membership {
  return {
    logId,
    reservedEpoch: 0,
    current: null,
    active: null,
    activeEpochIndex: 0,
    base: null,
    baseEpochIndex: 0,
    baseEpochHash: '',
    activeEpochs: [],
    reports: {},
    commitBound: 0,
    wanted,
    left: [],
    recovery: null,
  }
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
