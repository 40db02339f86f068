/**
 * How far a log was committed when its process ended in order. Records say it of those before them, and nothing of the
 * last ones; whoever opens a stopped node's folder wants to know. A mark names the record that ended there by its hash,
 * so one of another log, or of one that was cut since, is nothing.
 */
import type { Log, LogStore } from './log.js'
import { HASH_SIZE_BYTES } from './record-layout.js'

export interface CommitMark {
  readonly index: number
  /** Of the record that ends there. */
  readonly hash: Buffer
}

const PREFIX = 'commit/'
const SIZE_BYTES = 8 + HASH_SIZE_BYTES

/** Name of the fact that holds a shard's mark. */
export function commitMarkName(shard: number): string {
  return PREFIX + shard
}

/** Notes that the log is committed up to `index`; durable with the store's next batch. Nothing where no record ends there. */
export function markCommitted(store: LogStore, log: Log, index: number): void {
  const hash = index > 0 ? log.hashAt(index) : undefined
  if (hash === undefined) return
  const bytes = Buffer.alloc(SIZE_BYTES)
  bytes.writeDoubleLE(index, 0)
  hash.copy(bytes, 8)
  store.setMeta(commitMarkName(log.shard), bytes)
}

/** The mark that a fact holds; undefined where there is none. */
export function readCommitMark(fact: Buffer | undefined): CommitMark | undefined {
  if (fact?.length !== SIZE_BYTES) return undefined
  return { index: fact.readDoubleLE(0), hash: fact.subarray(8) }
}
