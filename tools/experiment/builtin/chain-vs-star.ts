/** Two shapes of the replication tree under the same load, in both modes. */

import type { Builtin } from './builtin.js'
import { conclude } from './conclude.js'

const load = { kind: 'normal', clients: 16, duration: '8s' }

const description = {
  name: 'chain-vs-star',
  title: 'Chain and star',
  about:
    'Seven replicas of one shard, one after another or all around the head. A chain spreads the forwarding over all replicas ' +
    'and adds up their delays; a star has the shortest way and all the forwarding at the head.',
  cluster: { shards: 1, replicas: 7 },
  workload: load,
  variants: [
    { name: 'chain, strong', consistency: 'strong', cluster: { topology: 'chain' } },
    { name: 'star, strong', consistency: 'strong', cluster: { topology: 'star' } },
    { name: 'chain, weak', consistency: 'weak', cluster: { topology: 'chain' } },
    { name: 'star, weak', consistency: 'weak', cluster: { topology: 'star' } },
  ],
}

export const chainVsStar: Builtin = { description, conclude }
