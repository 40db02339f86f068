/** How reads of the past fail, in the words that people get. Wall times are RFC 3339 there. */
import { VarveError } from '../client/errors.js'
import { type Horizon, horizonText } from '../log/horizon.js'
import type { Log } from '../log/log.js'
import { horizonOf } from '../log/log-base.js'
import type { Moment } from '../log/moment.js'

/** What log and projection throw while they read the past, as what clients know; everything else as it is. */
export function pastError(name: string, log: Log, error: unknown): unknown {
  const { code, message, horizon } = (error ?? {}) as { code?: string; message?: string; horizon?: Horizon }
  switch (code) {
    case 'LOG_OUT_OF_RETENTION':
      return new VarveError('OUT_OF_RETENTION', horizonText(name, horizon ?? horizonOf(log)), {
        cause: error,
      })
    case 'LOG_DAMAGED':
    case 'LOG_IO':
      return new VarveError('DATA_LOSS', `${name}: ${message}`, { cause: error })
    case 'BUSY':
      return new VarveError('RESOURCE_EXHAUSTED', `${name}: ${message}`, { cause: error })
    default:
      return error
  }
}

/** Runs a read of the past; what it throws is worded for clients. */
export async function readingPast<T>(name: string, log: Log, read: () => Promise<T>): Promise<T> {
  try {
    return await read()
  } catch (error) {
    throw pastError(name, log, error)
  }
}

/** A moment of the shard `name` as people write it. */
export function momentText(name: string, moment: Moment): string {
  switch (moment.kind) {
    case 'wall':
      return new Date(moment.wallMs).toISOString()
    case 'lamport':
      return `lamport:${moment.lamport}`
    case 'index':
      return `index:${name}/${moment.index}`
  }
}
