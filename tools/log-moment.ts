/** Where a moment is in a shard's log, found by some 20 reads of single records. */

import type { Stamp } from '../src/log/entry.js'
import { LogError } from '../src/log/errors.js'
import { horizonText } from '../src/log/horizon.js'
import type { LogRecord } from '../src/log/record-codec.js'
import type { LogInfo, LogSource } from './log-source.js'

/** A bound by stamps. Wall times are epoch ms. */
export type StampBound = { readonly wallMs: number } | { readonly lamport: number }

/**
 * Index of the last entry stamped at or before the bound, also within an atomic batch; the base's where that is the first
 * above it, 0 where there is none. Rejects with LOG_OUT_OF_RETENTION where it is below the base.
 */
export async function lastIndexAt(
  source: LogSource,
  shard: string,
  info: LogInfo,
  bound: StampBound,
): Promise<number> {
  const { base, baseIndex, lastIndex } = info
  if (base !== undefined && isAfter(base.stamp, bound)) throw beyondBase(source, shard, info)
  let low = baseIndex
  let high = lastIndex
  // The end first: it is asked for most.
  let at = lastIndex
  while (low < high) {
    const record = await recordIn(source, shard, at)
    if (record === undefined) return await searchAlong(source, shard, low, high, bound)
    const { firstIndex, lamport, wallMs } = record
    if (isAfter({ lamport, wallMs }, bound)) high = firstIndex - 1
    else if (isAfter({ lamport: record.lastLamport, wallMs }, bound)) {
      return firstIndex + ('lamport' in bound ? bound.lamport : 0) - lamport
    } else low = record.lastIndex
    at = low + Math.ceil((high - low) / 2)
  }
  return low
}

/** The error for whoever asks for what retention dropped. */
export function beyondBase(source: LogSource, shard: string, { base }: LogInfo): LogError {
  const { index, stamp, writtenMs } = base!
  const horizon = { index, stamp, droppedMs: writtenMs }
  const details = { shard: source.ordinal(shard), index, horizon }
  return new LogError('LOG_OUT_OF_RETENTION', horizonText(shard, horizon), details)
}

/** Stamp of an entry; undefined outside the log and below its base. */
export async function stampOf(
  source: LogSource,
  shard: string,
  info: LogInfo,
  index: number,
): Promise<Stamp | undefined> {
  if (index > 0 && index === info.base?.index) return info.base.stamp
  if (index <= info.baseIndex || index > info.lastIndex) return undefined
  const record = await recordIn(source, shard, index)
  if (record === undefined) return undefined
  return { lamport: record.lamport + index - record.firstIndex, wallMs: record.wallMs }
}

async function recordIn(source: LogSource, shard: string, index: number): Promise<LogRecord | undefined> {
  for await (const record of source.records(shard, index, index)) {
    if (record.firstIndex <= index && record.lastIndex >= index) return record
  }
  return undefined
}

/** Where a record cannot be read and its reader goes on: entry by entry, by what can be read. */
async function searchAlong(
  source: LogSource,
  shard: string,
  low: number,
  high: number,
  bound: StampBound,
): Promise<number> {
  let found = low
  for await (const record of source.records(shard, low + 1, high)) {
    const { firstIndex, lamport, wallMs } = record
    if (isAfter({ lamport, wallMs }, bound)) return found
    if (isAfter({ lamport: record.lastLamport, wallMs }, bound)) {
      return firstIndex + ('lamport' in bound ? bound.lamport : 0) - lamport
    }
    found = record.lastIndex
  }
  return found
}

function isAfter(stamp: Stamp, bound: StampBound): boolean {
  return 'wallMs' in bound ? stamp.wallMs > bound.wallMs : stamp.lamport > bound.lamport
}
