/** The configuration of a fork: the original's shards on one node, at addresses of this machine that are free. */

import { type ClusterConfig, checkClusterConfig } from '../../src/node/cluster-config.js'
import { checkAddressesFree, nextFreeAddress } from '../local/ports.js'
import type { Original } from './original.js'

const HOST = '127.0.0.1'

/** With `basePort` the coordinator listens there and the node at the next port; else both behind the original's ports. */
export async function forkConfig(original: Original, basePort: number | undefined): Promise<ClusterConfig> {
  const [coordinator, node] = await addresses(original, basePort)
  const shards = Object.fromEntries(original.shards.map(name => [name, [node]]))
  const { consistency, topology } = original
  const config: ClusterConfig = { coordinator, consistency, topology, shards }
  checkClusterConfig(config, 'fork')
  return config
}

async function addresses(
  { coordinator, nodes }: Original,
  basePort: number | undefined,
): Promise<[string, string]> {
  if (basePort !== undefined) {
    const chosen: [string, string] = [`${HOST}:${basePort}`, `${HOST}:${basePort + 1}`]
    await checkAddressesFree(chosen, 'give other ones with --base-port')
    return chosen
  }
  const here = (address: string) => `${HOST}${address.slice(address.lastIndexOf(':'))}`
  const taken = nodes.map(here)
  // Also where the original is stopped, so that both can be up at the same time.
  const own = await nextFreeAddress(here(coordinator), taken, () => true)
  return [own, await nextFreeAddress(own, taken, () => true)]
}
