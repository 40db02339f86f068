import type { Log } from '../log/log.js'
import type { BaseName } from '../log/log-base.js'
import type { BaseReceiver } from './base-receiver.js'
import type { Downstreams } from './downstreams.js'
import type { Body, Effect } from './effects.js'

/** What a replica's part in an epoch, leading or following, needs of the replica. It never outlives the epoch. */
export interface EpochContext {
  /** Read only here; every change is an effect. */
  readonly log: Log
  readonly downstreams: Downstreams
  readonly baseReceiver: BaseReceiver
  /** Who is told what arrived of a base. */
  baseUpstream: string
  /** The base that came in, once it can be installed. */
  preparedBase: BaseName | undefined
  readonly epoch: number
  /** The coordinator said that this epoch's configuration is in office. */
  readonly isActive: boolean
  readonly commitIndex: number
  /** Sends in this epoch. */
  send(to: string, body: Body): void
  emit(effect: Effect): void
  /** All up to `index` is committed; what was known to be committed already changes nothing. */
  commitTo(index: number): void
  /** The log holds, matched, all up to `index`. */
  applied(index: number): void
}
