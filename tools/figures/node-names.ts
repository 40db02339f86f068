/** Names of nodes and shards short enough for the margin of a figure. */

import type { RecordedRun } from '../experiment/record/recorded-run.js'

const NAME_LENGTH_MAX = 16

/** How each address is called: `:5001` where all share a host, else the address, its middle left out if it is long. */
export function nodeNames(run: RecordedRun): (address: string) => string {
  const addresses = Object.values(run.about.shards).flat()
  const hosts = new Set(addresses.map(hostOf))
  if (hosts.size <= 1)
    return address => (hosts.has(hostOf(address)) ? address.slice(hostOf(address).length) : address)
  return address => {
    if (address.length <= NAME_LENGTH_MAX) return address
    return `${address.slice(0, 6)}…${address.slice(7 - NAME_LENGTH_MAX)}`
  }
}

/** `shard_0` as `shard 0`. */
export function shardName(shard: string): string {
  return shard.replaceAll('_', ' ')
}

function hostOf(address: string): string {
  return address.slice(0, address.lastIndexOf(':'))
}
