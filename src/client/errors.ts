/**
 * What can go wrong, by name. The same codes travel in session frames, in the status of unary calls and in
 * the errors that the client's promises reject with, so that a program can branch on `code` alone.
 */

/** The codes in the order of their numbers on the wire: the first is 1. Append only; numbers never change. */
export const errorCodes = [
  'INVALID_ARGUMENT',
  'NOT_HEAD',
  'NOT_MEMBER',
  'WRONG_SHARD',
  'UNAVAILABLE',
  'RESOURCE_EXHAUSTED',
  'SESSION_EXPIRED',
  'DATA_LOSS',
  'BEHIND',
  'TOKEN_LOST',
  'OUT_OF_RETENTION',
  'DEADLINE_EXCEEDED',
  'CANCELLED',
  'CLOSED',
  'INTERNAL',
  'UNKNOWN_SHARD',
  'UNIMPLEMENTED',
  'FAILED_PRECONDITION',
  'OUT_OF_RANGE',
] as const

/** A stable name of a kind of failure. Messages may change between versions, codes do not. */
export type ErrorCode = (typeof errorCodes)[number]

/** Of a write that ended in an error: it certainly did not happen, or it may have happened. */
export type WriteOutcome = 'failed' | 'unknown'

const retryableCodes: ReadonlySet<ErrorCode> = new Set([
  'NOT_HEAD',
  'NOT_MEMBER',
  'WRONG_SHARD',
  'UNAVAILABLE',
  'RESOURCE_EXHAUSTED',
  'BEHIND',
  'DEADLINE_EXCEEDED',
])

const numbers: ReadonlyMap<string, number> = new Map(errorCodes.map((code, at) => [code, at + 1]))

/** Number of a code on the wire, from 1. */
export function errorCodeNumber(code: ErrorCode): number {
  return numbers.get(code)!
}

/** The code with that number; a number that this version does not know reads as `INTERNAL`. */
export function errorCodeOf(number: number): ErrorCode {
  return errorCodes[number - 1] ?? 'INTERNAL'
}

/** Whether the same call may succeed later or elsewhere, where the sender did not say. */
export function isRetryableCode(code: ErrorCode): boolean {
  return retryableCodes.has(code)
}

/** What a {@link VarveError} may say besides its code and message. */
export interface VarveErrorDetails {
  /** Default: by the code. */
  retryable?: boolean
  /** For writes. */
  outcome?: WriteOutcome | undefined
  /** Address of the process that can do it, where known. */
  hint?: string | undefined
  cause?: unknown
}

/**
 * The one kind of error that the client rejects with and that nodes answer with. The message is one line:
 * what was given, what was expected, what to do next.
 */
export class VarveError extends Error {
  override readonly name = 'VarveError'
  readonly code: ErrorCode
  /** True where the same call may succeed later or elsewhere. The client has already tried, within the time-out. */
  readonly retryable: boolean
  /** For writes: `failed` did certainly not happen, `unknown` may have. Undefined for all other calls. */
  readonly outcome: WriteOutcome | undefined
  /** Address of the process that can do it, where known. */
  readonly hint: string | undefined

  constructor(code: ErrorCode, message: string, details: VarveErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause })
    this.code = code
    this.retryable = details.retryable ?? isRetryableCode(code)
    this.outcome = details.outcome
    this.hint = details.hint
  }

  /** The same error, saying how a write ended. */
  withOutcome(outcome: WriteOutcome): VarveError {
    if (this.outcome === outcome) return this
    const { retryable, hint, cause } = this
    return new VarveError(this.code, this.message, { retryable, hint, cause, outcome })
  }
}
