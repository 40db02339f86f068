/** Who holds which shard, as `varve up` and `varve status` show it. */

import type { ConsistencyName, TopologyName } from '../src/node/cluster-config.js'
import { tableOf } from './output.js'

/** A shard and its replicas, the head first; a chain's in its order. */
export interface ShardLine {
  readonly name: string
  readonly addresses: readonly string[]
}

/** What a cluster is, in a few words. */
export interface ClusterSummary {
  readonly coordinator: string
  readonly consistency: ConsistencyName
  readonly topology: TopologyName
  readonly shards: readonly ShardLine[]
}

/** One line a shard: head, middle and tail of a chain, head and replicas of a star. */
export function shardTable(cluster: ClusterSummary): Promise<string> {
  if (cluster.topology === 'star') {
    const rows = cluster.shards.map(({ name, addresses }) => [
      name,
      addresses[0] ?? '',
      ranges(addresses.slice(1)),
    ])
    return tableOf(['shard', 'head', 'replicas'], rows)
  }
  const rows = cluster.shards.map(({ name, addresses }) => {
    const tail = addresses.length > 1 ? addresses.at(-1)! : 'the head'
    return [name, addresses[0] ?? '', ranges(addresses.slice(1, -1)), tail]
  })
  return tableOf(['shard', 'head', 'middle', 'tail'], rows)
}

/** Addresses in their order; four or more of one host with ports that follow each other as one range. */
export function ranges(addresses: readonly string[]): string {
  const parts: string[] = []
  for (let from = 0; from < addresses.length; ) {
    let to = from
    while (to + 1 < addresses.length && follows(addresses[to]!, addresses[to + 1]!)) to++
    if (to - from >= 3) {
      parts.push(`${addresses[from]}-${portOf(addresses[to]!)} (${to - from + 1})`)
      from = to + 1
    } else {
      parts.push(addresses[from]!)
      from++
    }
  }
  return parts.join(' ')
}

function follows(address: string, next: string): boolean {
  return hostOf(address) === hostOf(next) && portOf(address) + 1 === portOf(next)
}

function hostOf(address: string): string {
  return address.slice(0, address.lastIndexOf(':'))
}

function portOf(address: string): number {
  return Number(address.slice(address.lastIndexOf(':') + 1))
}
