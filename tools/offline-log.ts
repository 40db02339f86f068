/** Logs of a stopped cluster, read from its folder: a cluster's, or one node's. */

import { existsSync, readdirSync, statSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { LevelLogStore } from '../src/log/level-log.js'
import type { LogStore } from '../src/log/log.js'
import { nullLogger } from '../src/log/logger.js'
import type { LogRecord } from '../src/log/record-codec.js'
import { type ClusterConfig, nodesOf } from '../src/node/cluster-config.js'
import { badUsage, unavailable } from './exit-codes.js'
import { readClusterConfig } from './local/cluster-processes.js'
import { DataFolder, nodeName } from './local/data-folder.js'
import { liveProcesses } from './local/pid-file.js'
import { lineOfEntry } from './log-line.js'
import type { LogPart, LogSource } from './log-source.js'

/** A node's folder and the shards it holds, as ordinals. */
interface NodeFolder {
  readonly dir: string
  readonly name: string
  readonly shards: readonly number[]
}

/**
 * Opens the folder of a stopped cluster or node. Of a cluster, each shard is read from the first node that holds it, in
 * the order of the configuration, or from the one at `replica`. Only what is needed for `shard` is opened, if it is given.
 */
export async function openOfflineLog(
  given: string,
  replica: string | undefined,
  shard: string | undefined,
): Promise<LogSource> {
  const folder = new DataFolder(given)
  if (!folder.exists || !statSync(folder.path).isDirectory()) {
    throw badUsage(`--data: ${given} given, there is no such folder: expected a cluster's or a node's`)
  }
  if (folder.isCluster) return openCluster(folder, replica, shard)
  if (!existsSync(join(folder.path, 'CURRENT'))) {
    throw badUsage(`--data: ${given} holds neither a cluster (cluster.json) nor a node's database (CURRENT)`)
  }
  return openNode(folder)
}

async function openCluster(
  folder: DataFolder,
  replica: string | undefined,
  only: string | undefined,
): Promise<LogSource> {
  checkStopped(folder)
  const config = readConfig(folder)
  const names = Object.keys(config.shards)
  if (replica !== undefined && !nodesOf(config).includes(replica)) {
    throw badUsage(`--replica: ${replica} given, the cluster in ${folder.given} has no such node`)
  }
  // Replicas move: only the databases say who holds what.
  const folders = nodesOf(config)
    .filter(address => replica === undefined || address === replica)
    .map(address => ({ address, dir: folder.nodeDir(nodeName(address)) }))
    .filter(({ dir }) => hasDatabase(dir))
  const nodes = new Map<string, NodeFolder>()
  const source = new OfflineLog(names)
  try {
    for (const [ordinal, name] of names.entries()) {
      if (only !== undefined && name !== only) continue
      const listed = config.shards[name]!
      const order = [...folders].sort((a, b) => rank(listed, a.address) - rank(listed, b.address))
      for (const { address, dir } of order) {
        const node = nodes.get(dir) ?? (await nodeFolder(dir, address))
        nodes.set(dir, node)
        if (!node.shards.includes(ordinal)) continue
        await source.use(name, ordinal, node)
        break
      }
    }
    return source
  } catch (error) {
    await source.close()
    throw error
  }
}

/** A node's folder alone: the cluster's names are two folders up, else shards are called by their ordinals. */
async function openNode(node: DataFolder): Promise<LogSource> {
  const cluster = new DataFolder(dirname(dirname(node.path)))
  if (cluster.isCluster) {
    checkStopped(cluster, basename(node.path))
    const config = readConfig(cluster)
    const names = Object.keys(config.shards)
    const address = nodesOf(config).find(each => nodeName(each) === basename(node.path))
    if (address !== undefined) {
      const source = new OfflineLog(names)
      const own = await nodeFolder(node.path, address)
      for (const ordinal of own.shards) await source.use(names[ordinal]!, ordinal, own)
      return source
    }
  }
  const own = await nodeFolder(node.path, node.given)
  const source = new OfflineLog(own.shards.map(String))
  for (const ordinal of own.shards) await source.use(String(ordinal), ordinal, own)
  return source
}

class OfflineLog implements LogSource {
  readonly shards: readonly string[]
  readonly #stores = new Map<string, LogStore>()
  readonly #nodes = new Map<string, NodeFolder>()
  readonly #ordinals = new Map<string, number>()

  constructor(shards: readonly string[]) {
    this.shards = shards
  }

  /** Takes a shard's log from a node's folder. Its database is opened, and its logs verified, once. */
  async use(shard: string, ordinal: number, node: NodeFolder): Promise<void> {
    if (!this.#stores.has(node.dir)) {
      const shards = [...node.shards]
      this.#stores.set(node.dir, await LevelLogStore.open({ dir: node.dir, shards, logger: nullLogger }))
    }
    this.#nodes.set(shard, node)
    this.#ordinals.set(shard, ordinal)
  }

  origin(shard: string): string {
    const node = this.#nodes.get(shard)
    if (node === undefined) throw badUsage(`${shard}: no node's folder here holds a replica of it`)
    return node.name
  }

  async *read(shard: string, fromIndex: number, toIndex: number): AsyncGenerator<LogPart> {
    this.origin(shard)
    const log = this.#stores.get(this.#nodes.get(shard)!.dir)!.log(this.#ordinals.get(shard)!)
    const last = toIndex === 0 ? Number.POSITIVE_INFINITY : toIndex
    for await (const record of log.records(fromIndex, last)) {
      yield partOf(shard, record, fromIndex, last, log.commitIndexHint)
    }
  }

  async close(): Promise<void> {
    await Promise.all([...this.#stores.values()].map(store => store.close()))
  }
}

function partOf(shard: string, record: LogRecord, from: number, to: number, commitIndex: number): LogPart {
  const first = Math.max(record.firstIndex, from)
  const last = Math.min(record.lastIndex, to)
  const slots = Array.from({ length: Math.max(0, last - first + 1) }, (_, i) => first + i - record.firstIndex)
  const lines = slots.map(slot => lineOfEntry(shard, record.entry(slot), commitIndex))
  return { lines, recordBytes: record.bytes.length }
}

/** What a node's database holds, by itself. */
async function nodeFolder(dir: string, name: string): Promise<NodeFolder> {
  const store = await LevelLogStore.open({ dir, shards: [], logger: nullLogger })
  const shards = store.shards()
  await store.close()
  return { dir, name, shards }
}

/** Those that the configuration lists come first, in its order. */
function rank(listed: readonly string[], address: string): number {
  const at = listed.indexOf(address)
  return at === -1 ? listed.length : at
}

/** True for a folder that holds a node's database. */
export function hasDatabase(dir: string): boolean {
  return existsSync(dir) && readdirSync(dir).includes('CURRENT')
}

/** A running node holds its database: ask it instead. Throws where one runs, or the node of that name. */
export function checkStopped(folder: DataFolder, name?: string): void {
  const running = liveProcesses(folder).filter(
    each => each.role === 'node' && (name === undefined || each.name === name),
  )
  if (running.length === 0) return
  const remedy = 'leave --data out to ask it with --endpoints, or stop it first with `varve down`'
  throw unavailable(`--data: the cluster in ${folder.given} is running (${running[0]!.name}): ${remedy}`)
}

/** The configuration in a cluster's folder. */
export function readConfig(folder: DataFolder): ClusterConfig {
  return readClusterConfig(folder)
}
