/**
 * Starts the two kinds of processes of a cluster, in their own OS process (the mains) or several in one
 * (local-cluster.ts): the data folder first, then the address, then life.
 */
import type { Logger } from '../log/logger.js'
import { GrpcTransport } from '../replication/grpc-transport.js'
import type { ListedShard } from '../replication/membership.js'
import { versionOf } from '../version.js'
import { type ClusterConfig, defaultMinInSync } from './cluster-config.js'
import { CoordinatorNode } from './coordinator-node.js'
import type { NodeHost } from './node-host.js'
import { type Served, serve } from './serve.js'
import { StorageNode } from './storage-node.js'

/** A process of a cluster, up and serving. */
export interface RunningNode {
  readonly address: string
  readonly host: NodeHost
  /** Ends it in order: streams and calls first, then the data folder is made durable and closed. Idempotent. */
  stop(): Promise<void>
}

export interface StartOptions {
  readonly config: ClusterConfig
  readonly dataDir: string
  readonly logger: Logger
  /** The process cannot go on. Nothing is served any more; the data folder stays as it is. */
  readonly onFatal: (message: string) => void
}

/** The shards of a configuration with their ordinals and rules. */
export function listedShards(config: ClusterConfig): ListedShard[] {
  return Object.entries(config.shards).map(([name, replicas], ordinal) => ({
    ordinal,
    name,
    replicas,
    topology: config.topology,
    minInSync: config.minInSync ?? defaultMinInSync(replicas.length),
  }))
}

/** Rejects with `LogError`, `BindError` or an `Error` whose message is one line. */
export async function startNode(address: string, options: StartOptions): Promise<RunningNode> {
  const { config, dataDir, logger, onFatal } = options
  const shards = listedShards(config)
  const hosted = shards.filter(({ replicas }) => replicas.includes(address)).map(({ ordinal }) => ordinal)
  const { version } = versionOf()
  const node = await StorageNode.open({
    address,
    coordinator: config.coordinator,
    dataDir,
    shards,
    hosted,
    transport: incarnation => new GrpcTransport({ address, incarnation, logger }),
    logger,
    version,
    onFatal,
  })
  return await bring(node, logger)
}

/** Rejects with `BindError` or an `Error` whose message is one line. */
export async function startCoordinator(options: StartOptions): Promise<RunningNode> {
  const { config, dataDir, logger, onFatal } = options
  const address = config.coordinator
  const { version } = versionOf()
  const node = await CoordinatorNode.open({
    address,
    dataDir,
    shards: listedShards(config),
    defaultConsistency: config.consistency,
    transport: incarnation => new GrpcTransport({ address, incarnation, logger }),
    logger,
    version,
    onFatal,
  })
  return await bring(node, logger)
}

async function bring(node: StorageNode | CoordinatorNode, logger: Logger): Promise<RunningNode> {
  let served: Served
  try {
    served = await serve(node, node.transport as GrpcTransport, logger)
  } catch (error) {
    await node.stop()
    throw error
  }
  node.start()
  let stopped: Promise<void> | undefined
  const stop = async () => {
    if (node instanceof StorageNode) await node.sayGoodbye()
    // Links first: peers' streams into this process would keep the server waiting.
    await node.transport.close()
    await served.stop()
    await node.stop()
  }
  return {
    address: node.address,
    host: node,
    stop: () => {
      stopped ??= stop()
      return stopped
    },
  }
}
