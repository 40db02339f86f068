/**
 * Where the past of some keys begins, by what the keys begin with: the longest prefix that fits decides. Keys that none
 * fits have the horizon of the log.
 */
import type { Horizon } from '../log/horizon.js'

/** The horizon of all keys that begin with the prefix, but for those that a longer one fits. */
export interface PrefixHorizon {
  readonly prefix: Buffer
  readonly horizon: Horizon
}

/** By length, longest first: so that the first that fits is the one that decides. */
export function longestFirst<T extends { readonly prefix: Buffer }>(given: readonly T[]): readonly T[] {
  return [...given].sort((left, right) => right.prefix.length - left.prefix.length)
}

/** The first of `ordered` (`longestFirst`) whose prefix the `length` bytes from `start` on begin with. */
export function fitting<T extends { readonly prefix: Buffer }>(
  ordered: readonly T[],
  bytes: Buffer,
  start: number,
  length: number,
): T | undefined {
  for (const each of ordered) if (beginsWith(bytes, start, length, each.prefix)) return each
  return undefined
}

/**
 * The highest horizon among the keys from `start` on and before `end` (undefined: no bound): what is at or above it can
 * be read of all of them. `others`: of keys that no prefix fits.
 */
export function rangeHorizon(
  ordered: readonly PrefixHorizon[],
  others: Horizon,
  start: Buffer,
  end: Buffer | undefined,
): Horizon {
  let highest: Horizon | undefined
  for (const { prefix, horizon } of ordered) {
    const after = afterPrefix(prefix)
    const isApart =
      (end !== undefined && end.compare(prefix) <= 0) || (after !== undefined && start.compare(after) >= 0)
    if (isApart) continue
    highest = higher(highest, horizon)
    // Every key of the range has this prefix or a longer one.
    const endsWithin = after === undefined || (end !== undefined && end.compare(after) <= 0)
    if (start.compare(prefix) >= 0 && endsWithin) return highest
  }
  return higher(highest, others)
}

/**
 * What a base at `base` keeps, given what is wanted and what is there: `before`, with `others` for keys of no prefix of it.
 * What is gone stays gone. Prefixes that make no difference are left out.
 */
export function settledPrefixes(
  wanted: readonly PrefixHorizon[],
  before: readonly PrefixHorizon[],
  others: Horizon,
  base: Horizon,
): PrefixHorizon[] {
  const ordered = longestFirst(before)
  const settled = wanted.map(({ prefix, horizon }) => {
    const there = rangeHorizon(ordered, others, prefix, afterPrefix(prefix))
    const highest = higher(there, horizon)
    return { prefix, horizon: { ...(highest.index < base.index ? highest : base), prefix } }
  })
  return settled.filter(({ prefix, horizon }) => {
    if (horizon.index < base.index) return true
    // It takes its keys out of a shorter prefix, of which more is kept.
    return settled.some(other => {
      const isShorter = other.prefix.length < prefix.length && other.horizon.index < base.index
      return isShorter && beginsWith(prefix, 0, prefix.length, other.prefix)
    })
  })
}

/** The first key behind all that begin with the prefix; undefined where there is none. */
export function afterPrefix(prefix: Buffer): Buffer | undefined {
  let length = prefix.length
  while (length > 0 && prefix[length - 1] === 0xff) length -= 1
  if (length === 0) return undefined
  const after = Buffer.from(prefix.subarray(0, length))
  after[length - 1]! += 1
  return after
}

function higher(left: Horizon | undefined, right: Horizon): Horizon {
  return left === undefined || right.index > left.index ? right : left
}

function beginsWith(bytes: Buffer, start: number, length: number, prefix: Buffer): boolean {
  if (length < prefix.length) return false
  for (let i = 0; i < prefix.length; i++) if (bytes[start + i] !== prefix[i]) return false
  return true
}
