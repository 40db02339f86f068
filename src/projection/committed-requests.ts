/** The request table as it was at one commit index: what a checkpoint writes down and a new table is made of. */

/** One client of a captured table. */
export interface CommittedClient {
  /** The id, one character a byte. */
  readonly name: string
  /** Sequences up to here are expired. */
  readonly forgotten: number
  /** Greatest committed sequence. */
  readonly newest: number
  /** Pairs of (sequence, index) in no order; only those that `isRemembered` count. */
  readonly pairs: Float64Array
  /** More such pairs, which tentative requests cover at the moment. */
  readonly covered: readonly number[]
}

/** The committed table at one moment. Unharmed by what happens to the table later. */
export interface CommittedRequests {
  readonly floor: number
  readonly commitIndex: number
  /** Least recently used first. */
  readonly clients: readonly CommittedClient[]
}

/** Whether a pair of `client` belongs to the captured table. */
export function isRemembered(
  table: CommittedRequests,
  client: CommittedClient,
  sequence: number,
  index: number,
): boolean {
  return sequence > client.forgotten && index > 0 && index <= table.commitIndex
}

/** All pairs of `client` that belong to the captured table. */
export function rememberedPairs(table: CommittedRequests, client: CommittedClient): number[] {
  const pairs: number[] = []
  for (const source of [client.pairs, client.covered]) {
    for (let i = 0; i < source.length; i += 2) {
      if (isRemembered(table, client, source[i]!, source[i + 1]!)) pairs.push(source[i]!, source[i + 1]!)
    }
  }
  return pairs
}
