/** From one replica to eighty on this machine, in one chain and in one star. */

import type { Builtin } from './builtin.js'
import { conclude } from './conclude.js'

const CHAIN_REPLICAS = [1, 3, 10, 20, 40, 60, 80]
const STAR_REPLICAS = [3, 10, 20, 40, 60, 80]

const description = {
  name: 'scale',
  title: 'One to eighty replicas of one shard',
  about:
    'Every replica is a process of its own with a LevelDB of its own, all on this machine, whose cores they share. First one ' +
    'client, then 64 at once; half writes, uniform over 400 keys, strong.',
  cluster: { shards: 1 },
  consistency: 'strong',
  workload: {
    kind: 'normal',
    ramp: [
      { clients: 1, for: '6s' },
      { clients: 64, for: '8s' },
    ],
    operations: 100_000,
    timeout: '30s',
  },
  record: { sampleEvery: '1s' },
  variants: [
    ...CHAIN_REPLICAS.map(replicas => ({
      name: `chain of ${replicas}`,
      cluster: { topology: 'chain', replicas },
    })),
    ...STAR_REPLICAS.map(replicas => ({
      name: `star of ${replicas}`,
      cluster: { topology: 'star', replicas },
    })),
  ],
}

export const scale: Builtin = { description, conclude }
