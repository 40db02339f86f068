/** In which mode each client of a load asks. */

import type { ConsistencyName } from '../../../src/client/options.js'

/** `mixed`: every other client asks for strong operations, the others for weak ones. */
export type LoadConsistency = 'strong' | 'weak' | 'mixed'

/** How a client's writes and reads are acknowledged. */
export interface LoadModes {
  readonly consistency: 'strong' | 'weak'
  readonly reads: ConsistencyName
}

/** What the whole load was told; without `reads` they are as the writes. */
export interface ToldModes {
  readonly consistency: LoadConsistency
  readonly reads: ConsistencyName | undefined
}

/** The modes of one client, by its number. */
export function modesOf({ consistency: told, reads }: ToldModes, client: number): LoadModes {
  const consistency = told === 'mixed' ? (client % 2 === 0 ? 'strong' : 'weak') : told
  return { consistency, reads: reads ?? consistency }
}
