/** All that a process serves to clients and tools, on one server. */
import { ClusterService as ClusterDefinition } from '../generated/varve/v1/cluster.js'
import { KvService as KvDefinition } from '../generated/varve/v1/kv.js'
import type { Logger } from '../log/logger.js'
import { ClusterService } from './cluster-service.js'
import { Forwarding } from './forwarding.js'
import type { GrpcServer } from './grpc-server.js'
import { KvService } from './kv-service.js'
import type { NodeHost } from './node-host.js'
import { type SessionLimits, SessionService } from './session-service.js'
import { WatchService } from './watch-service.js'

/** Full names of the services that clients and tools use. */
export const SERVICE_NAMES = ['varve.v1.Kv', 'varve.v1.Cluster'] as const

/**
 * Adds `Kv` and `Cluster` to a server that is not bound yet. When it stops, streams are ended, and calls that were
 * passed on are given up.
 */
export function addServices(
  server: GrpcServer,
  host: NodeHost,
  logger: Logger,
  sessionLimits?: SessionLimits,
): void {
  const forwarding = new Forwarding(host)
  const kv = new KvService(host, forwarding)
  const sessions = new SessionService(host, logger, sessionLimits)
  const watches = new WatchService(host, forwarding)
  const cluster = new ClusterService(host)
  server.server.addService(KvDefinition, { ...kv.methods, session: sessions.session, watch: watches.watch })
  server.server.addService(ClusterDefinition, { ...cluster.methods })
  server.onStop(() => {
    sessions.endAll()
    watches.endAll()
    cluster.endAll()
    forwarding.close()
  })
}
