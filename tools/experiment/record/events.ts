/**
 * What an experiment records besides its history: one object a line in `events.jsonl`, a header first
 * (docs/experiments.md). All times are milliseconds since the run's zero, the moment its load began; what was before that
 * is negative.
 */

/** What every event carries. */
interface Of<Type extends string> {
  readonly type: Type
  /** The run it belongs to, by name. */
  readonly run: string
  readonly atMs: number
}

/** A run begins: its cluster serves and its load is about to begin. The first event of a run. */
export interface RunEvent extends Of<'run'> {
  /** The run's zero on the wall clock (epoch ms) and on the clock of the history (monotonic ms). */
  readonly zeroWallMs: number
  readonly zeroMonotonicMs: number
  readonly topology: 'chain' | 'star'
  /** Of writes, and of reads unless told otherwise; mixed: every other client is strong, the others are weak. */
  readonly consistency: 'strong' | 'weak' | 'mixed'
  readonly coordinator: string
  /** Addresses of each shard's replicas in the tree's order, the head first. */
  readonly shards: Readonly<Record<string, readonly string[]>>
  /** From the first start of a process until all shards served; absent for a cluster that was running. */
  readonly startedInMs?: number
}

/** What one node said of itself. `atMs` is by its own clock, which on one machine is everybody's. */
export interface SampleEvent extends Of<'sample'> {
  readonly node: string
  /** Of its process since its start: user and system. */
  readonly cpuMs: number
  readonly rssBytes: number
  readonly replicas: readonly ReplicaSample[]
}

export interface ReplicaSample {
  readonly shard: string
  readonly role: string
  readonly epoch: number
  /** Last entry that it holds, that it holds synced, that it knows to be committed. */
  readonly lastIndex: number
  readonly durableIndex: number
  readonly commitIndex: number
  /** Of its last entry. */
  readonly lamport: number
}

/** Who holds a shard from now on, as the coordinator says. The first one of each shard stands right after `run`. */
export interface MembershipEvent extends Of<'membership'> {
  readonly shard: string
  readonly epoch: number
  /** `ACTIVE`, `PROPOSED` or `WAITING`. */
  readonly status: string
  /** Empty where there is none. */
  readonly head: string
  /** In the tree's order: a chain's from head to tail. */
  readonly members: readonly string[]
  readonly learners: readonly string[]
}

/** Names of what can be done to a cluster. */
export type FaultAction = 'kill' | 'stop' | 'start' | 'pause' | 'resume' | 'leave' | 'join'

/** Something that the timeline did. `atMs` is when it was begun. */
export interface FaultEvent extends Of<'fault'> {
  readonly action: FaultAction
  /** As the description named it: `HEAD`, `TAIL`, an address, `coordinator`. */
  readonly target: string
  /** Address of the process that it was done to. */
  readonly node: string
  /** Whose HEAD or TAIL it was; empty where an address was named. */
  readonly shard: string
  /** How long it took until it was done. */
  readonly tookMs: number
  /** Why it could not be done; absent where it was. */
  readonly problem?: string
}

/** The load begins or ends; between the two the clients send operations. A ramp has one for each step. */
export interface LoadEvent extends Of<'load'> {
  readonly state: 'begun' | 'step' | 'ended'
  /** Clients that send from now on. */
  readonly clients: number
}

/** A process ended without having been told to, or listens again. */
export interface ProcessEvent extends Of<'process'> {
  readonly node: string
  readonly what: string
}

/** All replicas of the run held the same, committed to the end, at that time. */
export interface QuietEvent extends Of<'quiet'> {
  readonly replicas: number
}

export type ExperimentEvent =
  | RunEvent
  | SampleEvent
  | MembershipEvent
  | FaultEvent
  | LoadEvent
  | ProcessEvent
  | QuietEvent
