/** What a checker is told. Checkers look at disks, answers and the coordinator's store, never at what the code believes. */
import type { Log } from '../../../src/log/log.js'
import type { Membership } from '../../../src/replication/membership.js'
import type { History, Look, Operation } from '../history.js'
import type { Cluster } from '../world/cluster.js'
import type { NodeProcess } from '../world/node-process.js'

/** One replica as it is now. */
export interface ReplicaView {
  readonly node: NodeProcess
  readonly ordinal: number
  /** Name of the life of the process: a view before of another life says nothing of this one. */
  readonly life: string
  readonly epoch: number
  readonly isActive: boolean
  readonly isLearner: boolean
  readonly commitIndex: number
  readonly appliedIndex: number
  readonly lastIndex: number
  readonly role: string
  readonly log: Log
}

export interface Checker {
  /** Something about a replica changed. `before` is what was seen last, in this life or an earlier one. */
  onReplica?(view: ReplicaView, before: ReplicaView | undefined): void
  /** The coordinator's store took a value. */
  onStored?(ordinal: number, membership: Membership, before: Membership | undefined): void
  /** A client heard what became of an operation. */
  onReturned?(operation: Operation): void
  /** A client was shown the past. */
  onLooked?(look: Look): void
  /** Everything was healed and has come to rest. */
  atRest?(rest: Rest): void | Promise<void>
}

export interface Rest {
  readonly cluster: Cluster
  readonly history: History
}

/** A promise is broken. */
export class Violation extends Error {
  override readonly name = 'Violation'
}

export function check(holds: boolean, violation: string): asserts holds {
  if (!holds) throw new Violation(violation)
}
