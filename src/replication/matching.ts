/**
 * Where two logs part (Following; KIP-279). Logs that hold the same epoch hold a prefix of the same head's log in it,
 * so the last record end that both hold is the shorter end of the newest epoch that both know.
 */

import type { EpochEnd, Follow } from '../generated/varve/v1/replication.js'
import type { Log } from '../log/log.js'

/** What matching needs of a log. */
export type MatchableLog = Pick<
  Log,
  'lastIndex' | 'lastHash' | 'epochs' | 'hashAt' | 'epochStartHash' | 'baseIndex' | 'logId'
>

/** A record end, by index and hash; index 0 is the beginning of every log. */
export interface RecordEnd {
  readonly index: number
  readonly hash: Buffer
}

/** They part below what is kept of ours: the base must come first. */
export type BelowBase = { readonly belowBase: true }

/** Why two logs cannot follow one another. */
export type Mismatch = { readonly fault: string }

/**
 * The last record end that the follower's log and ours share. Ours must not change while it follows: only a replica
 * that is head or has matched itself may ask. A fault means that an invariant is broken (I8): raise an alarm.
 */
export function lastSharedEnd(log: MatchableLog, follow: Follow): RecordEnd | BelowBase | Mismatch {
  if (follow.logId !== '' && follow.logId !== log.logId) {
    return { fault: `the follower's log ${follow.logId} is not this shard's log ${log.logId}` }
  }
  const own = log.epochs
  for (let at = follow.epochs.length - 1; at >= 0; at -= 1) {
    const theirs = follow.epochs[at]!
    const ours = own.find(span => span.epoch === theirs.epoch)
    if (ours === undefined) continue
    const index = Math.min(theirs.lastIndex, ours.lastIndex)
    if (index < log.baseIndex) return { belowBase: true }
    const hash = log.hashAt(index)
    if (hash === undefined) return { fault: `no record ends at index ${index} of epoch ${theirs.epoch}` }
    if (index === theirs.lastIndex && !hash.equals(theirs.hash)) {
      return { fault: `two logs of epoch ${theirs.epoch} differ at index ${index}` }
    }
    return { index, hash }
  }
  if (log.baseIndex > 0) return { belowBase: true }
  return { index: 0, hash: log.hashAt(0)! }
}

/** Where the log ended whose owner asks to follow. The hash is empty for an empty log. */
export function endOf({ lastIndex, epochs }: Follow): RecordEnd {
  return { index: lastIndex, hash: epochs.at(-1)?.hash ?? Buffer.alloc(0) }
}

/** The epochs of a log as they travel, oldest first. */
export function epochEnds(log: MatchableLog): EpochEnd[] {
  return log.epochs.map(({ epoch, startIndex, lastIndex, hash }) => ({
    epoch,
    startIndex,
    lastIndex,
    hash,
    startHash: log.epochStartHash(epoch) ?? Buffer.alloc(0),
  }))
}
