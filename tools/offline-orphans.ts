/** Orphans on the disks of stopped nodes, read from a cluster's folder or one node's. */

import { existsSync, readdirSync, statSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { LevelLogStore } from '../src/log/level-log.js'
import { nullLogger } from '../src/log/logger.js'
import { nodesOf } from '../src/node/cluster-config.js'
import { badUsage } from './exit-codes.js'
import { DataFolder, nodeName } from './local/data-folder.js'
import { lineOfEntry } from './log-line.js'
import { checkStopped, hasDatabase, readConfig } from './offline-log.js'
import { OrphanGatherer, type OrphanSelection, type ShardOrphans } from './orphan-source.js'

/** A node's database and what the node is called. */
interface StoppedNode {
  readonly dir: string
  readonly name: string
}

/** Names of the shards by ordinal, and the databases to read. */
interface StoppedNodes {
  readonly shards: readonly string[] | undefined
  readonly nodes: readonly StoppedNode[]
}

/** All orphans that a folder holds, shard by shard. `chosen` says which shards are meant, of those that there are. */
export async function gatherOfflineOrphans(
  given: string,
  chosen: (shards: readonly string[]) => OrphanSelection,
): Promise<ShardOrphans[]> {
  const { shards, nodes } = stoppedNodes(given)
  const stores: { name: string; store: LevelLogStore }[] = []
  try {
    for (const { dir, name } of nodes) {
      stores.push({ name, store: await LevelLogStore.open({ dir, logger: nullLogger }) })
    }
    const ordinals = [...new Set(stores.flatMap(({ store }) => store.shards()))].sort((a, b) => a - b)
    const names = shards ?? ordinals.map(String)
    const selection = chosen(names)
    const wanted = stores.filter(({ name }) => selection.node === undefined || selection.node === name)
    if (wanted.length === 0 && selection.node !== undefined) {
      const have = stores.map(({ name }) => name).join(', ')
      throw badUsage(`--node: ${selection.node} given, ${given} holds the data of ${have || 'no node'}`)
    }
    const found: ShardOrphans[] = []
    for (const shard of selection.shards) {
      const ordinal = shards === undefined ? Number(shard) : shards.indexOf(shard)
      const gatherer = new OrphanGatherer(selection)
      for (const each of wanted) await readStore(each, ordinal, shard, gatherer)
      found.push(gatherer.result(shard))
    }
    return found
  } finally {
    await Promise.all(stores.map(({ store }) => store.close()))
  }
}

async function readStore(
  { name, store }: { name: string; store: LevelLogStore },
  ordinal: number,
  shard: string,
  gatherer: OrphanGatherer,
): Promise<void> {
  if (!store.shards().includes(ordinal)) return
  for await (const record of store.log(ordinal).orphans()) {
    for (let slot = 0; slot < record.count; slot += 1) {
      gatherer.add({ node: name, line: lineOfEntry(shard, record.entry(slot), 0) })
    }
  }
}

function stoppedNodes(given: string): StoppedNodes {
  const folder = new DataFolder(given)
  if (!folder.exists || !statSync(folder.path).isDirectory()) {
    throw badUsage(`--data: ${given} given, there is no such folder: expected a cluster's or a node's`)
  }
  if (folder.isCluster) return ofCluster(folder)
  if (!hasDatabase(folder.path)) {
    throw badUsage(`--data: ${given} holds neither a cluster (cluster.json) nor a node's database (CURRENT)`)
  }
  const cluster = new DataFolder(dirname(dirname(folder.path)))
  const node = { dir: folder.path, name: folder.given }
  if (!cluster.isCluster) return { shards: undefined, nodes: [node] }
  checkStopped(cluster, basename(folder.path))
  const config = readConfig(cluster)
  const address = nodesOf(config).find(each => nodeName(each) === basename(folder.path))
  return { shards: Object.keys(config.shards), nodes: [{ ...node, name: address ?? folder.given }] }
}

/** Every node's folder, also of those that are in no shard any more. What was set aside as damaged is not opened. */
function ofCluster(folder: DataFolder): StoppedNodes {
  checkStopped(folder)
  const config = readConfig(folder)
  const parent = folder.nodeDir('')
  const addresses = new Map(nodesOf(config).map(address => [nodeName(address), address]))
  const names = existsSync(parent) ? readdirSync(parent).sort() : []
  const nodes = names
    .filter(name => !/\.(damaged-|empty$|reading$)/.test(name) && hasDatabase(join(parent, name)))
    .map(name => ({ dir: join(parent, name), name: addresses.get(name) ?? name }))
  return { shards: Object.keys(config.shards), nodes }
}
