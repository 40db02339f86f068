/** What the `varve node` commands that work on this machine's processes need to know of the cluster in a folder. */

import type { Command } from 'commander'
import type { ShardMap } from '../../src/generated/varve/v1/cluster.js'
import type { ClusterConfig } from '../../src/node/cluster-config.js'
import type { GlobalOptions } from '../connect.js'
import { badUsage } from '../exit-codes.js'
import type { DataFolder } from '../local/data-folder.js'

/** The cluster of a folder, where it holds one, and whom to ask about it. */
export interface FolderCluster {
  readonly config: ClusterConfig | undefined
  /** Addresses of the configuration's nodes; none without one. */
  readonly nodes: readonly string[]
  /** The processes of the folder's cluster; those given come first, and where they are of another, they are all. */
  readonly endpoints: readonly string[]
  /** The folder as given. */
  readonly given: string
  /** Why the folder is of no help, in words that follow `and`. */
  readonly absence: string
}

/** Reads the folder's configuration. Whoever of its processes answers may be asked, unless others were named. */
export async function folderCluster(folder: DataFolder, command: Command): Promise<FolderCluster> {
  const { endpoints } = command.optsWithGlobals<GlobalOptions>()
  const { given } = folder
  if (!folder.isCluster) {
    const isGiven = command.getOptionValueSource('data') !== 'default'
    if (isGiven) throw badUsage(`--data: ${given} holds no Varve cluster (no cluster.json)`)
    const absence = `${given} holds no cluster: --data names its folder`
    return { config: undefined, nodes: [], endpoints, given, absence }
  }
  const { readClusterConfig } = await import('../local/cluster-processes.js')
  const { nodesOf } = await import('../../src/node/cluster-config.js')
  const config = readClusterConfig(folder)
  const nodes = nodesOf(config)
  const own = [config.coordinator, ...nodes]
  const isDefault = command.getOptionValueSourceWithGlobals('endpoints') === 'default'
  const isOwn = isDefault || endpoints.every(endpoint => own.includes(endpoint))
  const asked = isDefault ? own : isOwn ? [...new Set([...endpoints, ...own])] : endpoints
  const absence = `it is no node of the cluster in ${given}`
  return { config, nodes, endpoints: asked, given, absence }
}

/** Refuses to take one cluster's folder for another's processes. */
export function requireSameCluster(cluster: FolderCluster, map: ShardMap): void {
  const own = cluster.config?.coordinator
  if (own === undefined || map.coordinator === '' || map.coordinator === own) return
  const remedy = "give that cluster's folder with --data, or leave --endpoints out"
  throw badUsage(
    `the cluster that answers has the coordinator ${map.coordinator}, the one in ${cluster.given} has ${own}: ${remedy}`,
  )
}
