/** What a load does, as it was described and filled in with defaults. Plain data: it travels to the load's process. */

/** Operations that a run may record at most: they are held in memory when figures are made of them. */
export const OPERATIONS_MAX = 1_000_000
/** Where only a duration is given for a closed loop, or a ramp: the load ends sooner when it has done so many. */
export const OPERATIONS_DEFAULT = 200_000
export const CLIENTS_MAX = 4_096
/** Operations under way at most in an open loop that says nothing: enough for any rate that a cluster keeps up with. */
export const OPEN_CLIENTS_DEFAULT = 256
/** A value begins with who wrote it and which of its writes it is, and what that takes at most fits. */
export const VALUE_SIZE_BYTES_MIN = 16
export const VALUE_SIZE_BYTES_MAX = 65_536

/** A part of a ramp: so many clients for so long. */
export interface RampStep {
  readonly clients: number
  readonly forMs: number
}

/** How hard and how long the load presses, whatever its operations are. */
export interface LoadShape {
  /**
   * Closed loop (no `ratePerSecond`): clients, each with one operation at a time. Open loop: operations under way at most; an
   * operation whose turn has come while so many are is late, and its latency counts from when it was to begin. With a
   * ramp: the most clients of a step.
   */
  readonly clients: number
  /** Open loop: operations begin at this rate, whether or not earlier ones have been answered. */
  readonly ratePerSecond?: number
  /** The load ends when so many have been done. */
  readonly operations: number
  /** And it ends after this. */
  readonly durationMs?: number
  /** Closed loop with a number of clients that changes; ends after the last step. */
  readonly ramp?: readonly RampStep[]
  /** Connections that the clients share. Each keeps to one member of a shard for its reads. */
  readonly connections: number
  /** Of one operation. */
  readonly timeoutMs: number
  /** Before every key. */
  readonly keyPrefix: string
}

/** The operations of a file, in its order as far as each key goes. */
export interface RunFileWorkload extends LoadShape {
  readonly kind: 'run-file'
  readonly file: string
}

/** Reads and writes of single keys. */
export interface MixedWorkload extends LoadShape {
  readonly kind: 'normal' | 'write-heavy' | 'hot-cold'
  readonly keys: number
  readonly valueSizeBytes: number
  /** Of all operations, 0 to 1; the others are reads. */
  readonly writeShare: number
  /** Of the writes, 0 to 1. */
  readonly deleteShare: number
  /** Some keys get more than their part; absent: all are alike. */
  readonly hot?: {
    /** The first so many. */
    readonly keys: number
    /** Of all operations, 0 to 1. */
    readonly share: number
  }
}

export type YcsbName = 'A' | 'B' | 'C' | 'D' | 'E' | 'F'

/** One of the core workloads of YCSB (Cooper et al., SoCC 2010). */
export interface YcsbWorkload extends LoadShape {
  readonly kind: 'ycsb'
  readonly workload: YcsbName
  /** Keys that are written before the load begins. */
  readonly records: number
  readonly valueSizeBytes: number
  /** Zipf's exponent: how much more popular a key is than the next one; between 0 and 1. */
  readonly zipfian: number
}

export type Workload = RunFileWorkload | MixedWorkload | YcsbWorkload

/** Operations that a history has of one that the load counts: a read-modify-write is two. */
export function recordedPerOperation(workload: YcsbName): number {
  return workload === 'F' ? 2 : 1
}
