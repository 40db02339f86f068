/** A client's connections, or a process's, inside the simulation, in place of `src/client/channels.ts`. */
import type { ServiceError } from '@grpc/grpc-js'
import type { Channels } from '../../../src/client/channels.js'
import { GetShardMapRequest, ShardMap } from '../../../src/generated/varve/v1/cluster.js'
import {
  GetRequest,
  GetResponse,
  ScanRequest,
  ScanResponse,
  SessionRequest,
  SessionResponse,
  WatchRequest,
  WatchResponse,
} from '../../../src/generated/varve/v1/kv.js'
import { ResolveRequest, ResolveResponse } from '../../../src/generated/varve/v1/time_travel.js'
import type { Call, ClientStream, Method, Services } from './calls.js'
import type { Life } from './schedule.js'

/** The methods that simulated processes serve. */
export const methods = {
  session: { name: 'session', request: SessionRequest, response: SessionResponse },
  get: { name: 'get', request: GetRequest, response: GetResponse },
  resolve: { name: 'resolve', request: ResolveRequest, response: ResolveResponse },
  scan: { name: 'scan', request: ScanRequest, response: ScanResponse },
  watch: { name: 'watch', request: WatchRequest, response: WatchResponse },
  getShardMap: { name: 'getShardMap', request: GetShardMapRequest, response: ShardMap },
  watchShardMap: { name: 'watchShardMap', request: GetShardMapRequest, response: ShardMap },
} as const

type Done<T> = (error: ServiceError | null, response?: T) => void

/** A unary call's request, what gRPC takes beside it, and its callback. */
type UnaryArguments<Q, S> = [request: Q, ...unknown[], done: Done<S>]

/** What `ClientCore` and `Forwarding` take as their channels. */
export function simulatedChannels(services: Services, life: Life, client: string): Channels {
  const open = new Set<Call>()
  const call = <Q, S>(to: string, method: Method<Q, S>): ClientStream => {
    const made = services.call(life, client, to, method)
    open.add(made)
    made.client.once('end', () => open.delete(made))
    made.client.once('error', () => open.delete(made))
    return made.client
  }
  const serverStream = <Q, S>(to: string, method: Method<Q, S>, request: Q): ClientStream => {
    const stream = call(to, method)
    stream.write(request)
    return stream
  }
  const unary = <Q, S>(to: string, method: Method<Q, S>, given: UnaryArguments<Q, S>): ClientStream => {
    const stream = serverStream(to, method, given[0])
    const done = given.at(-1) as Done<S>
    let isDone = false
    const finish: Done<S> = (error, response) => {
      if (isDone) return
      isDone = true
      done(error, response)
    }
    stream.on('data', (response: S) => finish(null, response))
    stream.on('error', (error: ServiceError) => finish(error))
    return stream
  }
  const peer = (address: string) => ({
    address,
    kv: {
      session: () => call(address, methods.session),
      get: (...given: UnaryArguments<GetRequest, GetResponse>) => unary(address, methods.get, given),
      scan: (...given: UnaryArguments<ScanRequest, ScanResponse>) => unary(address, methods.scan, given),
      watch: (request: WatchRequest) => serverStream(address, methods.watch, request),
    },
    cluster: {
      getShardMap: (...given: UnaryArguments<GetShardMapRequest, ShardMap>) =>
        unary(address, methods.getShardMap, given),
      watchShardMap: (request: GetShardMapRequest) => serverStream(address, methods.watchShardMap, request),
    },
    timeTravel: {
      resolve: (...given: UnaryArguments<ResolveRequest, ResolveResponse>) =>
        unary(address, methods.resolve, given),
    },
  })
  const channels = {
    peer,
    prune: () => {},
    close: () => {
      for (const each of [...open]) each.cancel()
    },
  }
  return channels as unknown as Channels
}
