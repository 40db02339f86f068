/** Compares the replicas of a running cluster by their digests. */
import { credentials } from '@grpc/grpc-js'
import { ClusterClient, type Digest } from '../../../src/generated/varve/v1/cluster.js'
import type { TestCluster } from './processes.js'

/** Resolves when all replicas of every shard hold the same state at the same commit index; rejects with what differs. */
export async function replicasDiffer(cluster: TestCluster): Promise<void> {
  for (const [shard, addresses] of Object.entries(cluster.config.shards)) {
    const digests = await Promise.all(addresses.map(address => digestOf(address, shard)))
    const seen = new Set(
      digests.map(
        ({ commitIndex, lastIndex, state }) => `${commitIndex}/${lastIndex}/${state.toString('hex')}`,
      ),
    )
    if (seen.size > 1) throw new Error(`${shard}: ${[...seen].join(' ')}`)
  }
}

export async function digestOf(address: string, shard: string): Promise<Digest> {
  const client = new ClusterClient(address, credentials.createInsecure())
  try {
    return await new Promise<Digest>((resolve, reject) => {
      client.getDigest({ shard }, (error, digest) => {
        if (error) reject(error)
        else resolve(digest)
      })
    })
  } finally {
    client.close()
  }
}
