/**
 * {@link VarveError} to the status of a gRPC call and back. The nearest gRPC code is for clients in any
 * language; the exact one, and whether to retry, travel in the call's trailing metadata.
 */
import { Metadata, type ServiceError, status } from '@grpc/grpc-js'
import { type ErrorCode, errorCodes, isRetryableCode, VarveError, type WriteOutcome } from './errors.js'

const CODE_HEADER = 'varve-code'
const RETRYABLE_HEADER = 'varve-retryable'
const OUTCOME_HEADER = 'varve-outcome'
const HINT_HEADER = 'varve-hint'

const statusOf: Record<ErrorCode, status> = {
  INVALID_ARGUMENT: status.INVALID_ARGUMENT,
  NOT_HEAD: status.FAILED_PRECONDITION,
  NOT_MEMBER: status.FAILED_PRECONDITION,
  WRONG_SHARD: status.FAILED_PRECONDITION,
  UNAVAILABLE: status.UNAVAILABLE,
  RESOURCE_EXHAUSTED: status.RESOURCE_EXHAUSTED,
  SESSION_EXPIRED: status.FAILED_PRECONDITION,
  DATA_LOSS: status.DATA_LOSS,
  BEHIND: status.FAILED_PRECONDITION,
  TOKEN_LOST: status.ABORTED,
  OUT_OF_RETENTION: status.OUT_OF_RANGE,
  DEADLINE_EXCEEDED: status.DEADLINE_EXCEEDED,
  CANCELLED: status.CANCELLED,
  CLOSED: status.UNAVAILABLE,
  INTERNAL: status.INTERNAL,
  UNKNOWN_SHARD: status.NOT_FOUND,
  UNIMPLEMENTED: status.UNIMPLEMENTED,
  FAILED_PRECONDITION: status.FAILED_PRECONDITION,
  OUT_OF_RANGE: status.OUT_OF_RANGE,
}

const codeOf: ReadonlyMap<number, ErrorCode> = new Map([
  [status.INVALID_ARGUMENT, 'INVALID_ARGUMENT'],
  [status.UNAVAILABLE, 'UNAVAILABLE'],
  [status.RESOURCE_EXHAUSTED, 'RESOURCE_EXHAUSTED'],
  [status.DATA_LOSS, 'DATA_LOSS'],
  [status.OUT_OF_RANGE, 'OUT_OF_RETENTION'],
  [status.DEADLINE_EXCEEDED, 'DEADLINE_EXCEEDED'],
  // Not by our own signal, which has its own error: the connection's end looks like this.
  [status.CANCELLED, 'UNAVAILABLE'],
  [status.UNIMPLEMENTED, 'UNIMPLEMENTED'],
])

/** What a gRPC handler answers with when it fails: hand it to the callback, or destroy the stream with it. */
export function toServiceError(error: VarveError): ServiceError {
  const metadata = new Metadata()
  metadata.set(CODE_HEADER, error.code)
  metadata.set(RETRYABLE_HEADER, String(error.retryable))
  if (error.outcome !== undefined) metadata.set(OUTCOME_HEADER, error.outcome)
  if (error.hint !== undefined) metadata.set(HINT_HEADER, error.hint)
  return Object.assign(new Error(error.message), {
    code: statusOf[error.code],
    details: error.message,
    metadata,
  })
}

/** The error that a call to `address` ended with. One that no Varve process wrote goes by its gRPC code. */
export function fromServiceError(error: ServiceError, address: string): VarveError {
  const metadata: Metadata | undefined = error.metadata
  const header = (name: string) => metadata?.get(name)[0]?.toString()
  const given = header(CODE_HEADER)
  const code = errorCodes.find(known => known === given)
  if (code === undefined) {
    const broken = error.code === status.INTERNAL && /RST_STREAM/.test(error.details)
    const near = broken ? 'UNAVAILABLE' : (codeOf.get(error.code) ?? 'INTERNAL')
    return new VarveError(near, `${address}: ${oneLine(error.details || error.message)}`, { cause: error })
  }
  const retryable = header(RETRYABLE_HEADER)
  const outcome = header(OUTCOME_HEADER)
  return new VarveError(code, error.details, {
    retryable: retryable === undefined ? isRetryableCode(code) : retryable === 'true',
    outcome: outcome === 'failed' || outcome === 'unknown' ? (outcome satisfies WriteOutcome) : undefined,
    hint: header(HINT_HEADER),
  })
}

/** One line, without what grpc-js adds around the operating system's reason. */
function oneLine(text: string): string {
  const line = text.replace(/\s*\n\s*/g, ' ')
  const refused =
    /^No connection established\. Last error: (?:Error: )?(.*?)\.? Resolution note: ?(.*)$/.exec(line)
  if (refused === null) return line
  const [, reason, note] = refused
  return note === '' ? reason! : `${reason} (${note})`
}
