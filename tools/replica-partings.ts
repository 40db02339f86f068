/** Where the logs of a shard's replicas part: of a running cluster's, or of a stopped one's in their folders. */

import { CommandError, codeOf, errorLine } from './exit-codes.js'
import { type LogSource, recordAt } from './log-source.js'
import { type FirstDifference, firstDifference, type PartedKeys, partedKeys } from './parted-entries.js'
import { findParting, type Parting, type ReplicaLog } from './replica-parting.js'

/** A log of a running cluster may be cut or trimmed while it is read: then it is asked again, so often. */
const TRIES = 3

/** Two replicas, and what became of comparing their logs. */
export interface ComparedPair {
  readonly left: ReplicaLog
  readonly right: ReplicaLog
  readonly parting: Parting
  /** Where they part: the first entry that differs; undefined where the same entries lie in other records. */
  readonly first: FirstDifference | undefined
  readonly keys: PartedKeys | undefined
}

/** A pair that could not be compared, and why. */
export interface UnreadPair {
  readonly left: string
  readonly right: string
  readonly problem: string
}

export interface Comparison {
  readonly pairs: readonly ComparedPair[]
  readonly unread: readonly UnreadPair[]
}

/** One source's copy of a shard's log, as it is now. */
export async function replicaLogOf(source: LogSource, shard: string): Promise<ReplicaLog> {
  const { baseIndex, lastIndex, commitIndex } = await source.logInfo(shard)
  return {
    replica: source.origin(shard),
    baseIndex,
    lastIndex,
    commitIndex,
    recordAt: index => recordAt(source, shard, index),
    records: (from, to) => source.records(shard, from, to),
  }
}

/** Whether the source holds a copy of the shard's log. */
export function holds(source: LogSource, shard: string): boolean {
  try {
    source.origin(shard)
    return true
  } catch (error) {
    if (error instanceof CommandError) return false
    throw error
  }
}

/** Compares each with the first. `limit`: of keys, and of each key's entries. */
export async function comparePairs(
  logs: readonly (() => Promise<ReplicaLog>)[],
  limit: number,
): Promise<Comparison> {
  const pairs: ComparedPair[] = []
  const unread: UnreadPair[] = []
  const [first, ...others] = logs
  for (const other of others) {
    let names = { left: '', right: '' }
    try {
      pairs.push(
        await again(async () => {
          const [left, right] = [await first!(), await other()]
          names = { left: left.replica, right: right.replica }
          return await comparePair(left, right, limit)
        }),
      )
    } catch (error) {
      unread.push({ ...names, problem: errorLine(error) })
    }
  }
  return { pairs, unread }
}

/** Whether the two hold something else at the same index, as far as both can tell. */
export function isDivergent({ parting }: Pick<ComparedPair, 'parting'>): boolean {
  return parting.kind === 'parted' || parting.kind === 'dropped'
}

async function comparePair(left: ReplicaLog, right: ReplicaLog, limit: number): Promise<ComparedPair> {
  const parting = await findParting(left, right)
  if (parting.kind !== 'parted') return { left, right, parting, first: undefined, keys: undefined }
  const { commonIndex } = parting
  const first = await firstDifference(left, right, commonIndex)
  const keys = await partedKeys(left, right, commonIndex, { keysMax: limit, entriesMax: limit })
  return { left, right, parting, first, keys }
}

async function again<T>(compare: () => Promise<T>): Promise<T> {
  for (let tries = 1; ; tries += 1) {
    try {
      return await compare()
    } catch (error) {
      if (tries >= TRIES || codeOf(error) === 'LOG_DAMAGED') throw error
    }
  }
}
