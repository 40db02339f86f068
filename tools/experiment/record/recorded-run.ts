/** One run of an experiment as its folder holds it: what figures, tables and verdicts are made of. */

import type { HistoryOperation, LoggedEntry } from '../../history/history-event.js'
import type {
  FaultEvent,
  LoadEvent,
  MembershipEvent,
  ProcessEvent,
  QuietEvent,
  RunEvent,
  SampleEvent,
} from './events.js'

/**
 * An operation with times in milliseconds since the run's zero. `intendedMs` is when it was to be sent: with a fixed rate a
 * client that waits for a slow answer is late, and what it is late counts as latency (no coordinated omission).
 */
export interface RecordedOperation extends HistoryOperation {
  readonly intendedMs: number
}

/** An entry of the final log, with the stamps that it got at the head. */
export interface RecordedEntry extends LoggedEntry {
  readonly lamport: number
  /** Milliseconds since the run's zero, by the head's clock. */
  readonly stampedMs: number
}

/** Everything of one run, each list in the order of time (entries: by shard and index). */
export interface RecordedRun {
  /** Unique in the experiment: `strong`, `chain-60`, `weak#2` for a second repetition. */
  readonly name: string
  readonly about: RunEvent
  /** Those of the load. */
  readonly operations: readonly RecordedOperation[]
  /** What the workload wrote before its load began, such as YCSB's records. */
  readonly preload: readonly RecordedOperation[]
  readonly samples: readonly SampleEvent[]
  readonly memberships: readonly MembershipEvent[]
  readonly faults: readonly FaultEvent[]
  readonly loads: readonly LoadEvent[]
  readonly processes: readonly ProcessEvent[]
  /** Undefined where the replicas were never found equal. */
  readonly quiet: QuietEvent | undefined
  /** The log of every shard as the replicas held it in the end. */
  readonly log: readonly RecordedEntry[]
  /** What was cut off logs by failovers, on any disk. */
  readonly orphans: readonly LoggedEntry[]
}
