/**
 * A whole cluster inside one process, for tests and for embedding: the same nodes, coordinator, protocol and data
 * folders as separate processes, on loopback ports of its own.
 */
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { ShardMap } from '../generated/varve/v1/cluster.js'
import { type Logger, nullLogger } from '../log/logger.js'
import {
  type ClusterConfig,
  type LocalShape,
  makeLocalConfig,
  nodesOf,
  parseClusterConfig,
  serializeClusterConfig,
} from './cluster-config.js'
import { onFreePorts } from './free-ports.js'
import { type RunningNode, startCoordinator, startNode } from './start.js'

/** How long all shards may take to come into office, ms. */
const READY_TIMEOUT_MS = 30_000

/** Where a kept data folder says what cluster it holds. */
const CONFIG_FILE = 'cluster.json'

export interface LocalClusterOptions {
  /** Default 1. */
  readonly shards?: number
  /** Of each shard, each on a node of its own. Default 1. */
  readonly replicas?: number
  readonly topology?: 'chain' | 'star'
  readonly consistency?: 'strong' | 'weak'
  readonly minInSync?: number
  /** Kept after `close`, and started as it was when it holds a cluster. Default: a temporary folder, removed. */
  readonly dataDir?: string
  readonly logger?: Logger
}

/** A running cluster. `connect(cluster.endpoints)` gives a client. */
export interface LocalCluster {
  /** Addresses of the nodes. */
  readonly endpoints: readonly string[]
  readonly coordinator: string
  readonly dataDir: string
  shardMap(): ShardMap
  /** Ends all of it in order. Idempotent. */
  close(): Promise<void>
  [Symbol.asyncDispose](): Promise<void>
}

/**
 * Starts a cluster and resolves when every shard serves. Rejects with a one-line error, and nothing left running,
 * when it cannot.
 */
export async function startLocalCluster(options: LocalClusterOptions = {}): Promise<LocalCluster> {
  const { shards = 1, replicas = 1, logger = nullLogger } = options
  const dataDir = options.dataDir ?? mkdtempSync(join(tmpdir(), 'varve-'))
  const config = await configOf(dataDir, { ...shapeOf(options), shards, replicas, basePort: 1 })
  const running: RunningNode[] = []
  const close = async () => {
    // The coordinator first: it must not take the others' going for failures.
    const [coordinator, ...nodes] = running.splice(0)
    await coordinator?.stop()
    await Promise.all(nodes.map(each => each.stop()))
    if (options.dataDir === undefined) rmSync(dataDir, { recursive: true, force: true })
  }
  const start = (dir: string) => {
    const path = join(dataDir, dir)
    mkdirSync(path, { recursive: true })
    return { config, dataDir: path, logger, onFatal: (message: string) => logger.error({ dir }, message) }
  }
  try {
    const coordinator = await startCoordinator(start('coordinator'))
    running.push(coordinator)
    for (const [at, address] of nodesOf(config).entries()) {
      running.push(await startNode(address, start(`node-${at + 1}`)))
    }
    await allActive(coordinator)
    return {
      endpoints: nodesOf(config),
      coordinator: config.coordinator,
      dataDir,
      shardMap: () => coordinator.host.shardMap()!,
      close,
      [Symbol.asyncDispose]: close,
    }
  } catch (error) {
    await close()
    throw error
  }
}

function shapeOf({ topology, consistency, minInSync }: LocalClusterOptions) {
  return {
    ...(topology === undefined ? {} : { topology }),
    ...(consistency === undefined ? {} : { consistency }),
    ...(minInSync === undefined ? {} : { minInSync }),
  }
}

/** The folder's own configuration, or a new one that is written there: addresses are members' identities. */
async function configOf(dataDir: string, shape: LocalShape): Promise<ClusterConfig> {
  const file = join(dataDir, CONFIG_FILE)
  if (existsSync(file)) return parseClusterConfig(readFileSync(file, 'utf8'), file)
  const config = await onFreePorts(makeLocalConfig(shape))
  mkdirSync(dataDir, { recursive: true })
  writeFileSync(file, serializeClusterConfig(config))
  return config
}

function allActive({ host }: RunningNode): Promise<void> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => {
      end()
      const waiting = host.shardMap()?.shards.filter(({ status }) => status !== 'ACTIVE') ?? []
      const what = waiting.map(({ name, waitingFor }) => `${name} (${waitingFor})`).join('; ')
      reject(new Error(`the cluster was not ready after ${READY_TIMEOUT_MS} ms: waiting for ${what}`))
    }, READY_TIMEOUT_MS)
    const look = (map: ShardMap | undefined) => {
      if (map === undefined || map.shards.some(({ status }) => status !== 'ACTIVE')) return
      end()
      resolve()
    }
    const unwatch = host.onShardMap(look)
    const end = () => {
      clearTimeout(timer)
      unwatch()
    }
    look(host.shardMap())
  })
}
