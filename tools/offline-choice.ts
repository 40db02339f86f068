/** Whose copy of a log is read where several stopped nodes have one: that of the node that would become its head. */

import { LogError } from '../src/log/errors.js'
import { FolderScan, type LogScan } from '../src/log/level-scan.js'
import { nodesInOrder, type StoppedCluster, type StoppedNode } from './offline-folder.js'

/** How far a copy goes. A higher epoch outweighs any index: what stands beyond it elsewhere was cut off. */
export interface Progress {
  readonly epoch: number
  readonly lastIndex: number
}

/**
 * For each shard by ordinal the nodes that hold it, the one whose log goes farthest first; among equals those that the
 * configuration lists first. A node that was killed long before the others stopped does not have what they wrote since.
 * Folders that are too damaged to tell come last. Rejects as `FolderScan.open`, but for LOG_DAMAGED.
 */
export async function nodesByProgress(
  cluster: StoppedCluster,
): Promise<(ordinal: number) => readonly StoppedNode[]> {
  const { nodes } = cluster
  // Nobody to choose from: nothing is opened to find out.
  if (nodes.length < 2) return ordinal => nodesInOrder(cluster, ordinal)
  const found = new Map<StoppedNode, ReadonlyMap<number, Progress> | 'damaged'>()
  for (const node of nodes) found.set(node, await progressOf(node))
  const rank = (node: StoppedNode, ordinal: number): Progress => {
    const progress = found.get(node)!
    return progress === 'damaged' ? { epoch: -1, lastIndex: 0 } : progress.get(ordinal)!
  }
  return ordinal =>
    nodesInOrder(cluster, ordinal)
      .filter(node => {
        const progress = found.get(node)!
        return progress === 'damaged' || progress.has(ordinal)
      })
      .sort((a, b) => farthestFirst(rank(a, ordinal), rank(b, ordinal)))
}

/** How far this copy goes. */
export function progressIn({ state, lastIndex }: LogScan): Progress {
  return { epoch: state.spans.at(-1)?.epoch ?? 0, lastIndex }
}

/** Puts the copy that goes farthest first. */
export function farthestFirst(a: Progress, b: Progress): number {
  return b.epoch - a.epoch || b.lastIndex - a.lastIndex
}

async function progressOf({ dir }: StoppedNode): Promise<ReadonlyMap<number, Progress> | 'damaged'> {
  try {
    const folder = await FolderScan.open(dir)
    try {
      return new Map(folder.shards().map(ordinal => [ordinal, progressIn(folder.log(ordinal)!)]))
    } finally {
      await folder.close()
    }
  } catch (error) {
    if (error instanceof LogError && error.code === 'LOG_DAMAGED') return 'damaged'
    throw error
  }
}
