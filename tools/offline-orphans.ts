/** Orphans on the disks of stopped nodes, read from a cluster's folder or one node's. */

import { FolderScan } from '../src/log/level-scan.js'
import { LogDamage } from '../src/log/log-damage.js'
import { endOnSignals } from './end-on-signals.js'
import { badUsage } from './exit-codes.js'
import { lineOfEntry } from './log-line.js'
import { stoppedCluster } from './offline-folder.js'
import { OrphanGatherer, type OrphanSelection, type ShardOrphans } from './orphan-source.js'

/** All orphans that a folder holds, shard by shard. `chosen` says which shards are meant, of those that there are. */
export async function gatherOfflineOrphans(
  given: string,
  chosen: (shards: readonly string[]) => OrphanSelection,
): Promise<ShardOrphans[]> {
  endOnSignals()
  const { shards, nodes } = stoppedCluster(given)
  const stores: { name: string; store: FolderScan }[] = []
  try {
    for (const { dir, name } of nodes) {
      stores.push({ name, store: await FolderScan.open(dir) })
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
  { name, store }: { name: string; store: FolderScan },
  ordinal: number,
  shard: string,
  gatherer: OrphanGatherer,
): Promise<void> {
  for await (const record of store.log(ordinal)?.orphans() ?? []) {
    if (record instanceof LogDamage) throw record.toError(shard)
    for (let slot = 0; slot < record.count; slot += 1) {
      gatherer.add({ node: name, line: lineOfEntry(shard, record.entry(slot), 0) })
    }
  }
}
