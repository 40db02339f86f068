/** Which part of which logs is meant by `--shard`, `--from` and `--to`. */

import type { Stamp } from '../src/log/entry.js'
import { badUsage } from './exit-codes.js'
import { beyondBase, lastIndexAt, type StampBound, stampOf } from './log-moment.js'
import type { LogInfo, LogSource } from './log-source.js'
import { wallTime } from './text.js'
import { parseTimeAddress, type TimeAddress } from './time-address.js'

/** The options as given. */
export interface SelectionOptions {
  readonly shard?: string
  readonly from?: string
  readonly to?: string
}

/** A part of one shard's log: both indexes are in it. It is empty where the last is before the first. */
export interface LogRange {
  readonly shard: string
  readonly info: LogInfo
  readonly firstIndex: number
  readonly lastIndex: number
}

/** What else is needed to find a moment. */
export interface MomentContext {
  /** The wall time that "ago" counts from, epoch ms. */
  readonly nowMs: number
  /** The moment that a tag names. Rejects where there is none of that name. */
  readonly tag: (name: string, option: string) => Promise<StampBound>
  /** Whether the end may be still to come: the log is followed. */
  readonly follows?: boolean
}

interface Logs {
  readonly source: LogSource
  /** All shards that the source can read, and the log of each. */
  readonly infos: ReadonlyMap<string, LogInfo>
}

/** A moment as the logs can find it. */
interface Bound {
  readonly bound: StampBound | 'start' | 'now'
  /** The one entry that it is, where it is given by its index. */
  readonly own?: { readonly shard: string; readonly index: number }
  readonly option: string
  readonly text: string
}

/**
 * Reads the options against the logs there are. Rejects with bad-usage errors: an unknown shard, a moment that cannot be
 * read, that is still to come, or (`--to`) before all entries; LOG_OUT_OF_RETENTION below what is kept.
 */
export async function selectRanges(
  options: SelectionOptions,
  source: LogSource,
  context: MomentContext,
): Promise<LogRange[]> {
  const { nowMs } = context
  const from = options.from === undefined ? undefined : parseTimeAddress(options.from, '--from', nowMs)
  const to = options.to === undefined ? undefined : parseTimeAddress(options.to, '--to', nowMs)
  const shards = chooseShards(options.shard, source.shards)
  const infos = new Map<string, LogInfo>()
  // An index may be of another shard than the one that is asked for.
  for (const shard of new Set([...shards, ...shardsNamed([from, to], source.shards)])) {
    infos.set(shard, await source.logInfo(shard))
  }
  const logs = { source, infos }
  const begin = from && (await boundOf(from, '--from', options.from!, shards, logs, context))
  const end = to && (await boundOf(to, '--to', options.to!, shards, logs, context))
  await refuseOutside(begin, end, shards, logs, context)
  const ranges: LogRange[] = []
  for (const shard of shards) {
    const info = infos.get(shard)!
    const firstIndex = begin === undefined ? info.baseIndex + 1 : await firstIndexOf(begin, shard, logs)
    const lastIndex = end === undefined ? info.lastIndex : await lastIndexOf(end, shard, logs)
    ranges.push({ shard, info, firstIndex, lastIndex })
  }
  return ranges
}

function chooseShards(given: string | undefined, known: readonly string[]): readonly string[] {
  if (given === undefined) return known
  if (known.includes(given)) return [given]
  throw badUsage(`shard "${given}" given, the cluster has ${known.join(', ')}`)
}

function shardsNamed(addresses: readonly (TimeAddress | undefined)[], known: readonly string[]): string[] {
  const named = addresses.map(each => (each?.kind === 'index' ? each.shard : undefined))
  return known.filter(shard => named.includes(shard))
}

async function boundOf(
  address: TimeAddress,
  option: string,
  text: string,
  shards: readonly string[],
  logs: Logs,
  context: MomentContext,
): Promise<Bound> {
  if (address.kind === 'start' || address.kind === 'now') return { bound: address.kind, option, text }
  if (address.kind === 'wall') return { bound: { wallMs: address.wallMs }, option, text }
  if (address.kind === 'lamport') return { bound: { lamport: address.lamport }, option, text }
  if (address.kind === 'tag') return { bound: await context.tag(address.name, option), option, text }
  const { index } = address
  const shard = address.shard ?? (shards.length === 1 ? shards[0] : undefined)
  const info = shard === undefined ? undefined : logs.infos.get(shard)
  if (shard === undefined) {
    throw badUsage(`${option}: an index counts in one shard; say which with index:SHARD/${index} or --shard`)
  }
  if (info === undefined) {
    throw badUsage(`${option}: shard "${shard}" given, the cluster has ${logs.source.shards.join(', ')}`)
  }
  if (index > info.lastIndex && !context.follows) {
    const newest = await stampOf(logs.source, shard, info, info.lastIndex)
    throw badUsage(
      `${option}: "${text}" is in the future: the newest entry is ${entryText(shard, info.lastIndex, newest)}`,
    )
  }
  if (index < info.baseIndex) throw beyondBase(logs.source, shard, info)
  const stamp = await stampOf(logs.source, shard, info, Math.min(index, info.lastIndex))
  return { bound: { lamport: stamp?.lamport ?? 0 }, own: { shard, index }, option, text }
}

async function firstIndexOf(begin: Bound, shard: string, { source, infos }: Logs): Promise<number> {
  const info = infos.get(shard)!
  const { bound, own } = begin
  if (bound === 'start') return info.baseIndex + 1
  if (bound === 'now') return info.lastIndex + 1
  if (own?.shard === shard) return Math.max(own.index, info.baseIndex + 1)
  const before = 'wallMs' in bound ? { wallMs: bound.wallMs - 1 } : { lamport: bound.lamport - 1 }
  return (await lastIndexAt(source, shard, info, before)) + 1
}

async function lastIndexOf(end: Bound, shard: string, { source, infos }: Logs): Promise<number> {
  const info = infos.get(shard)!
  const { bound, own } = end
  if (bound === 'start') return info.baseIndex
  if (bound === 'now') return info.lastIndex
  if (own?.shard === shard) return Math.min(own.index, info.lastIndex)
  return await lastIndexAt(source, shard, info, bound)
}

/** A moment that nothing can be at is a mistake, and better told than answered with nothing. */
async function refuseOutside(
  begin: Bound | undefined,
  end: Bound | undefined,
  shards: readonly string[],
  logs: Logs,
  { nowMs, follows = false }: MomentContext,
): Promise<void> {
  const asked = [begin, end].filter(each => each !== undefined && typeof each.bound === 'object')
  if (asked.length === 0) return
  const newest = await endOf(
    logs,
    shards,
    info => info.lastIndex,
    (a, b) => b.lamport - a.lamport,
  )
  if (newest === undefined) return
  for (const each of asked) {
    const { bound, option, text } = each!
    if (follows || typeof bound === 'string') continue
    const isFuture =
      'wallMs' in bound
        ? bound.wallMs > Math.max(newest.stamp.wallMs, nowMs)
        : bound.lamport > newest.stamp.lamport
    if (!isFuture) continue
    throw badUsage(`${option}: "${text}" is in the future: the newest entry is ${newest.text}`)
  }
  if (end === undefined || typeof end.bound === 'string' || logs.infos.size === 0) return
  if ([...logs.infos.values()].some(({ baseIndex }) => baseIndex > 0)) return
  const first = await endOf(
    logs,
    shards,
    () => 1,
    (a, b) => a.lamport - b.lamport,
  )
  if (first === undefined) return
  const { bound, option, text } = end
  const isBefore = 'wallMs' in bound ? bound.wallMs < first.stamp.wallMs : bound.lamport < first.stamp.lamport
  if (isBefore) throw badUsage(`${option}: "${text}" is before the first entry, which is ${first.text}`)
}

/** The first or last entry of all the logs. */
async function endOf(
  { source, infos }: Logs,
  shards: readonly string[],
  indexOf: (info: LogInfo) => number,
  order: (a: Stamp, b: Stamp) => number,
): Promise<{ stamp: Stamp; text: string } | undefined> {
  const found: { stamp: Stamp; text: string }[] = []
  for (const shard of shards) {
    const info = infos.get(shard)!
    const index = indexOf(info)
    const stamp = await stampOf(source, shard, info, index)
    if (stamp !== undefined) found.push({ stamp, text: entryText(shard, index, stamp) })
  }
  return found.sort((a, b) => order(a.stamp, b.stamp))[0]
}

function entryText(shard: string, index: number, stamp: Stamp | undefined): string {
  const when = stamp === undefined ? '' : ` of ${wallTime(stamp.wallMs)}, lamport:${stamp.lamport}`
  return `${shard}/${index}${when}`
}
