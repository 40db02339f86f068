/** Reads of the past that are streams: the entries of a key, what differs between two moments, who wrote what. */
import type { Entry as WireEntry } from '../generated/varve/v1/entry.js'
import type {
  BlameResponse,
  DiffResponse,
  HistoryResponse,
  Difference as WireDifference,
} from '../generated/varve/v1/time_travel.js'
import { VarveError } from './errors.js'
import type { RangeOptions, RawRange } from './key-range.js'
import { rawRange } from './key-range.js'
import { type At, type Cut, cutIn, type Horizon, NEWEST, type ResolvedMoment } from './moment.js'
import type { CallOptions } from './options.js'
import { type PastEntry, pastEntry } from './past-entry.js'
import { History, type HistoryEnd, PastStream } from './past-stream.js'
import { type CallBounds, ShardTarget } from './shard-call.js'
import type { ShardRoute } from './shard-route.js'
import { mergedByKey, shardStream } from './shard-stream.js'
import type { KeyPlace, TimeCalls } from './time-calls.js'

/** Options of `history`. */
export interface HistoryOptions extends CallOptions {
  /** Entries after it are left out. Default: what is committed now is the newest. */
  at?: At | undefined
  /** At most so many. Default: all. */
  limit?: number | undefined
  /** Entries that are not committed, too. Together with a moment it changes nothing. */
  tentative?: boolean | undefined
}

/** Options of `diff`. */
export interface DiffOptions<K> extends CallOptions, RangeOptions<K> {
  from: At
  /** Not before `from`. Default: what is committed now. */
  to?: At | undefined
}

/** Options of `blame`. */
export interface BlameOptions<K> extends CallOptions, RangeOptions<K> {
  /** Default: what is committed now. */
  at?: At | undefined
}

/** A key that held something else at two moments. */
export interface Difference<K = unknown, V = unknown> {
  readonly key: K
  readonly shard: string
  readonly change: 'added' | 'changed' | 'removed'
  /** The SET that it had its value from; absent where it had none. */
  readonly before?: PastEntry<K, V>
  /** The entry that made it what it is: a delete where it was removed, absent where retention dropped that. */
  readonly after?: PastEntry<K, V>
}

/** The two moments of a diff. */
export interface DiffMoments {
  readonly from: ResolvedMoment
  readonly to: ResolvedMoment
}

/** The entries of a key, newest first. Throws INVALID_ARGUMENT. */
export function historyOf<K, V>(
  calls: TimeCalls,
  key: unknown,
  options: HistoryOptions,
): History<PastEntry<K, V>> {
  const { at, limit = Infinity, tentative = false } = options
  if (!(limit >= 0))
    throw new VarveError('INVALID_ARGUMENT', `limit is ${limit}, expected a number from 0 up`)
  const bounds = calls.bounds(options)
  const asked = calls.asked(at)
  const place = calls.place(key)
  const isOpen = tentative && asked === NEWEST
  return new History(
    () => calls.resolve(asked, bounds, [place.route.name]),
    async function* read(moment, end) {
      const cut = cutIn(moment, place.route.name)
      for await (const entry of rawHistory(calls, place, { cut, isOpen, limit, bounds }, end)) {
        yield pastEntry<K, V>(entry, calls.parts)
      }
    },
  )
}

interface RawHistory {
  readonly cut: Cut
  /** Beyond the cut too, whatever is there. */
  readonly isOpen: boolean
  readonly limit: number
  readonly bounds: CallBounds
}

/** As `historyOf`, as the shard gives them. */
export async function* rawHistory(
  calls: TimeCalls,
  { key, route }: KeyPlace,
  { cut, isOpen, limit, bounds }: RawHistory,
  end: HistoryEnd,
): AsyncGenerator<WireEntry, void, void> {
  const { core } = calls
  let toIndex = isOpen ? 0 : cut.index
  let left = limit
  if ((toIndex === 0 && !isOpen) || left <= 0) return
  // What is not committed is at the head first.
  const target = new ShardTarget(core, route, isOpen)
  const parts = shardStream<HistoryResponse>(
    core,
    `the history of a key of ${route.name}`,
    bounds,
    target,
    peer =>
      peer.timeTravel.history({
        shard: route.name,
        key,
        toIndex,
        fromIndex: 0,
        limit: Number.isFinite(left) ? Math.min(Math.ceil(left), 0xffff_ffff) : 0,
        tentative: isOpen,
      }),
  )
  let last: WireEntry | undefined
  let horizonIndex = 0
  try {
    for await (const part of parts) {
      for (const entry of part.entries) {
        last = entry
        toIndex = (entry.position?.index ?? 0) - 1
        yield entry
        if (--left <= 0 || entry.previous === 0) return
      }
      horizonIndex = part.horizonIndex
    }
  } catch (error) {
    // After a break, what is left may all lie below the horizon.
    if (last === undefined || (error as VarveError).code !== 'OUT_OF_RETENTION') throw error
    horizonIndex = -1
  }
  if (horizonIndex !== 0) end.horizon = await horizonOf(calls, route, cut, horizonIndex, bounds)
}

/** What is known of a horizon that a history ended at: the shard's, or one of these keys only. -1: no index is known. */
async function horizonOf(
  calls: TimeCalls,
  { name }: ShardRoute,
  cut: Cut,
  index: number,
  bounds: CallBounds,
): Promise<Horizon | undefined> {
  if (cut.horizon?.index === index) return cut.horizon
  const { horizon } = cutIn(await calls.resolve(NEWEST, bounds, [name]), name)
  if (horizon?.index === index || index === -1) return horizon
  try {
    const asked = calls.asked({ shard: name, index })
    const { lamport, wallMs } = cutIn(await calls.resolve(asked, bounds, [name]), name)
    return { index, lamport, wallMs, droppedMs: 0 }
  } catch (error) {
    if ((error as VarveError).code !== 'OUT_OF_RETENTION') throw error
    return { index, lamport: 0, wallMs: 0, droppedMs: 0 }
  }
}

/** The keys that held something else at two moments. Throws INVALID_ARGUMENT. */
export function diffOf<K, V>(
  calls: TimeCalls,
  options: DiffOptions<K>,
): PastStream<Difference<K, V>, DiffMoments> {
  const bounds = calls.bounds(options)
  const from = calls.asked(options.from)
  const to = calls.asked(options.to)
  const range = rawRange(options, calls.parts.keyEncoding)
  return new PastStream(
    async () => {
      const moments = { from: await calls.resolve(from, bounds), to: await calls.resolve(to, bounds) }
      inOrder('from', moments.from, 'to', moments.to)
      return moments
    },
    async function* read(moments) {
      for await (const difference of rawDiff(calls, moments, range, bounds)) {
        yield differenceOf<K, V>(calls, difference)
      }
    },
  )
}

/** As `diffOf`, as the shards give them. */
export function rawDiff(
  calls: TimeCalls,
  { from, to }: DiffMoments,
  range: RawRange,
  bounds: CallBounds,
): AsyncGenerator<WireDifference, void, void> {
  const changed = calls.core.routes.filter(({ name }) => cutIn(from, name).index < cutIn(to, name).index)
  return mergedByKey(bounds.signal, signal =>
    changed.map(route => {
      const [fromIndex, toIndex] = [cutIn(from, route.name).index, cutIn(to, route.name).index]
      return shardDiff(calls, route, { fromIndex, toIndex }, range, { ...bounds, signal })
    }),
  )
}

async function* shardDiff(
  { core }: TimeCalls,
  route: ShardRoute,
  indexes: { readonly fromIndex: number; readonly toIndex: number },
  range: RawRange,
  bounds: CallBounds,
): AsyncGenerator<readonly WireDifference[], void, void> {
  const shard = route.name
  let { start } = range
  const target = new ShardTarget(core, route)
  const parts = shardStream<DiffResponse>(core, `a diff of ${shard}`, bounds, target, peer =>
    peer.timeTravel.diff({ shard, ...indexes, start, end: range.end }),
  )
  for await (const { differences } of parts) {
    const last = differences.at(-1)
    if (last !== undefined) start = after(last.key)
    yield differences
  }
}

/** The entry that each key had its value from. Throws INVALID_ARGUMENT. */
export function blameOf<K, V>(calls: TimeCalls, options: BlameOptions<K>): PastStream<PastEntry<K, V>> {
  const bounds = calls.bounds(options)
  const asked = calls.asked(options.at)
  const range = rawRange(options, calls.parts.keyEncoding)
  return new PastStream(
    () => calls.resolve(asked, bounds),
    async function* read(moment) {
      const held = calls.core.routes.filter(({ name }) => cutIn(moment, name).index > 0)
      const entries = mergedByKey(bounds.signal, signal =>
        held.map(route =>
          shardBlame(calls, route, cutIn(moment, route.name).index, range, { ...bounds, signal }),
        ),
      )
      for await (const entry of entries) yield pastEntry<K, V>(entry, calls.parts)
    },
  )
}

async function* shardBlame(
  { core }: TimeCalls,
  route: ShardRoute,
  index: number,
  range: RawRange,
  bounds: CallBounds,
): AsyncGenerator<readonly WireEntry[], void, void> {
  const shard = route.name
  let { start } = range
  const target = new ShardTarget(core, route)
  const parts = shardStream<BlameResponse>(core, `a blame of ${shard}`, bounds, target, peer =>
    peer.timeTravel.blame({ shard, index, start, end: range.end }),
  )
  for await (const { entries } of parts) {
    const last = entries.at(-1)
    if (last !== undefined) start = after(last.key)
    yield entries
  }
}

/** Throws INVALID_ARGUMENT where the first moment is later: which of them is meant first would be a guess. */
export function inOrder(first: string, from: ResolvedMoment, second: string, to: ResolvedMoment): void {
  for (const [name, { index }] of Object.entries(from.cuts)) {
    const other = to.cuts[name]?.index ?? index
    if (index <= other) continue
    throw new VarveError(
      'INVALID_ARGUMENT',
      `\`${first}\` is later than \`${second}\` (in ${name} index ${index} and ${other}): exchange them`,
    )
  }
}

/** In the application's encodings. */
function differenceOf<K, V>({ parts }: TimeCalls, { key, before, after }: WireDifference): Difference<K, V> {
  const held = before === undefined ? undefined : pastEntry<K, V>(before, parts)
  const holds = after === undefined ? undefined : pastEntry<K, V>(after, parts)
  const change = held === undefined ? 'added' : holds?.operation === 'set' ? 'changed' : 'removed'
  return {
    key: parts.keyEncoding.decode(key, 0, key.length) as K,
    shard: (held ?? holds)?.shard ?? '',
    change,
    ...(held === undefined ? {} : { before: held }),
    ...(holds === undefined ? {} : { after: holds }),
  }
}

/** The first key after that one. */
function after(key: Buffer): Buffer {
  return Buffer.concat([key, Buffer.of(0)])
}
