/** Makes the folder of a fork, as `varve up` expects a cluster's. */

import { type ClusterConfig, nodesOf, serializeClusterConfig } from '../../src/node/cluster-config.js'
import { type ForkedShard, type ForkFigures, writeFork } from '../../src/node/fork-folder.js'
import { DataFolder, nodeName } from '../local/data-folder.js'
import { makeWhole } from './partial-folder.js'

/** The whole of it or nothing. Rejects as `writeFork`, and with bad usage where there is something at `path`. */
export async function buildFork(
  path: string,
  config: ClusterConfig,
  shards: readonly ForkedShard[],
  onProgress: (entries: number) => void,
): Promise<ForkFigures> {
  return await makeWhole(path, '--out', async partial => {
    const folder = new DataFolder(partial)
    folder.makeFolders()
    const nodeDir = folder.nodeDir(nodeName(nodesOf(config)[0]!))
    const { coordinatorDir } = folder
    const figures = await writeFork({ config, coordinatorDir, nodeDir, shards, onProgress })
    // Last: without it the folder is no cluster's.
    folder.create(serializeClusterConfig(config))
    return figures
  })
}
