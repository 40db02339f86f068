/** The cluster that is forked: its shape and its addresses, from a running one or from the folder of a stopped one. */

import { Topology } from '../../src/generated/varve/v1/cluster.js'
import { type ClusterConfig, nodesOf } from '../../src/node/cluster-config.js'
import { findShardMap, type GlobalOptions, withInspector } from '../connect.js'
import { badUsage } from '../exit-codes.js'
import { readClusterConfig } from '../local/cluster-processes.js'
import { DataFolder } from '../local/data-folder.js'
import { stoppedCluster } from '../offline-folder.js'

/** What a fork takes over of a cluster beside its logs. */
export interface Original {
  /** Names of the shards, in the order of their ordinals. */
  readonly shards: readonly string[]
  readonly topology: ClusterConfig['topology']
  readonly consistency: ClusterConfig['consistency']
  readonly coordinator: string
  readonly nodes: readonly string[]
}

/** Throws bad usage where the folder is none of a cluster, UNAVAILABLE where no process answers. */
export async function findOriginal(options: GlobalOptions & { readonly data?: string }): Promise<Original> {
  return options.data === undefined ? await ofRunning(options) : ofFolder(options.data)
}

function ofFolder(given: string): Original {
  // Says what is wrong with a folder that is none of ours, or in use.
  stoppedCluster(given)
  const folder = new DataFolder(given)
  if (!folder.isCluster) {
    throw badUsage(
      `--data: ${given} is the folder of one node: a fork is made of a whole cluster's folder, ` +
        'as one node may not hold all of its shards',
    )
  }
  const config = readClusterConfig(folder)
  const { coordinator, consistency, topology, shards } = config
  const nodes = nodesOf(config)
  return { shards: Object.keys(shards), topology, consistency, coordinator, nodes }
}

async function ofRunning(options: GlobalOptions): Promise<Original> {
  return await withInspector(options, async inspector => {
    const { shards, coordinator, defaultConsistency } = await findShardMap(inspector, options.endpoints)
    const members = shards.flatMap(shard => shard.members.map(({ address }) => address))
    return {
      shards: shards.map(({ name }) => name),
      topology: shards[0]?.topology === Topology.STAR ? 'star' : 'chain',
      consistency: defaultConsistency === 'weak' ? 'weak' : 'strong',
      coordinator,
      nodes: [...new Set(members)],
    }
  })
}
