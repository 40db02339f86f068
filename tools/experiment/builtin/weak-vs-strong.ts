/** The same operations in both modes, each on a cluster of its own: three shards, each a head with ten replicas around it. */

import type { Builtin } from './builtin.js'
import { conclude } from './conclude.js'

const description = {
  name: 'weak-vs-strong',
  title: 'Weak and strong consistency, side by side',
  about:
    'The same operations on the same cluster, once acknowledged when the head has them on its disk (weak), once when every ' +
    'replica has (strong). What strong costs in time, and what weak costs in freshness.',
  workload: { kind: 'normal', keys: 30, operations: 2_000, deleteShare: 0.3, clients: 8 },
  record: { sampleEvery: '100ms' },
  variants: [
    { name: 'strong', consistency: 'strong', cluster: { config: 'configs/10-strong.json' } },
    { name: 'weak', consistency: 'weak', cluster: { config: 'configs/10-weak.json' } },
  ],
}

export const weakVsStrong: Builtin = { description, conclude }
