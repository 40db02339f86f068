/** Few keys take most of the operations: what that does to the shards and to those who wait for each other. */

import type { Builtin } from './builtin.js'
import { conclude } from './conclude.js'

const description = {
  name: 'hot-cold',
  title: 'Hot and cold keys',
  about:
    'Uniform over 400 keys, then ten of them taking nine operations out of ten, then nine writes out of ten. A log does not ' +
    'mind who is written: the hot keys only crowd the shards that hold them.',
  cluster: { shards: 3, replicas: 3, topology: 'chain' },
  consistency: 'strong',
  variants: [
    { name: 'uniform', workload: { kind: 'normal', clients: 32, duration: '8s' } },
    { name: 'hot-cold', workload: { kind: 'hot-cold', clients: 32, duration: '8s' } },
    { name: 'write-heavy', workload: { kind: 'write-heavy', clients: 32, duration: '8s' } },
  ],
}

export const hotCold: Builtin = { description, conclude }
