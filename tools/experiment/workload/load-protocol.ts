/** What the load's process is asked, told and answers. One process makes the load of one run. */

import type { ConsistencyName } from '../../../src/client/options.js'
import type { LoadConsistency } from './load-modes.js'
import type { Workload } from './workload.js'

/** Name of the client that writes the first records in histories; all others are c0, c1 and so on. */
export const PRELOAD_CLIENT = 'load'

/** Connect, write the records that the workload begins with, and be ready. Answered with nothing. */
export interface PrepareRequest {
  readonly kind: 'prepare'
  /** Name of the run, noted in the history's header. */
  readonly run: string
  /** `host:port` of processes of the cluster. */
  readonly endpoints: readonly string[]
  readonly workload: Workload
  /** Of everything that is chosen by chance. */
  readonly seed: number
  /** Of writes. Those of the preload are strong. */
  readonly consistency: LoadConsistency
  /** Of reads and scans; undefined: as the writes of the same client. */
  readonly reads: ConsistencyName | undefined
  /** Made anew; holds the preload and the run, complete once the run is answered. */
  readonly historyFile: string
}

/** Make the load. Asked for once, after `prepare`. Emits {@link LoadProcessEvent}s; answered with {@link LoadTotals}. */
export interface RunRequest {
  readonly kind: 'run'
}

export type LoadRequest = PrepareRequest | RunRequest

/** Told at any time: end early, in order. What is under way ends, everything is recorded, the request is answered. */
export interface StopMessage {
  readonly kind: 'stop'
}

/** The first operations begin now: the run's zero, on the history's clock and on the wall clock (epoch ms). */
export interface BegunEvent {
  readonly kind: 'begun'
  readonly monotonicMs: number
  readonly wallMs: number
  /** Of the first step; of an open loop the operations that may be under way. */
  readonly clients: number
}

/** A later step of a ramp begins. */
export interface StepEvent {
  readonly kind: 'step'
  readonly monotonicMs: number
  readonly clients: number
}

/** How many operations of the run have ended, by outcome. */
export interface LoadCounts {
  readonly answered: number
  readonly failed: number
  readonly unknown: number
}

/** Told every {@link PROGRESS_EVERY_MS} of the run. */
export interface ProgressEvent extends LoadCounts {
  readonly kind: 'progress'
  readonly clients: number
}

export type LoadProcessEvent = BegunEvent | StepEvent | ProgressEvent

export const PROGRESS_EVERY_MS = 200

/** Counts of operations as the history has them, the preload not included. */
export interface LoadTotals extends LoadCounts {
  /** Operations of an open loop whose turn had come, but for which no client was free until the end. */
  readonly notBegun: number
  /** When the last one returned that did; null where none did. */
  readonly lastReturnedMonotonicMs: number | null
}
