/**
 * Moments of one shard's log (the stamp rule). Stamps rise with the index, so that "all entries stamped at or before T"
 * is everything up to one index; an atomic batch is seen whole or not at all.
 */
import { EntryFlag, type Stamp } from './entry.js'
import type { Log } from './log.js'
import { outOfRetention } from './log-base.js'
import type { LogRecord } from './record-codec.js'

/** A moment as a log can find it. Wall times are epoch ms. */
export type Moment =
  | { readonly kind: 'wall'; readonly wallMs: number }
  | { readonly kind: 'lamport'; readonly lamport: number }
  | { readonly kind: 'index'; readonly index: number }

/** Of the first so many reads, two of three go where the moment should be; all others halve what is left. */
const READS_GUESSED = 12

/** What is needed of a log to find a moment in it. */
export type TimedLog = Pick<Log, 'shard' | 'baseIndex' | 'base' | 'lastIndex' | 'lastStamp' | 'recordAt'>

/**
 * Index of the last entry at or before the moment; where that is inside an atomic batch, of the last entry before the
 * batch. 0 where there is none. Finds it by some 20 reads of records at most.
 * @throws LogError LOG_OUT_OF_RETENTION (index: the base's) where that is below the base, LOG_DAMAGED, LOG_IO
 */
export function indexAtMoment(log: TimedLog, moment: Moment): number {
  const index = lastIndexAt(log, moment)
  if (index === log.lastIndex || index === log.baseIndex) return index
  return startOfBatch(log, index)
}

/**
 * Whether nothing that may still come can belong to the moment, given that entries up to `committedIndex` are committed
 * (PROTOCOL: closed): there is a committed entry beyond it. Throws as `read`.
 */
export function isClosedAt(log: TimedLog, committedIndex: number, moment: Moment): boolean {
  if (moment.kind === 'index') return moment.index <= committedIndex
  const stamp = stampAt(log, committedIndex)
  if (stamp === undefined) return false
  return moment.kind === 'wall' ? stamp.wallMs > moment.wallMs : stamp.lamport >= moment.lamport
}

/** Stamp of the entry at `index`; undefined where it is not known: outside the log, and below the base. Throws as `read`. */
export function stampAt(log: TimedLog, index: number): Stamp | undefined {
  if (index > 0 && index === log.base?.index) return log.base.stamp
  const record = log.recordAt(index)
  if (record === undefined) return undefined
  return { lamport: record.lamport + index - record.firstIndex, wallMs: record.wallMs }
}

function lastIndexAt(log: TimedLog, moment: Moment): number {
  const { baseIndex, base, lastIndex } = log
  if (moment.kind === 'index') {
    if (moment.index < baseIndex) throw outOfRetention(log)
    return Math.min(moment.index, lastIndex)
  }
  if (base !== undefined && isAfter(base.stamp, moment)) throw outOfRetention(log)
  if (!isAfter(log.lastStamp, moment)) return lastIndex
  // The record that holds the first entry after the moment lies between these, which close in on it record by record.
  let low = baseIndex
  let high = lastIndex
  let lowTime = base === undefined ? undefined : timeOf(base.stamp, moment)
  let highTime = timeOf(log.lastStamp, moment)
  for (let reads = 0; low < high; reads++) {
    const index = reads < READS_GUESSED && reads % 3 !== 2 ? guess(low, high, lowTime, highTime, moment) : 0
    const record = log.recordAt(index || low + Math.ceil((high - low) / 2))!
    const first = { lamport: record.lamport, wallMs: record.wallMs }
    const last = { lamport: record.lastLamport, wallMs: record.wallMs }
    if (isAfter(first, moment)) {
      high = record.firstIndex - 1
      highTime = timeOf(first, moment)
    } else if (isAfter(last, moment)) {
      return record.firstIndex + lamportOf(moment) - record.lamport
    } else {
      low = record.lastIndex
      lowTime = timeOf(last, moment)
    }
  }
  return low
}

/**
 * Above `low` and at most `high`: where the moment is if entries came evenly, as they do more often than not. A read or
 * two then find it, and where they came in bursts the few guesses are lost.
 */
function guess(
  low: number,
  high: number,
  lowTime: number | undefined,
  highTime: number,
  moment: Moment,
): number {
  if (lowTime === undefined) return low + 1
  const wanted = moment.kind === 'wall' ? moment.wallMs : lamportOf(moment)
  const share = (wanted - lowTime) / (highTime - lowTime)
  return Math.min(high, low + 1 + Math.floor(share * (high - low)))
}

function timeOf(stamp: Stamp, moment: Moment): number {
  return moment.kind === 'wall' ? stamp.wallMs : stamp.lamport
}

function isAfter(stamp: Stamp, moment: Moment): boolean {
  return moment.kind === 'wall' ? stamp.wallMs > moment.wallMs : stamp.lamport > lamportOf(moment)
}

function lamportOf(moment: Moment): number {
  return moment.kind === 'lamport' ? moment.lamport : 0
}

/** `index`, unless the entry there says that the next one belongs to it: then the index before the whole batch. */
function startOfBatch(log: TimedLog, index: number): number {
  const record = log.recordAt(index)
  if (record === undefined || !continues(record, index)) return index
  // A batch never spans two records.
  let before = index - 1
  while (before >= record.firstIndex && continues(record, before)) before -= 1
  return before
}

function continues(record: LogRecord, index: number): boolean {
  return (record.flags(index - record.firstIndex) & EntryFlag.BATCH_CONTINUES) !== 0
}
