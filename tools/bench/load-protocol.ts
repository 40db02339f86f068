/** What the load generator is asked and answers. It is a process of its own, so that its CPU is counted apart. */

import type { LoopResult } from './closed-loop.js'
import type { Level, Operation, System } from './rows.js'

/** What operations look like. Asked for first, and once: it makes all keys. */
export interface PrepareRequest {
  readonly kind: 'prepare'
  readonly keys: number
  readonly valueSizeBytes: number
}

/** Where to send operations. Asked for once, before any is. */
export interface ConnectRequest {
  readonly kind: 'connect'
  readonly system: System
  /** `host:port` of processes of the cluster. */
  readonly endpoints: readonly string[]
}

/** Write keys 0 to `keys` - 1, each once; answered when all are. */
export interface FillRequest {
  readonly kind: 'fill'
  readonly keys: number
  readonly outstanding: number
}

/** Run a closed loop on keys 0 to `keys` - 1. Emits `WindowEvent`; answered with `RunAnswer`. */
export interface RunRequest {
  readonly kind: 'run'
  readonly operation: Operation
  readonly level: Level
  readonly outstanding: number
  readonly keys: number
  readonly warmUpMs: number
  readonly windowMs: number
  /** Of the order of keys. */
  readonly seed: number
}

/** Read so many keys of a fill, spread over all, strongly. Answered with how many were wrong or missing. */
export interface CheckRequest {
  readonly kind: 'check'
  readonly keys: number
  readonly samples: number
}

export type LoadRequest = PrepareRequest | ConnectRequest | FillRequest | RunRequest | CheckRequest

/** The warm-up is over. */
export interface WindowEvent {
  readonly kind: 'window'
}

export interface RunAnswer extends LoopResult {
  readonly rssBytes: number
}
