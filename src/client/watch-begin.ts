/** Where a watch begins in each shard. */
import { VarveError } from './errors.js'
import { type AskedMoment, type At, NEWEST, type ResolvedMoment } from './moment.js'
import type { CallBounds } from './shard-call.js'
import type { TimeCalls } from './time-calls.js'
import type { Token } from './token.js'

/** First index wanted, by shard name; 0 for what comes from now on. */
export type FirstIndexes = Readonly<Record<string, number>>

/** Known at once, or asked for. */
export type WatchBegin = FirstIndexes | ((signal: AbortSignal) => Promise<FirstIndexes>)

/** What a caller may begin with. */
export type WatchFrom = Token | Readonly<Record<string, number>> | At

/**
 * Reads `from`. `snapshot`: a shard whose entries after the moment were dropped begins with its first one, that is with
 * its snapshot. Throws INVALID_ARGUMENT, UNKNOWN_SHARD.
 */
export function watchBegin(
  calls: TimeCalls,
  from: WatchFrom | undefined,
  snapshot: boolean,
  bounds: CallBounds,
): WatchBegin {
  const names = calls.core.shardNames
  if (from === undefined) return {}
  if (isToken(from)) return firstOf(names, name => (from.shards[name]?.index ?? 0) + 1)
  if (isIndexes(from, names)) return from
  const asked = calls.asked(from)
  if (asked === NEWEST) return {}
  if (asked.kind === 'start') return firstOf(names, () => 1)
  return async signal => {
    const within = { ...bounds, signal }
    try {
      return indexesAfter(await calls.resolve(asked, within))
    } catch (error) {
      if (!snapshot || !wasDropped(error)) throw error
      return shardByShard(calls, asked, within)
    }
  }
}

async function shardByShard(calls: TimeCalls, asked: AskedMoment, bounds: CallBounds): Promise<FirstIndexes> {
  const indexes = await Promise.all(
    calls.core.shardNames.map(async name => {
      try {
        return indexesAfter(await calls.resolve(asked, bounds, [name]))
      } catch (error) {
        if (wasDropped(error)) return { [name]: 1 }
        throw error
      }
    }),
  )
  return Object.assign({}, ...indexes)
}

function indexesAfter({ cuts }: ResolvedMoment): FirstIndexes {
  return Object.fromEntries(Object.entries(cuts).map(([name, { index }]) => [name, index + 1]))
}

function firstOf(names: readonly string[], index: (name: string) => number): FirstIndexes {
  return Object.fromEntries(names.map(name => [name, index(name)]))
}

function wasDropped(error: unknown): boolean {
  return (error as VarveError).code === 'OUT_OF_RETENTION'
}

function isToken(from: WatchFrom): from is Token {
  return typeof from === 'object' && 'shards' in from && typeof from.shards === 'object'
}

/** An object of numbers whose names are shards'; a moment has other names. */
function isIndexes(from: WatchFrom, shards: readonly string[]): from is FirstIndexes {
  if (typeof from !== 'object' || from instanceof Date) return false
  const names = Object.keys(from)
  const isMoment = names.some(name => ['lamport', 'wallMs', 'tag', 'shard', 'cuts'].includes(name))
  if (isMoment && !names.every(name => shards.includes(name))) return false
  for (const name of names) {
    if (shards.includes(name)) continue
    throw new VarveError(
      'UNKNOWN_SHARD',
      `\`from\` names shard "${name}", the cluster has: ${shards.join(', ')}`,
    )
  }
  return true
}
