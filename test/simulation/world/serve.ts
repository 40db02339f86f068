/** The real services of a process behind the simulated calls. */
import type {
  handleUnaryCall,
  ServerDuplexStream,
  ServerUnaryCall,
  ServerWritableStream,
} from '@grpc/grpc-js'
import type { Channels } from '../../../src/client/channels.js'
import { VarveError } from '../../../src/client/errors.js'
import type { ShardMap } from '../../../src/generated/varve/v1/cluster.js'
import type { SessionRequest, SessionResponse, WatchRequest } from '../../../src/generated/varve/v1/kv.js'
import { nullLogger } from '../../../src/log/logger.js'
import type { NodeHost } from '../../../src/node/node-host.js'
import { Services } from '../../../src/node/services.js'
import { OpenStreams } from '../../../src/node/stream-pump.js'
import type { Handler } from './calls.js'
import { methods } from './channels.js'

/** Handlers by method name for everything that clients and processes in the simulation call. */
export function handlersOf(host: NodeHost, channels: Channels): ReadonlyMap<string, Handler> {
  const { sessions, cluster, kv, timeTravel } = new Services(host, nullLogger, undefined, channels)
  const streams = new OpenStreams()
  return new Map<string, Handler>([
    [
      methods.session.name,
      stream => sessions.session(stream as unknown as ServerDuplexStream<SessionRequest, SessionResponse>),
    ],
    [methods.getShardMap.name, unary(cluster.methods.getShardMap)],
    [methods.get.name, unary(kv.methods.get)],
    [methods.scan.name, unary(kv.methods.scan)],
    [methods.resolve.name, unary(timeTravel.methods.resolve)],
    [
      methods.watchShardMap.name,
      withRequest(stream =>
        cluster.methods.watchShardMap(stream as unknown as ServerWritableStream<never, ShardMap>),
      ),
    ],
    [
      methods.watch.name,
      withRequest(stream => {
        const served = stream as unknown as ServerWritableStream<WatchRequest, never>
        void streams.pump(served, async function* (signal) {
          const { request } = served
          yield* replicaOf(host, request.shard).watch(request, signal) as AsyncIterable<never>
        })
      }),
    ],
  ])
}

/** This process's replica of the shard: a watch is not passed on here. */
function replicaOf(host: NodeHost, name: string) {
  const ordinal = host.shardMap()?.shards.find(shard => shard.name === name)?.ordinal
  const replica = ordinal === undefined ? undefined : host.shard(ordinal)
  if (replica === undefined) throw new VarveError('NOT_MEMBER', `${host.address} has no replica of ${name}`)
  return replica
}

/** Calls the handler once the request is there. */
function withRequest(handler: Handler): Handler {
  return stream => {
    stream.once('data', (request: unknown) => {
      stream.request = request
      handler(stream)
    })
  }
}

/** A method as it is registered with gRPC. */
function unary<Request, Response>(method: handleUnaryCall<Request, Response>): Handler {
  return withRequest(stream => {
    const call = stream as unknown as ServerUnaryCall<Request, Response>
    method(call, (error, response) => {
      if (stream.destroyed) return
      if (error === null) stream.write(response, () => stream.end())
      else stream.emit('error', error)
    })
  })
}
