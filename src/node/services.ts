/** The services of a process, made for each other. The same set for a node and for the coordinator. */
import type { Server } from '@grpc/grpc-js'
import type { Channels } from '../client/channels.js'
import { ClusterService as ClusterDefinition } from '../generated/varve/v1/cluster.js'
import { TimeTravelService as TimeTravelDefinition } from '../generated/varve/v1/time_travel.js'
import type { Logger } from '../log/logger.js'
import { ClusterRetention } from './cluster-retention.js'
import { ClusterService } from './cluster-service.js'
import { ClusterTags } from './cluster-tags.js'
import { Forwarding } from './forwarding.js'
import { KvService } from './kv-service.js'
import { MomentResolver } from './moment-resolver.js'
import type { NodeHost } from './node-host.js'
import { KvDefinition } from './session-codec.js'
import { type SessionLimits, SessionService } from './session-service.js'
import { TimeTravelService } from './time-travel-service.js'
import { UnaryReads } from './unary-reads.js'
import { UnaryWrites } from './unary-writes.js'
import { WatchService } from './watch-service.js'

/** Full names of the services, as health and reflection tell of them. */
export const SERVICES = [
  'varve.v1.Kv',
  'varve.v1.Cluster',
  'varve.v1.TimeTravel',
  'varve.v1.Replication',
] as const

export class Services {
  readonly kv: KvService
  readonly sessions: SessionService
  readonly watches: WatchService
  readonly cluster: ClusterService
  readonly timeTravel: TimeTravelService
  readonly #forwarding: Forwarding

  /** `channels`: how this process reaches others. Default: its own connections. */
  constructor(host: NodeHost, logger: Logger, sessionLimits?: SessionLimits, channels?: Channels) {
    const forwarding = new Forwarding(host, channels)
    const resolver = new MomentResolver(host, forwarding, (name, budget) => tags.lookup(name, budget))
    const reads = new UnaryReads(host, forwarding, resolver)
    const writes = new UnaryWrites(host, forwarding)
    const tags = new ClusterTags(host, reads, writes, resolver)
    this.kv = new KvService(() => host.address, reads, writes)
    this.sessions = new SessionService(host, logger, sessionLimits)
    this.watches = new WatchService(host, forwarding)
    this.cluster = new ClusterService(host)
    this.timeTravel = new TimeTravelService(host, resolver, tags, new ClusterRetention(host, reads, writes))
    this.#forwarding = forwarding
  }

  /** Registers all of them. */
  addTo(server: Server): void {
    const { kv, sessions, watches, cluster, timeTravel } = this
    server.addService(KvDefinition, { ...kv.methods, session: sessions.session, watch: watches.watch })
    server.addService(ClusterDefinition, cluster.methods)
    server.addService(TimeTravelDefinition, timeTravel.methods)
  }

  /** Ends what is open; what is asked from now on is refused. */
  endAll(): void {
    for (const service of [this.sessions, this.watches, this.cluster, this.timeTravel]) service.endAll()
    this.#forwarding.close()
  }
}
