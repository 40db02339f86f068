/** Clusters on ports that are free: for embedding and for tests. */
import { createServer } from 'node:net'
import { type ClusterConfig, nodesOf } from './cluster-config.js'

/** The configuration with every address moved to a port that is free now. */
export async function onFreePorts(config: ClusterConfig): Promise<ClusterConfig> {
  const moved = new Map<string, string>()
  for (const address of [config.coordinator, ...nodesOf(config)]) moved.set(address, '')
  const ports = await freePorts(moved.size)
  for (const [at, address] of [...moved.keys()].entries()) moved.set(address, `127.0.0.1:${ports[at]}`)
  const shards = Object.entries(config.shards).map(([name, replicas]) => [
    name,
    replicas.map(address => moved.get(address)!),
  ])
  return {
    ...config,
    coordinator: moved.get(config.coordinator)!,
    shards: Object.fromEntries(shards),
    ...(config.nodes === undefined ? {} : { nodes: config.nodes.map(address => moved.get(address)!) }),
  }
}

/** Ports that nobody listens on now: held all at once, so that they differ, then let go. */
async function freePorts(count: number): Promise<number[]> {
  const servers = Array.from({ length: count }, () => createServer())
  const ports = await Promise.all(
    servers.map(
      server =>
        new Promise<number>((resolve, reject) => {
          server.once('error', reject)
          server.listen(0, '127.0.0.1', () => resolve((server.address() as { port: number }).port))
        }),
    ),
  )
  await Promise.all(servers.map(server => new Promise(resolve => server.close(resolve))))
  return ports
}
