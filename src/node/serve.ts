/** Puts the services of a process on its address: the same set for a node and for the coordinator. */
import { ClusterService as ClusterDefinition } from '../generated/varve/v1/cluster.js'
import type { Logger } from '../log/logger.js'
import type { GrpcTransport } from '../replication/grpc-transport.js'
import { ClusterService } from './cluster-service.js'
import { Forwarding } from './forwarding.js'
import { GrpcServer } from './grpc-server.js'
import { KvService } from './kv-service.js'
import type { NodeHost } from './node-host.js'
import { KvDefinition } from './session-codec.js'
import { SessionService } from './session-service.js'
import { WatchService } from './watch-service.js'

/** Full names of the services, as health and reflection tell of them. */
export const SERVICES = ['varve.v1.Kv', 'varve.v1.Cluster', 'varve.v1.Replication'] as const

export interface Served {
  /** The address with the actual port. */
  readonly address: string
  /** Ends streams, waits for calls (bounded), stops listening. */
  stop(): Promise<void>
}

/** Listens on the host's address. Rejects with `BindError`. */
export async function serve(host: NodeHost, transport: GrpcTransport, logger: Logger): Promise<Served> {
  const server = new GrpcServer({ logger, services: SERVICES })
  const forwarding = new Forwarding(host)
  const kv = new KvService(host, forwarding)
  const sessions = new SessionService(host, logger)
  const watches = new WatchService(host, forwarding)
  const cluster = new ClusterService(host)
  transport.addTo(server.server)
  server.server.addService(KvDefinition, { ...kv.methods, session: sessions.session, watch: watches.watch })
  server.server.addService(ClusterDefinition, cluster.methods)
  server.onStop(() => {
    sessions.endAll()
    watches.endAll()
    cluster.endAll()
    forwarding.close()
    transport.endIncoming()
  })
  const address = await server.listen(host.address)
  server.setAllServing(true)
  return { address, stop: () => server.stop() }
}
