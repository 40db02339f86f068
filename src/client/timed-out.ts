import { VarveError, type WriteOutcome } from './errors.js'

/** The error of a call whose time is over, with what held it up where that is known. */
export function timedOut(
  what: string,
  timeoutMs: number,
  lastFailure: VarveError | undefined,
  outcome?: WriteOutcome,
): VarveError {
  const reason = lastFailure === undefined ? '' : `; last: ${lastFailure.code}: ${lastFailure.message}`
  const doubt = outcome === 'unknown' ? '; it may or may not have happened' : ''
  return new VarveError(
    'DEADLINE_EXCEEDED',
    `${what} was not answered within ${timeoutMs} ms${doubt}${reason}`,
    {
      outcome,
      cause: lastFailure,
    },
  )
}
