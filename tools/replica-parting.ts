/**
 * Where the logs of two replicas of a shard part, found by hash. Two logs that hold the same record are the same up to
 * its end (I8), and logs that part do so where a record ends: so a search by halves finds the place in some 20 reads of
 * each. What is read is a few records; nothing is compared from the start. Pure, but for the reading.
 */

import type { LogRecord } from '../src/log/record-codec.js'

/** One replica's copy of a shard's log, as far as it is needed here. It may grow or be cut while it is read. */
export interface ReplicaLog {
  /** Who holds it, for people. */
  readonly replica: string
  /** The log is kept above this index. */
  readonly baseIndex: number
  readonly lastIndex: number
  /** Known to be committed there. */
  readonly commitIndex: number
  /** The record that holds the index; undefined outside what is kept. */
  recordAt(index: number): Promise<LogRecord | undefined>
  /** The records from the one that holds `fromIndex` to the one that holds `toIndex`, in order. */
  records(fromIndex: number, toIndex: number): AsyncIterable<LogRecord>
}

export type Parting =
  /** Both logs end at the same record. */
  | { readonly kind: 'same'; readonly commonIndex: number }
  /** One log goes on where the other ends: nothing differs. */
  | { readonly kind: 'behind'; readonly commonIndex: number }
  /** Same up to `commonIndex`; the next records differ. */
  | {
      readonly kind: 'parted'
      readonly commonIndex: number
      readonly left: LogRecord
      readonly right: LogRecord
    }
  /** They parted at or below this index, which at least one of them no longer keeps. */
  | { readonly kind: 'dropped'; readonly belowIndex: number }
  /** Nothing is kept of both: one ends at or below where the other begins. */
  | { readonly kind: 'apart' }

/** Throws what reading throws, and an Error where a log was cut while it was read: ask again. */
export async function findParting(left: ReplicaLog, right: ReplicaLog): Promise<Parting> {
  const kept = Math.max(left.baseIndex, right.baseIndex)
  const end = Math.min(left.lastIndex, right.lastIndex)
  if (end < kept) return { kind: 'apart' }
  // All up to `common` is the same; what lies from `differs` on is not.
  let common = kept
  let differs = end + 1
  while (common + 1 < differs) {
    const [ours, theirs] = await bothAt(left, right, common + Math.ceil((differs - common) / 2))
    if (ours.hash.equals(theirs.hash)) common = ours.lastIndex
    else differs = Math.min(ours.firstIndex, theirs.firstIndex)
  }
  if (common >= end) return await partingAtEnd(left, right, end, common === kept)
  const [ours, theirs] = await bothAt(left, right, common + 1)
  const begins = ours.firstIndex === common + 1 && theirs.firstIndex === common + 1
  if (!begins || !ours.previousHash.equals(theirs.previousHash))
    return { kind: 'dropped', belowIndex: common }
  return { kind: 'parted', commonIndex: common, left: ours, right: theirs }
}

/** No record that both keep differs. Where none was compared, what follows says what came before. */
async function partingAtEnd(
  left: ReplicaLog,
  right: ReplicaLog,
  end: number,
  isUnseen: boolean,
): Promise<Parting> {
  if (isUnseen && end > 0) {
    const [ours, theirs] = await Promise.all([hashAtEnd(left, end), hashAtEnd(right, end)])
    if (ours !== undefined && theirs !== undefined && !ours.equals(theirs)) {
      return { kind: 'dropped', belowIndex: end }
    }
  }
  return { kind: left.lastIndex === right.lastIndex ? 'same' : 'behind', commonIndex: end }
}

/** Hash of the record that ends there, where either it or the next one is kept. */
async function hashAtEnd(log: ReplicaLog, index: number): Promise<Buffer | undefined> {
  if (index > log.baseIndex) return (await log.recordAt(index))?.hash
  return (await log.recordAt(index + 1))?.previousHash
}

async function bothAt(left: ReplicaLog, right: ReplicaLog, index: number): Promise<[LogRecord, LogRecord]> {
  const [ours, theirs] = await Promise.all([left.recordAt(index), right.recordAt(index)])
  if (ours !== undefined && theirs !== undefined) return [ours, theirs]
  const who = ours === undefined ? left.replica : right.replica
  throw new Error(`the log of ${who} was cut or trimmed while it was read: ask again`)
}
