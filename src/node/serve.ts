/** Puts the services of a process on its address: the same set for a node and for the coordinator. */
import type { Logger } from '../log/logger.js'
import type { GrpcTransport } from '../replication/grpc-transport.js'
import { GrpcServer } from './grpc-server.js'
import type { NodeHost } from './node-host.js'
import { SERVICES, Services } from './services.js'

export interface Served {
  /** The address with the actual port. */
  readonly address: string
  /** Ends streams, waits for calls (bounded), stops listening. */
  stop(): Promise<void>
}

/** Listens on the host's address. Rejects with `BindError`. */
export async function serve(host: NodeHost, transport: GrpcTransport, logger: Logger): Promise<Served> {
  const server = new GrpcServer({ logger, services: SERVICES })
  const services = new Services(host, logger)
  transport.addTo(server.server)
  services.addTo(server.server)
  server.onStop(() => {
    services.endAll()
    transport.endIncoming()
  })
  const address = await server.listen(host.address)
  server.setAllServing(true)
  return { address, stop: () => server.stop() }
}
