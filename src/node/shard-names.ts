/** Shards by their names, as requests give them. */
import { VarveError } from '../client/errors.js'
import type { ShardMap } from '../generated/varve/v1/cluster.js'
import type { NodeHost, ShardHost } from './node-host.js'

/** The ordinal of a shard by its name. Throws UNKNOWN_SHARD. */
export function ordinalOf(name: string, map: ShardMap): number {
  const shard = map.shards.find(each => each.name === name)
  if (shard === undefined) throw unknownShard(name, map)
  return shard.ordinal
}

/**
 * This process's replica of the shard, for calls that are about what is here and are not passed on.
 * Throws UNKNOWN_SHARD, or NOT_MEMBER with the head as hint.
 */
export function replicaHere(host: NodeHost, name: string): ShardHost {
  const held = host.status().replicas.find(replica => replica.shard === name)
  const replica = held === undefined ? undefined : host.shard(held.ordinal)
  if (replica !== undefined) return replica
  const map = host.shardMap()
  const shard = map?.shards.find(each => each.name === name)
  if (map !== undefined && shard === undefined) throw unknownShard(name, map)
  throw new VarveError('NOT_MEMBER', `${host.address} has no replica of ${name}`, {
    hint: shard?.head === '' ? undefined : shard?.head,
  })
}

function unknownShard(name: string, map: ShardMap): VarveError {
  const names = map.shards.map(each => each.name).join(', ')
  return new VarveError('UNKNOWN_SHARD', `there is no shard "${name}", the cluster has: ${names}`)
}
