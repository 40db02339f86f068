/**
 * What no record can tell of itself: whether each entry names the right one before it, and whether epochs rise and begin
 * with an EPOCH entry. What a record can tell, and that one continues the other, is checked by those who read it.
 */
import { indexOf, Limits, Operation, type Position, positionOf, slotOf } from '../log/entry.js'
import type { LogBase } from '../log/log-base.js'
import { type DamagePlace, LogDamage } from '../log/log-damage.js'
import type { LogRecord } from '../log/record-codec.js'
import { KeyIndex, type KeyWrites, keyWrites } from './key-index.js'

/** Of the same kind of fault more than this are only counted. */
const FAULTS_MAX = 1_000

/** A range of indexes of which nothing is known. */
interface Gap {
  readonly from: number
  readonly to: number
}

/** Looks at a log's records in order, from its beginning or from its base. In memory are the keys. */
export class LogAudit {
  readonly #shard: number
  readonly #keys: KeyIndex
  readonly #gaps: Gap[] = []
  /** Of the record in hand: its writes, and their slots. */
  readonly #writes: KeyWrites = keyWrites(Limits.recordEntriesMax)
  readonly #slots = new Uint32Array(Limits.recordEntriesMax)
  #epoch: number
  #faults: LogDamage[] = []
  #faultCount = 0
  #entries = 0

  /** `keys`: those of the base that the log is kept from; they then belong to the audit. */
  constructor(shard: number, base?: { readonly base: LogBase; readonly keys: KeyIndex }) {
    this.#shard = shard
    this.#keys = base?.keys ?? new KeyIndex()
    const spans = base?.base.epochs ?? []
    this.#epoch = spans[spans.length - 1]?.epoch ?? 0
  }

  /** Different keys that were seen. */
  get keyCount(): number {
    return this.#keys.keys.count
  }

  /** Entries that were looked at. */
  get entryCount(): number {
    return this.#entries
  }

  /** All faults found, also those beyond what is handed out. */
  get faultCount(): number {
    return this.#faultCount
  }

  /** These indexes cannot be read: what entries name in there is taken on trust. `to` 0: to the end. */
  skip(from: number, to: number): void {
    this.#gaps.push({ from, to: to === 0 ? Number.POSITIVE_INFINITY : to })
  }

  /** Looks at the next record. */
  add(record: LogRecord): void {
    const { bytes, count, firstIndex } = record
    if (record.epoch !== this.#epoch) this.#beginEpoch(record)
    const writes = this.#writes
    let found = 0
    for (let slot = 0; slot < count; slot++) {
      const operation = record.operation(slot)
      if (operation !== Operation.SET && operation !== Operation.DELETE) continue
      this.#slots[found] = slot
      writes.starts[found] = record.keyStart(slot)
      writes.lengths[found] = record.keyLength(slot)
      writes.signed[found] = positionOf(firstIndex + slot, slot)
      writes.previous[found++] = record.previous(slot)
    }
    writes.bytes = bytes
    const wrong = this.#keys.replay(writes, found, false)
    if (wrong !== -1) this.#addSlowly(record, wrong, found)
    this.#entries += count
  }

  /** The writes of a record from the first one on whose link is wrong. */
  #addSlowly(record: LogRecord, from: number, end: number): void {
    const { starts, lengths, signed, previous } = this.#writes
    const rows = this.#keys.keys
    for (let at = from; at < end; at++) {
      const id = this.#keys.findOrAdd(record.bytes, starts[at]!, lengths[at]!)
      const before = Math.abs(rows.newest(id))
      if (previous[at] !== before) this.#misses(record, this.#slots[at]!, before)
      rows.setNewest(id, signed[at]!)
    }
  }

  /** The faults found since this was last asked, in order. */
  takeFaults(): LogDamage[] {
    const faults = this.#faults
    if (faults.length > 0) this.#faults = []
    return faults
  }

  #beginEpoch(record: LogRecord): void {
    const { epoch } = record
    if (epoch < this.#epoch) {
      this.#fault(
        record,
        0,
        'its epoch is lower than the one before it',
        `above ${this.#epoch}`,
        String(epoch),
      )
    } else if (record.operation(0) !== Operation.EPOCH && !this.#isBehindGap(record.firstIndex)) {
      this.#fault(record, 0, `epoch ${epoch} does not begin with an EPOCH entry`)
    }
    this.#epoch = epoch
  }

  #misses(record: LogRecord, slot: number, before: number): void {
    const previous = indexOf(record.previous(slot))
    const isUnknown = this.#gaps.some(({ from, to }) => previous >= from && previous <= to)
    if (isUnknown && previous > indexOf(before)) return
    const what = 'the entry of its key that it names as the one before is not that one'
    this.#fault(record, slot, what, placeText(before), placeText(record.previous(slot)))
  }

  #isBehindGap(index: number): boolean {
    return this.#gaps.some(({ from, to }) => index > from && index <= to + 1)
  }

  #fault(record: LogRecord, slot: number, what: string, expected?: string, found?: string): void {
    this.#faultCount++
    if (this.#faultCount > FAULTS_MAX) return
    const index = record.firstIndex + slot
    const place: DamagePlace = {
      shard: this.#shard,
      epoch: record.epoch,
      index,
      lastIndex: index,
      levelKey: '',
      what,
      expected,
      found,
    }
    this.#faults.push(new LogDamage(place))
  }
}

function placeText(position: Position): string {
  return position === 0 ? 'none' : `index ${indexOf(position)} (slot ${slotOf(position)})`
}
