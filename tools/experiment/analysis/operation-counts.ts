/** How many operations of each type went to each shard. */

import { shardOfKey } from '../../../src/client/shard-of-key.js'
import type { RecordedOperation, RecordedRun } from '../record/recorded-run.js'

export interface OperationCounts {
  readonly shard: string
  readonly set: number
  readonly get: number
  readonly delete: number
  readonly scan: number
}

/** All operations, failed ones too, by the shard that answered or else the shard of the key; shards by name. */
export function operationCounts(run: RecordedRun): OperationCounts[] {
  const shards = Object.keys(run.about.shards).sort(byNumber)
  const counts = new Map(shards.map(shard => [shard, { shard, set: 0, get: 0, delete: 0, scan: 0 }]))
  for (const operation of run.operations) {
    const found = counts.get(shardOf(operation, shards))
    if (found !== undefined) found[operation.type]++
  }
  return [...counts.values()]
}

function shardOf({ position, key }: RecordedOperation, shards: readonly string[]): string {
  if (position !== null) return position.shard
  return shards[shardOfKey(Buffer.from(key, 'utf8'), shards.length)]!
}

/** `shard_2` before `shard_10`. */
function byNumber(a: string, b: string): number {
  return a.localeCompare(b, 'en', { numeric: true })
}
