/**
 * Which keys differ between two indexes. Two that are close are compared by what lies between them: each entry names the
 * one before it of its key. Two that are far apart are compared as past views, key by key.
 */
import { Operation, positionOf } from '../log/entry.js'
import type { Log } from '../log/log.js'
import type { LogRecord } from '../log/record-codec.js'
import { ProjectionError } from './errors.js'
import type { KeyIndex } from './key-index.js'
import { PositionChunks } from './past-positions.js'
import type { PastViews } from './past-views.js'
import { idsInRange, type KeyRange } from './scan.js'
import type { ShardProjection } from './shard-projection.js'

/** Keys compared, and records read, between two pauses: a few ms. */
const KEYS_BETWEEN_PAUSES = 16_384
const RECORDS_BETWEEN_PAUSES = 16
const KEYS_AT_ONCE = 131_072
/** More than this share of all keys is not sorted: those in order are gone through. */
const SORTED_SHARE = 32

/** Keys with another newest entry at each of the two indexes, in byte order. */
export interface ChangedKeys {
  readonly ids: number[]
  /** Of each key two positions, before and after; 0 where it had no entry. */
  readonly positions: number[]
}

export interface DiffRange extends KeyRange {
  readonly fromIndex: number
  /** Not below `fromIndex`. */
  readonly toIndex: number
}

/**
 * The keys of `projection.keys`, in byte order, that were written between the two indexes, at most `KEYS_AT_ONCE` at a
 * time. So many entries are read through to find out at most; beyond that two views are compared. Throws as
 * `PastViews.at`.
 */
export function changedKeys(
  projection: ShardProjection,
  views: PastViews,
  range: DiffRange,
  readThroughMax: number,
): AsyncGenerator<ChangedKeys, void, void> {
  // Below the base there are only views, of keys that it keeps more of.
  const isNear =
    range.toIndex - range.fromIndex <= readThroughMax && range.fromIndex >= projection.log.baseIndex
  return isNear ? changedBetween(projection, range) : differentIn(projection, views, range)
}

async function* changedBetween(
  projection: ShardProjection,
  range: DiffRange,
): AsyncGenerator<ChangedKeys, void, void> {
  const { log, keys, pause } = projection
  // Every key of the log is known: where none is in the range, nothing has to be read.
  if (projection.unorderedCount === 0) {
    if (idsInRange(keys.keys, projection.orderedKeys(), range).next().done) return
  }
  const changes = new Changes(keys, range)
  let records = 0
  if (range.fromIndex < range.toIndex) {
    for await (const record of log.records(range.fromIndex + 1, range.toIndex)) {
      changes.add(record)
      if (++records % RECORDS_BETWEEN_PAUSES === 0) await pause()
    }
  }
  checkReadTo(log, changes.lastIndex, range)
  if (changes.count > projection.keyCount / SORTED_SHARE) await projection.orderKeys()
  yield* changes.inOrder(projection)
}

async function* differentIn(
  projection: ShardProjection,
  views: PastViews,
  range: DiffRange,
): AsyncGenerator<ChangedKeys, void, void> {
  const from = await views.at(range.fromIndex)
  const to = await views.at(range.toIndex)
  await projection.orderKeys()
  // Nothing is awaited between these: they are of one moment.
  const { keys, pause } = projection
  const blocks = projection.orderedKeys()
  let examined = 0
  let run = newRun()
  for (const id of idsInRange(keys.keys, blocks, range)) {
    if (++examined % KEYS_BETWEEN_PAUSES === 0) await pause()
    const before = from.at(id)
    const after = to.at(id)
    if (before === after) continue
    run.ids.push(id)
    run.positions.push(Math.abs(before), Math.abs(after))
    if (run.ids.length < KEYS_AT_ONCE) continue
    yield run
    run = newRun()
  }
  if (run.ids.length > 0) yield run
}

function newRun(): ChangedKeys {
  return { ids: [], positions: [] }
}

/** What was written between two indexes: of each key, the entry before the first and the last one. */
class Changes {
  lastIndex = 0
  readonly #keys: KeyIndex
  readonly #range: DiffRange
  readonly #isAll: boolean
  readonly #before = new PositionChunks()
  readonly #after = new PositionChunks()
  readonly #ids: number[] = []

  constructor(keys: KeyIndex, range: DiffRange) {
    this.#keys = keys
    this.#range = range
    this.#isAll = range.start.length === 0 && range.end === undefined
  }

  add(record: LogRecord): void {
    const { fromIndex, toIndex } = this.#range
    const { firstIndex } = record
    const end = Math.min(record.count, toIndex - firstIndex + 1)
    for (let slot = Math.max(0, fromIndex + 1 - firstIndex); slot < end; slot++) {
      const operation = record.operation(slot)
      if (operation !== Operation.SET && operation !== Operation.DELETE) continue
      if (!this.#isAll && !this.#isWanted(record, slot)) continue
      const id = this.#keys.find(record.bytes, record.keyStart(slot), record.keyLength(slot))
      if (this.#after.at(id) === 0) {
        this.#before.set(id, record.previous(slot))
        this.#ids.push(id)
      }
      this.#after.set(id, positionOf(firstIndex + slot, slot))
    }
    this.lastIndex = record.lastIndex
  }

  /** How many keys were written. */
  get count(): number {
    return this.#ids.length
  }

  *inOrder(projection: ShardProjection): Generator<ChangedKeys, void, void> {
    let run = newRun()
    for (const id of this.#ordered(projection)) {
      run.ids.push(id)
      run.positions.push(this.#before.at(id), this.#after.at(id))
      if (run.ids.length < KEYS_AT_ONCE) continue
      yield run
      run = newRun()
    }
    if (run.ids.length > 0) yield run
  }

  /** Where all keys are in order already, as they mostly are, many of them are picked out sooner than sorted. */
  #ordered(projection: ShardProjection): Iterable<number> {
    const ids = Int32Array.from(this.#ids)
    const isSorted = projection.keys === this.#keys && projection.unorderedCount === 0
    if (isSorted && ids.length > projection.keyCount / SORTED_SHARE) return this.#pickedOut(projection)
    const { keys } = this.#keys
    return ids.sort((left, right) => keys.compare(left, right))
  }

  *#pickedOut(projection: ShardProjection): Generator<number, void, void> {
    for (const id of idsInRange(this.#keys.keys, projection.orderedKeys(), this.#range)) {
      if (this.#after.at(id) !== 0) yield id
    }
  }

  #isWanted(record: LogRecord, slot: number): boolean {
    const { start, end } = this.#range
    const { bytes } = record
    const from = record.keyStart(slot)
    const to = from + record.keyLength(slot)
    if (start.length > 0 && bytes.compare(start, 0, start.length, from, to) < 0) return false
    return end === undefined || bytes.compare(end, 0, end.length, from, to) < 0
  }
}

function checkReadTo(log: Log, lastIndex: number, { fromIndex, toIndex }: DiffRange): void {
  if (fromIndex === toIndex || lastIndex >= toIndex) return
  const text = `shard ${log.shard}: the log was cut at ${lastIndex} while index ${toIndex} was read: try again`
  throw new ProjectionError('BUSY', text, toIndex)
}
