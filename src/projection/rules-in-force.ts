/** The rules and tags that a shard's own log holds, put into force: what they hide is hidden, and what is due is said. */
import { isClosedAt, type Moment } from '../log/moment.js'
import { type HorizonsDue, horizonsDue, pastIndexAt } from './horizon-due.js'
import { readRetention } from './retention.js'
import type { ShardProjection } from './shard-projection.js'
import { readTags } from './tags.js'

/** Tags whose indexes are remembered; beyond that they are looked up anew. */
const PINS_REMEMBERED_MAX = 10_000

export interface RuledShard {
  readonly projection: ShardProjection
  readonly ordinal: number
  readonly shardCount: number
}

/**
 * Hides what the shard's committed rules hide at `nowMs` (epoch ms); resolves to what they let go, undefined where nothing
 * may be dropped. `pins`: where tags' indexes are remembered from one call to the next.
 * @throws LogError LOG_DAMAGED, LOG_IO
 */
export async function enforceRules(
  { projection, ordinal, shardCount }: RuledShard,
  nowMs: number,
  pins: Map<string, number> = new Map(),
): Promise<HorizonsDue | undefined> {
  const rules = readRetention(projection, ordinal, shardCount)
  if (rules === undefined || rules.length === 0) {
    projection.horizons.hide([])
    return undefined
  }
  // The tags are found by a scan: keys that came meanwhile are brought in order in slices before it.
  await projection.orderKeys()
  const tags = await readTags(projection, ordinal, shardCount)
  if (tags === undefined) return undefined
  if (pins.size > PINS_REMEMBERED_MAX) pins.clear()
  const indexes = tags.flatMap(({ moment }) => pinOf(projection, moment, pins) ?? [])
  const due = horizonsDue({ projection, rules, pins: indexes, nowMs })
  projection.horizons.hide(due.prefixes)
  return due
}

/** Undefined where what the tag names was dropped before it was added. */
function pinOf(projection: ShardProjection, moment: Moment, known: Map<string, number>): number | undefined {
  const name = JSON.stringify(moment)
  const remembered = known.get(name)
  if (remembered !== undefined) return remembered
  const index = pastIndexAt(projection, moment)
  // It never changes once it is closed.
  const isFinal = isClosedAt(projection.log, projection.committedIndex, moment)
  if (index !== undefined && isFinal) known.set(name, index)
  return index
}
