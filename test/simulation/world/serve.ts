/** The real services of a process behind the simulated calls. */
import type { ServerDuplexStream, ServerWritableStream, ServiceError } from '@grpc/grpc-js'
import { VarveError } from '../../../src/client/errors.js'
import { toServiceError } from '../../../src/client/grpc-errors.js'
import type { ShardMap } from '../../../src/generated/varve/v1/cluster.js'
import type {
  ScanRequest,
  ScanResponse,
  SessionRequest,
  SessionResponse,
  WatchRequest,
} from '../../../src/generated/varve/v1/kv.js'
import { nullLogger } from '../../../src/log/logger.js'
import { ClusterService } from '../../../src/node/cluster-service.js'
import { asVarveError } from '../../../src/node/local-call.js'
import type { NodeHost } from '../../../src/node/node-host.js'
import { SessionService } from '../../../src/node/session-service.js'
import { OpenStreams } from '../../../src/node/stream-pump.js'
import type { Handler, ServerStream } from './calls.js'
import { methods } from './channels.js'

/** Handlers by method name for everything that clients in the simulation call. */
export function handlersOf(host: NodeHost): ReadonlyMap<string, Handler> {
  const sessions = new SessionService(host, nullLogger)
  const cluster = new ClusterService(host).methods
  const streams = new OpenStreams()
  const getShardMap = unary<unknown, ShardMap>(
    request =>
      new Promise((resolve, reject) => {
        const done = (error: Partial<ServiceError> | null, map?: ShardMap | null) => {
          if (error !== null) reject(error)
          else resolve(map!)
        }
        cluster.getShardMap({ request } as never, done as never)
      }),
  )
  const scan = unary<ScanRequest, ScanResponse>(request =>
    replicaOf(host, request.shard).scan(request, new AbortController().signal),
  )
  return new Map<string, Handler>([
    [
      methods.session.name,
      stream => sessions.session(stream as unknown as ServerDuplexStream<SessionRequest, SessionResponse>),
    ],
    [methods.getShardMap.name, getShardMap],
    [methods.scan.name, scan],
    [
      methods.watchShardMap.name,
      withRequest(stream =>
        cluster.watchShardMap(stream as unknown as ServerWritableStream<never, ShardMap>),
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

/** This process's replica of the shard: the simulation has nobody who passes calls on. */
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

function unary<Request, Response>(answer: (request: Request) => Promise<Response>): Handler {
  const fail = (stream: ServerStream, error: unknown) => {
    const isReady = error instanceof Error && 'metadata' in error
    stream.emit('error', isReady ? error : toServiceError(asVarveError(error)))
  }
  return withRequest(async stream => {
    try {
      const response = await answer(stream.request as Request)
      if (!stream.destroyed) stream.write(response, () => stream.end())
    } catch (error) {
      if (!stream.destroyed) fail(stream, error)
    }
  })
}
