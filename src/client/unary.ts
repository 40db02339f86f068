import type { ClientUnaryCall, ServiceError } from '@grpc/grpc-js'
import { VarveError } from './errors.js'
import { fromServiceError } from './grpc-errors.js'

/** The callback of a generated unary call. */
export type UnaryDone<T> = (error: ServiceError | null, response: T) => void

/**
 * One unary call to `address`, ended after `timeoutMs` (DEADLINE_EXCEEDED) or by the signal (CANCELLED). gRPC's own
 * deadlines go by the wall clock, which may be set; a timer does not.
 */
export function callUnary<T>(
  address: string,
  timeoutMs: number,
  signal: AbortSignal | undefined,
  start: (done: UnaryDone<T>) => ClientUnaryCall,
): Promise<T> {
  return new Promise((resolve, reject) => {
    let ended: VarveError | undefined
    const end = (error: VarveError) => {
      ended = error
      call.cancel()
    }
    const onAbort = () => end(cancelled())
    const onTimeout = () =>
      end(new VarveError('DEADLINE_EXCEEDED', `${address} did not answer within ${Math.round(timeoutMs)} ms`))
    const call = start((error, response) => {
      clearTimeout(timer)
      signal?.removeEventListener('abort', onAbort)
      if (error === null) resolve(response)
      else reject(ended ?? fromServiceError(error, address))
    })
    const timer = Number.isFinite(timeoutMs) ? setTimeout(onTimeout, Math.max(1, timeoutMs)) : undefined
    if (signal?.aborted) onAbort()
    else signal?.addEventListener('abort', onAbort, { once: true })
  })
}

/** The error of a call that its caller ended. */
export function cancelled(): VarveError {
  return new VarveError('CANCELLED', 'the call was cancelled by its signal')
}
