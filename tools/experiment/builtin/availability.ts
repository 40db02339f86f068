/** Replicas are killed one after another until none is left: who can still be served? */

import type { Builtin } from './builtin.js'
import { conclude } from './conclude.js'

const description = {
  name: 'availability',
  title: 'How many must live',
  about:
    'Five replicas of one shard are killed one after another, the head each time, and none is started again. Half of the clients ask ' +
    'for strong writes and reads, half for weak ones; each gives up after half a second.',
  cluster: { shards: 1, replicas: 5, topology: 'chain' },
  consistency: 'mixed',
  workload: { kind: 'normal', clients: 8, duration: '27s', timeout: '500ms' },
  faults: [5, 9, 13, 17, 21].map(seconds => ({ at: `${seconds}s`, kill: 'HEAD' })),
}

export const availability: Builtin = { description, conclude }
