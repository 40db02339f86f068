/** A system that is measured: started by the benchmark, filled once, then put under load row by row. */

import type { WorkerProcess } from '../worker/worker-process.js'

/** What one process has used so far. */
export interface ProcessUsage {
  /** Its part in the system: `head`, `middle`, `coordinator`. */
  readonly name: string
  /** CPU since it started, user and system. */
  readonly cpuSeconds: number
  readonly rssBytes: number
}

export interface Subject {
  /** The load generator that is connected to it. */
  readonly load: WorkerProcess
  /** Rejects when one of its processes ends by itself; never resolves. */
  readonly failed: Promise<never>
  /** Its processes, always in the same order, without the load generator. */
  usage(): Promise<ProcessUsage[]>
  /** Resolves when nothing of the last row's work is left to do. */
  settle(): Promise<void>
  /** Ends the system and its load generator. */
  stop(): Promise<void>
}
