/** What the processes of one model cluster share. */
import type { Event } from './events.js'
import type { Network } from './network.js'

export const CLUSTER_ID = 'c1'
/** Every script and walk has one shard. */
export const SHARD = 0
export const COORDINATOR = 'coordinator'

export interface World {
  readonly network: Network
  /** Virtual time, ms. */
  readonly nowMs: () => number
  /** A number that no process life had before. */
  readonly nextIncarnation: () => number
  readonly emit: (event: Event) => void
}
