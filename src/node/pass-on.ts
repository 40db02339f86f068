/** One unary call from this process to another that can answer it. */
import type { ClientUnaryCall } from '@grpc/grpc-js'
import { callUnary, type UnaryDone } from '../client/unary.js'
import type { RequestContext } from '../generated/varve/v1/kv.js'

/**
 * One call to another process. Its gRPC deadline lets that process answer in time what holds it up; should the wall
 * clock be set meanwhile, the timer still ends the call.
 */
export function passOn<Response>(
  address: string,
  timeoutMs: number,
  signal: AbortSignal,
  start: (options: { deadline: number }, done: UnaryDone<Response>) => ClientUnaryCall,
): Promise<Response> {
  return callUnary<Response>(address, timeoutMs, signal, done =>
    start({ deadline: Date.now() + timeoutMs }, done),
  )
}

/** A request's context with one more process in its way. */
export function onward(context: RequestContext | undefined, hops: number): RequestContext {
  return { ...(context ?? emptyContext()), hops }
}

/** What a request says that has no context. */
export function emptyContext(): RequestContext {
  return { consistency: 0, token: undefined, actor: '', requestId: undefined, hops: 0, localOnly: false }
}
