/** A client's connections inside the simulation, in place of `src/client/channels.ts`. */
import type { ServiceError } from '@grpc/grpc-js'
import type { Channels } from '../../../src/client/channels.js'
import { GetShardMapRequest, ShardMap } from '../../../src/generated/varve/v1/cluster.js'
import {
  ScanRequest,
  ScanResponse,
  SessionRequest,
  SessionResponse,
  WatchRequest,
  WatchResponse,
} from '../../../src/generated/varve/v1/kv.js'
import type { Call, ClientStream, Method, Services } from './calls.js'
import type { Life } from './schedule.js'

/** The methods that simulated processes serve. */
export const methods = {
  session: { name: 'session', request: SessionRequest, response: SessionResponse },
  scan: { name: 'scan', request: ScanRequest, response: ScanResponse },
  watch: { name: 'watch', request: WatchRequest, response: WatchResponse },
  getShardMap: { name: 'getShardMap', request: GetShardMapRequest, response: ShardMap },
  watchShardMap: { name: 'watchShardMap', request: GetShardMapRequest, response: ShardMap },
} as const

type Done<T> = (error: ServiceError | null, response?: T) => void

/** What `ClientCore` takes as its channels. */
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
  const unary = <Q, S>(to: string, method: Method<Q, S>, request: Q, done: Done<S>): ClientStream => {
    const stream = serverStream(to, method, request)
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
      scan: (request: ScanRequest, done: Done<ScanResponse>) => unary(address, methods.scan, request, done),
      watch: (request: WatchRequest) => serverStream(address, methods.watch, request),
    },
    cluster: {
      getShardMap: (request: GetShardMapRequest, done: Done<ShardMap>) =>
        unary(address, methods.getShardMap, request, done),
      watchShardMap: (request: GetShardMapRequest) => serverStream(address, methods.watchShardMap, request),
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
