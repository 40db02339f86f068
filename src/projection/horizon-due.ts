/**
 * Where the horizons of a shard should be, by its rules: the log's own follows the default rule, those of some keys the
 * rules with their prefixes. What a tag names is kept, with all that came after it.
 */
import type { Stamp } from '../log/entry.js'
import { LogError } from '../log/errors.js'
import { outOfRetention } from '../log/log-base.js'
import { indexAtMoment, type Moment, stampAt } from '../log/moment.js'
import { afterPrefix, type PrefixHorizon } from './kept-prefixes.js'
import type { RetentionRule } from './retention.js'
import type { ShardProjection } from './shard-projection.js'
import { trimIndexAt } from './trim.js'

/**
 * The age of entries is told by this node's clock, but by no more than so much after the shard's newest entry, ms: a
 * clock that jumps ahead drops little too much. So a shard to which nobody writes keeps its last days.
 */
export const CLOCK_TRUSTED_MS = 3_600_000

export interface RetentionInput {
  readonly projection: ShardProjection
  readonly rules: readonly RetentionRule[]
  /** Indexes at which the shard must stay readable: what tags name. */
  readonly pins: readonly number[]
  /** Now, epoch ms. */
  readonly nowMs: number
}

export interface HorizonsDue {
  /** What the log could be trimmed at: the end of a committed, durable record; the present base's index for "nowhere". */
  readonly index: number
  /** Of each rule with a prefix: below it, nothing is read any more. 0: nothing is hidden. */
  readonly prefixes: readonly PrefixHorizon[]
}

/** Throws LogError LOG_DAMAGED, LOG_IO. */
export function horizonsDue({ projection, rules, pins, nowMs }: RetentionInput): HorizonsDue {
  const { log, horizons } = projection
  const newest = stampAt(log, projection.committedIndex)
  const trustedMs = newest === undefined ? 0 : Math.min(nowMs, newest.wallMs + CLOCK_TRUSTED_MS)
  const dueOf = (rule: RetentionRule, from: number) => {
    const lowestPin = pins.reduce((lowest, pin) => (pin >= from ? Math.min(lowest, pin) : lowest), Infinity)
    return Math.max(0, Math.min(boundOf(projection, rule, trustedMs), lowestPin))
  }
  const standard = rules.find(({ prefix }) => prefix.length === 0)
  const index = standard === undefined ? 0 : dueOf(standard, log.baseIndex)
  const prefixes = rules
    .filter(({ prefix }) => prefix.length > 0)
    .map(rule => {
      const { prefix } = rule
      const due = knownIndex(projection, dueOf(rule, horizons.ofRange(prefix, afterPrefix(prefix)).index))
      return {
        prefix,
        horizon: { index: due, stamp: stampBefore(projection, due), droppedMs: nowMs, prefix },
      }
    })
  return { index: trimIndexAt(log, projection, index), prefixes }
}

/**
 * As `indexAtMoment`, also below the log's base where more is kept of some keys: then the last entry kept before the
 * moment, at which these keys held what they held at the moment. Undefined where nothing can be read of it.
 * @throws LogError LOG_DAMAGED, LOG_IO
 */
export function pastIndexAt(projection: ShardProjection, moment: Moment): number | undefined {
  const { log, base, horizons } = projection
  try {
    return indexAtMoment(log, moment)
  } catch (error) {
    if (!(error instanceof LogError && error.code === 'LOG_OUT_OF_RETENTION')) throw error
  }
  if (base === undefined || horizons.lowestIndex >= log.baseIndex) return undefined
  let index = moment.kind === 'index' ? moment.index : (base.lastAt(moment)?.index ?? 0)
  // The base need not hold the entry at a horizon itself.
  for (const { horizon } of base.kept) {
    if (moment.kind !== 'index' && !isAfter(horizon.stamp, moment)) index = Math.max(index, horizon.index)
  }
  return index < horizons.lowestIndex ? undefined : index
}

function isAfter({ wallMs, lamport }: Stamp, moment: Exclude<Moment, { kind: 'index' }>): boolean {
  return moment.kind === 'wall' ? wallMs > moment.wallMs : lamport > moment.lamport
}

/** As `pastIndexAt`. @throws LogError LOG_OUT_OF_RETENTION where nothing can be read of the moment, LOG_DAMAGED, LOG_IO */
export function indexOfMoment(projection: ShardProjection, moment: Moment): number {
  const index = pastIndexAt(projection, moment)
  if (index === undefined) throw outOfRetention(projection.log)
  return index
}

/**
 * `index`, or below the log's base the last one at or before it that the base holds: moments between the two are found as
 * that one, so a horizon between them would refuse what is at the horizon itself.
 */
function knownIndex({ log, base }: ShardProjection, index: number): number {
  if (index >= log.baseIndex || base === undefined) return index
  const held = base.lastAt({ kind: 'index', index })
  // By its time, which is in no batch: a horizon never is.
  return held === undefined ? 0 : (base.lastAt({ kind: 'lamport', lamport: held.stamp.lamport })?.index ?? 0)
}

/** Stamp of the entry at `index`, or, where the base does not hold that, of the last one before it that it holds. */
export function stampBefore({ log, base }: ShardProjection, index: number): Stamp {
  const stamp = index === 0 ? undefined : stampAt(log, index)
  if (stamp !== undefined || base === undefined || index === 0) return stamp ?? { lamport: 0, wallMs: 0 }
  return base.lastAt({ kind: 'index', index })?.stamp ?? { lamport: 0, wallMs: 0 }
}

/** The last index that is beyond every bound of the rule; 0 where it has none. */
function boundOf(projection: ShardProjection, { ageMs, entries }: RetentionRule, nowMs: number): number {
  if (ageMs === 0 && entries === 0) return 0
  const { committedIndex } = projection
  // Never inside of an atomic batch.
  const byNumber =
    pastIndexAt(projection, { kind: 'index', index: Math.max(0, committedIndex - entries) }) ?? 0
  if (ageMs === 0 || byNumber === 0) return byNumber
  const byAge = pastIndexAt(projection, { kind: 'wall', wallMs: Math.max(0, nowMs - ageMs) })
  return Math.min(byNumber, byAge ?? 0)
}
