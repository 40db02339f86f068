/**
 * What a shard's log consists of, counted record by record. Which keys are new is what each entry says of the one before it
 * of its key: nothing of the keys is kept in memory.
 */

import { indexOf, Limits, Operation } from '../src/log/entry.js'
import type { LogRecord } from '../src/log/record-codec.js'
import { isSystemKeyAt } from '../src/log/system-key.js'
import { KeyIndex } from '../src/projection/key-index.js'
import type { LogRange } from './log-selection.js'
import type { LogSource } from './log-source.js'

/** Columns of the picture of the rate over time, at most. */
const BUCKETS_MAX = 24

/** Widths of such a column that people can think in, ms. */
const BUCKET_WIDTHS_MS = [
  1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000, 15_000, 30_000, 60_000, 120_000, 300_000,
  600_000, 900_000, 1_800_000, 3_600_000, 7_200_000, 14_400_000, 21_600_000, 43_200_000, 86_400_000,
] as const

/** An entry's place and time. */
export interface Place {
  readonly index: number
  readonly lamport: number
  readonly wallMs: number
}

/** One epoch in the part of a log that was looked at. */
export interface EpochFigures {
  readonly epoch: number
  readonly firstIndex: number
  lastIndex: number
  entries: number
  /** Wall time of its first entry that was seen, epoch ms. */
  readonly sinceMs: number
  /** Who led it, and who its members were at its beginning; '' and none where the EPOCH entry was not seen. */
  readonly head: string
  readonly members: readonly string[]
}

/** Entries over time. */
export interface RateFigures {
  /** Wall time at which the first bucket begins, epoch ms. */
  readonly fromMs: number
  readonly bucketMs: number
  readonly counts: readonly number[]
}

/** What a part of a shard's log consists of. Sizes are in bytes. */
export interface LogFigures {
  readonly shard: string
  readonly origin: string
  readonly logId: string
  readonly entries: number
  readonly records: number
  readonly bytes: number
  readonly keyBytes: number
  readonly valueBytes: number
  /** Entries a record: mean to one decimal, and exact ranks. */
  readonly perRecord: { readonly mean: number; readonly p50: number; readonly max: number }
  /** Different keys that were written, without the cluster's own. */
  readonly keys: number
  readonly operations: {
    readonly set: number
    readonly delete: number
    readonly epoch: number
    readonly noop: number
  }
  /** NOOPs that stand for a refused condition. */
  readonly refused: number
  readonly batches: number
  readonly clients: number
  readonly actors: number
  readonly epochs: readonly EpochFigures[]
  readonly rate: RateFigures
  readonly first: Place | null
  readonly last: Place | null
  readonly commitIndex: number
  readonly baseIndex: number
  readonly baseSizeBytes: number
  /** Entries on the disk of this copy that were cut off its log. */
  readonly orphans: number
}

/** Counts the records of a part of a log. They must come in order. */
export class FiguresCounter {
  readonly #range: LogRange
  readonly #clients = new KeyIndex()
  readonly #actors = new KeyIndex()
  /** Records by their number of entries. */
  readonly #sizes = new Uint32Array(Limits.recordEntriesMax + 1)
  readonly #operations = [0, 0, 0, 0, 0]
  readonly #epochs: EpochFigures[] = []
  readonly #buckets: Buckets
  #entries = 0
  #records = 0
  #bytes = 0
  #keyBytes = 0
  #valueBytes = 0
  #userKeys = 0
  #refused = 0
  #batches = 0
  #first: Place | null = null
  #last: Place | null = null

  /** `fromMs` and `toMs`: wall times of the first and the last entry. */
  constructor(range: LogRange, fromMs: number, toMs: number) {
    this.#range = range
    this.#buckets = new Buckets(fromMs, toMs)
  }

  add(record: LogRecord): void {
    const { firstIndex, lastIndex, wallMs, lamport } = record
    const from = Math.max(firstIndex, this.#range.firstIndex) - firstIndex
    const to = Math.min(lastIndex, this.#range.lastIndex) - firstIndex
    const count = to - from + 1
    if (count <= 0) return
    this.#records++
    this.#bytes += record.sizeBytes
    this.#sizes[record.count]!++
    this.#entries += count
    this.#first ??= { index: firstIndex + from, lamport: lamport + from, wallMs }
    this.#last = { index: firstIndex + to, lamport: lamport + to, wallMs }
    this.#buckets.add(wallMs, count)
    this.#addEpoch(record, from, count)
    this.#addClients(record)
    for (let slot = from; slot <= to; slot++) this.#addEntry(record, slot)
  }

  /** What was counted. `orphans`: entries that were cut off. */
  result(source: LogSource, commitIndex: number, orphans: number): LogFigures {
    const { shard, info } = this.#range
    const [, set, deleted, epoch, noop] = this.#operations as [number, number, number, number, number]
    return {
      shard,
      origin: source.origin(shard),
      logId: info.logId,
      entries: this.#entries,
      records: this.#records,
      bytes: this.#bytes,
      keyBytes: this.#keyBytes,
      valueBytes: this.#valueBytes,
      perRecord: this.#perRecord(),
      keys: this.#userKeys,
      operations: { set, delete: deleted, epoch, noop },
      refused: this.#refused,
      batches: this.#batches,
      clients: this.#clients.keys.count,
      actors: this.#actors.keys.count,
      epochs: this.#epochs,
      rate: this.#buckets.result(),
      first: this.#first,
      last: this.#last,
      commitIndex,
      baseIndex: info.baseIndex,
      baseSizeBytes: info.baseSizeBytes,
      orphans,
    }
  }

  #addEntry(record: LogRecord, slot: number): void {
    const operation = record.operation(slot)
    const start = record.keyStart(slot)
    const length = record.keyLength(slot)
    const flags = record.flags(slot)
    this.#operations[operation]!++
    this.#keyBytes += length
    this.#valueBytes += record.valueLength(slot)
    if ((flags & 2) !== 0) this.#refused++
    if ((flags & 1) !== 0 && (slot === 0 || (record.flags(slot - 1) & 1) === 0)) this.#batches++
    if (operation !== Operation.SET && operation !== Operation.DELETE) return
    // Written within the range before: counted then.
    if (indexOf(record.previous(slot)) >= this.#range.firstIndex) return
    if (!isSystemKeyAt(record.bytes, start, length)) this.#userKeys++
  }

  #addEpoch(record: LogRecord, from: number, count: number): void {
    const { epoch, firstIndex, wallMs } = record
    let figures = this.#epochs[this.#epochs.length - 1]
    if (figures?.epoch !== epoch) {
      figures = {
        epoch,
        firstIndex: firstIndex + from,
        lastIndex: 0,
        entries: 0,
        sinceMs: wallMs,
        ...configurationOf(record, from),
      }
      this.#epochs.push(figures)
    }
    figures.entries += count
    figures.lastIndex = firstIndex + from + count - 1
  }

  #addClients(record: LogRecord): void {
    for (let client = 0; client < record.clientCount; client++) {
      const id = record.clientId(client)
      // All zero is nobody.
      if (id.some(byte => byte !== 0)) this.#clients.findOrAdd(id, 0, id.length)
      const actor = Buffer.from(record.clientActor(client), 'utf8')
      if (actor.length > 0) this.#actors.findOrAdd(actor, 0, actor.length)
    }
  }

  #perRecord(): LogFigures['perRecord'] {
    const counted = this.#sizes.reduce((sum, records, size) => sum + records * size, 0)
    let rank = Math.ceil(this.#records / 2)
    const p50 = this.#sizes.findIndex(records => {
      rank -= records
      return rank <= 0 && records > 0
    })
    const mean = this.#records === 0 ? 0 : Math.round((counted / this.#records) * 10) / 10
    return {
      mean,
      p50: Math.max(0, p50),
      max: Math.max(
        0,
        this.#sizes.findLastIndex(each => each > 0),
      ),
    }
  }
}

/** Who led an epoch and who was in it, by its EPOCH entry, which begins it. */
function configurationOf(record: LogRecord, slot: number): Pick<EpochFigures, 'head' | 'members'> {
  const none = { head: '', members: [] }
  if (record.operation(slot) !== Operation.EPOCH) return none
  try {
    const value = JSON.parse(record.value(slot).toString('utf8'))
    const members = (value.members as { address: string }[]).map(({ address }) => String(address))
    return { head: String(value.head), members }
  } catch {
    return none
  }
}

class Buckets {
  readonly #fromMs: number
  readonly #bucketMs: number
  readonly #counts: number[]

  constructor(fromMs: number, toMs: number) {
    const span = Math.max(1, toMs - fromMs + 1)
    const day = BUCKET_WIDTHS_MS[BUCKET_WIDTHS_MS.length - 1]!
    const days = Math.ceil(span / day / (BUCKETS_MAX - 1)) * day
    this.#bucketMs = BUCKET_WIDTHS_MS.find(width => span / width <= BUCKETS_MAX - 1) ?? days
    this.#fromMs = Math.floor(fromMs / this.#bucketMs) * this.#bucketMs
    const count = Math.floor((toMs - this.#fromMs) / this.#bucketMs) + 1
    this.#counts = Array.from({ length: Math.max(1, count) }, () => 0)
  }

  add(wallMs: number, entries: number): void {
    const at = Math.floor((wallMs - this.#fromMs) / this.#bucketMs)
    this.#counts[Math.min(Math.max(at, 0), this.#counts.length - 1)]! += entries
  }

  result(): RateFigures {
    return { fromMs: this.#fromMs, bucketMs: this.#bucketMs, counts: this.#counts }
  }
}
