/** The shards that a stopped cluster's folder, or one node's, holds: their logs, and what they mean, built on use. */

import type { BlobStore } from '../../src/log/blob-store.js'
import { LevelLogStore } from '../../src/log/level-log.js'
import type { Log } from '../../src/log/log.js'
import { nullLogger } from '../../src/log/logger.js'
import type { LogRecord } from '../../src/log/record-codec.js'
import { newestCheckpointIndex, openProjection } from '../../src/projection/checkpoint.js'
import { enforceRules } from '../../src/projection/rules-in-force.js'
import type { ShardProjection } from '../../src/projection/shard-projection.js'
import { TimeTravel } from '../../src/projection/time-travel.js'
import { endOnSignals } from '../end-on-signals.js'
import { badUsage } from '../exit-codes.js'
import { nodesByProgress } from '../offline-choice.js'
import { type StoppedCluster, type StoppedNode, stoppedCluster } from '../offline-folder.js'

/** A shard with its past. */
export interface OfflineShard {
  readonly projection: ShardProjection
  readonly past: TimeTravel
}

/** Records that were cut off, and whose disk holds them. */
export interface OfflineOrphan {
  readonly node: string
  readonly record: LogRecord
}

export interface OfflineShards {
  /** Names of all shards, in the order of their ordinals; those that are held where no others are known. */
  readonly shards: readonly string[]
  /** Those that the folder holds a replica of. */
  readonly held: readonly string[]
  /** How many shards there are; undefined where the folder is of a node alone, which does not know. */
  readonly shardCount: number | undefined
  /** Throws bad usage where the folder holds no replica of the shard. */
  log(shard: string): Log
  /** Where the shard's checkpoints and base are. Throws as `log`. */
  blobs(shard: string): BlobStore
  /** Builds the shard's state at its first use. Throws as `log`, and LogError LOG_DAMAGED, LOG_IO. */
  open(shard: string): Promise<OfflineShard>
  /** What was cut off, on the disks of all nodes that the folder is of. */
  orphans(shard: string): AsyncIterable<OfflineOrphan>
  close(): Promise<void>
}

/** Opens a folder. Of a cluster, a shard is read from the node whose log goes farthest, or from the one at `replica`. */
export async function openOfflineShards(given: string, replica: string | undefined): Promise<OfflineShards> {
  endOnSignals()
  const folder = new Folder(stoppedCluster(given), replica)
  try {
    await folder.start()
    return folder
  } catch (error) {
    await folder.close()
    throw error
  }
}

/** Where a shard is read. */
interface Source {
  readonly ordinal: number
  readonly store: LevelLogStore
}

class Folder implements OfflineShards {
  readonly shardCount: number | undefined
  shards: readonly string[] = []
  readonly #cluster: StoppedCluster
  readonly #chosen: readonly StoppedNode[]
  readonly #stores = new Map<StoppedNode, LevelLogStore>()
  readonly #sources = new Map<string, Source>()
  readonly #open = new Map<string, Promise<OfflineShard>>()

  constructor(cluster: StoppedCluster, replica: string | undefined) {
    this.#cluster = cluster
    this.shardCount = cluster.shards?.length
    this.#chosen = cluster.nodes.filter(({ name }) => replica === undefined || name === replica)
    if (this.#chosen.length > 0) return
    const have = cluster.nodes.map(({ name }) => name).join(', ') || 'no node'
    const asked = replica === undefined ? '' : `--replica: ${replica} given, `
    throw badUsage(`${asked}${cluster.given} holds the data of ${have}`)
  }

  get held(): readonly string[] {
    return [...this.#sources.keys()]
  }

  /** Finds the shards' logs. */
  async start(): Promise<void> {
    const { shards } = this.#cluster
    if (shards === undefined) {
      const store = await this.#store(this.#chosen[0]!)
      this.shards = store.shards().map(String)
      for (const ordinal of store.shards()) this.#sources.set(String(ordinal), { ordinal, store })
      return
    }
    this.shards = shards
    const nodesOf = await nodesByProgress({ ...this.#cluster, nodes: this.#chosen })
    for (const [ordinal, name] of shards.entries()) {
      for (const node of nodesOf(ordinal)) {
        const store = await this.#store(node)
        if (!store.shards().includes(ordinal)) continue
        this.#sources.set(name, { ordinal, store })
        break
      }
    }
  }

  log(shard: string): Log {
    const { ordinal, store } = this.#source(shard)
    return store.log(ordinal)
  }

  blobs(shard: string): BlobStore {
    return this.#source(shard).store.blobs
  }

  open(shard: string): Promise<OfflineShard> {
    const known = this.#open.get(shard)
    if (known !== undefined) return known
    const opened = this.#build(shard)
    this.#open.set(shard, opened)
    return opened
  }

  async *orphans(shard: string): AsyncGenerator<OfflineOrphan> {
    const ordinal = this.shardCount === undefined ? Number(shard) : this.shards.indexOf(shard)
    for (const node of this.#cluster.nodes) {
      const store = await this.#store(node)
      if (!store.shards().includes(ordinal)) continue
      for await (const record of store.log(ordinal).orphans()) yield { node: node.name, record }
    }
  }

  async close(): Promise<void> {
    await Promise.all([...this.#stores.values()].map(store => store.close()))
  }

  async #build(shard: string): Promise<OfflineShard> {
    const { ordinal, store } = this.#source(shard)
    const context = { log: store.log(ordinal), blobs: store.blobs, logger: nullLogger }
    const projection = await openProjection(context)
    // As a node does: what a rule hides is hidden, whether it is there or not.
    const { shardCount } = this
    if (shardCount !== undefined) await enforceRules({ projection, ordinal, shardCount }, Date.now())
    return { projection, past: new TimeTravel(projection, context) }
  }

  #source(shard: string): Source {
    const source = this.#sources.get(shard)
    if (source === undefined) throw badUsage(`${shard}: no node's folder here holds a replica of it`)
    return source
  }

  async #store(node: StoppedNode): Promise<LevelLogStore> {
    const known = this.#stores.get(node)
    if (known !== undefined) return known
    const options = { dir: node.dir, logger: nullLogger, readOnly: true, verifyFrom: newestCheckpointIndex }
    const store = await LevelLogStore.open(options)
    this.#stores.set(node, store)
    return store
  }
}
