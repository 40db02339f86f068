import { Shard, ShardMap } from '../../src/generated/varve/v1/cluster.js'

/** A shard whose members follow each other, the first its head. */
export function chain(name: string, ordinal: number, members: readonly string[]): Shard {
  return {
    ...Shard.decode(new Uint8Array()),
    ordinal,
    name,
    epoch: 1,
    head: members[0] ?? '',
    members: members.map((address, at) => ({ address, upstream: at === 0 ? '' : members[at - 1]! })),
    topology: 1,
    minInSync: 2,
    status: 'ACTIVE',
    wanted: 3,
  }
}

/** A shard whose members all follow the first. */
export function star(name: string, ordinal: number, members: readonly string[]): Shard {
  const shard = chain(name, ordinal, members)
  const upstream = (at: number) => (at === 0 ? '' : members[0]!)
  return {
    ...shard,
    topology: 2,
    members: members.map((address, at) => ({ address, upstream: upstream(at) })),
  }
}

export function mapOf(...shards: Shard[]): ShardMap {
  return {
    ...ShardMap.decode(new Uint8Array()),
    clusterId: 'c1',
    revision: 1,
    coordinator: 'h:5000',
    defaultConsistency: 'strong',
    shards,
  }
}
