/** Entries that are wanted in one order and come by in another: kept in typed arrays, up to a number of bytes. */
import {
  type Entry,
  EntryFlag,
  indexOf,
  type Operation,
  type Position,
  recordOf,
  slotOf,
} from '../log/entry.js'
import type { LogRecord } from '../log/record-codec.js'

const VALUES_SIZE_BYTES_FIRST = 1_048_576

/** Who wrote an entry. */
interface Author {
  readonly clientId: Buffer
  readonly actor: string
}

/**
 * Entries by rank, their place in the order that they are wanted in. They are taken in order of their positions. Where their
 * values need too much memory, those of the last ranks are left out: `count` says how many there are.
 */
export class GatheredEntries {
  readonly #sizeBytesMax: number
  /** Positions ascending, and the rank of each. */
  readonly #positions: Float64Array
  readonly #ranks: Uint32Array
  #at = 0
  #count: number
  readonly #byRank: Float64Array
  readonly #lamports: Float64Array
  readonly #wallMs: Float64Array
  readonly #epochs: Float64Array
  readonly #sequences: Float64Array
  readonly #previous: Float64Array
  readonly #operations: Uint8Array
  readonly #flags: Uint8Array
  readonly #authors: Uint32Array
  readonly #valueStarts: Float64Array
  /** One more than the length; 0: not taken yet. */
  readonly #valueSizes: Uint32Array
  #values: Buffer
  #valuesEnd = 0
  readonly #knownAuthors: Author[] = []
  readonly #authorNumbers = new Map<string, number>()
  /** Of whom the author was looked up last. */
  #lastRecord: LogRecord | undefined
  #lastClient = 0
  #lastAuthor = 0

  /** `positions` by rank. */
  constructor(positions: Float64Array, sizeBytesMax: number) {
    const count = positions.length
    this.#sizeBytesMax = sizeBytesMax
    this.#values = Buffer.allocUnsafe(Math.min(VALUES_SIZE_BYTES_FIRST, sizeBytesMax))
    this.#count = count
    this.#byRank = positions
    this.#positions = positions.slice().sort()
    this.#ranks = new Uint32Array(count)
    for (let rank = 0; rank < count; rank++) this.#ranks[placeOf(this.#positions, positions[rank]!)] = rank
    this.#lamports = new Float64Array(count)
    this.#wallMs = new Float64Array(count)
    this.#epochs = new Float64Array(count)
    this.#sequences = new Float64Array(count)
    this.#previous = new Float64Array(count)
    this.#operations = new Uint8Array(count)
    this.#flags = new Uint8Array(count)
    this.#authors = new Uint32Array(count)
    this.#valueStarts = new Float64Array(count)
    this.#valueSizes = new Uint32Array(count)
  }

  /** So many ranks are gathered, from 0 on. Falls while entries are taken. */
  get count(): number {
    return this.#count
  }

  get isDone(): boolean {
    return this.#at === this.#positions.length
  }

  /** Position of the entry to be taken next; only while it is not done. */
  get next(): Position {
    return this.#positions[this.#at]!
  }

  get nextIndex(): number {
    return indexOf(this.#positions[this.#at]!)
  }

  /** Takes the entry at `next`; its bytes are copied. */
  take(entry: Entry): void {
    const rank = this.#ranks[this.#at]!
    const { value } = entry
    if (this.#valuesEnd + value.length > this.#values.length) this.#makeRoom(value.length)
    if (rank < this.#count) {
      value.copy(this.#values, this.#valuesEnd)
      this.#valueStarts[rank] = this.#valuesEnd
      this.#valueSizes[rank] = value.length + 1
      this.#valuesEnd += value.length
      this.#lamports[rank] = entry.stamp.lamport
      this.#wallMs[rank] = entry.stamp.wallMs
      this.#epochs[rank] = entry.epoch
      this.#sequences[rank] = entry.sequence
      this.#previous[rank] = entry.previous
      this.#operations[rank] = entry.operation
      this.#flags[rank] =
        (entry.batchContinues ? EntryFlag.BATCH_CONTINUES : 0) | (entry.refused ? EntryFlag.REFUSED : 0)
      this.#authors[rank] = this.#authorOf(entry.clientId, entry.actor)
    }
    this.skip()
  }

  /** As `take`, of the entry at `next` in its record. */
  takeFrom(record: LogRecord): void {
    const slot = slotOf(this.next)
    const rank = this.#ranks[this.#at]!
    const length = record.valueLength(slot)
    if (this.#valuesEnd + length > this.#values.length) this.#makeRoom(length)
    if (rank < this.#count) {
      const start = record.valueStart(slot)
      record.bytes.copy(this.#values, this.#valuesEnd, start, start + length)
      this.#valueStarts[rank] = this.#valuesEnd
      this.#valueSizes[rank] = length + 1
      this.#valuesEnd += length
      this.#lamports[rank] = record.lamport + slot
      this.#wallMs[rank] = record.wallMs
      this.#epochs[rank] = record.epoch
      this.#sequences[rank] = record.sequence(slot)
      this.#previous[rank] = record.previous(slot)
      this.#operations[rank] = record.operation(slot)
      this.#flags[rank] = record.flags(slot)
      this.#authors[rank] = this.#authorIn(record, record.client(slot))
    }
    this.skip()
  }

  /** Nothing is to be had at `next`: `has` is then false of its rank. */
  skip(): void {
    do this.#at++
    while (!this.isDone && this.#ranks[this.#at]! >= this.#count)
  }

  /** Whether the entry of a rank was taken. */
  has(rank: number): boolean {
    return this.#valueSizes[rank] !== 0
  }

  /** The entry of a rank below `count` that was taken, when all are. */
  entry(rank: number, key: Buffer): Entry {
    const position = this.#byRank[rank]!
    const start = this.#valueStarts[rank]!
    const { clientId, actor } = this.#knownAuthors[this.#authors[rank]!]!
    return {
      index: indexOf(position),
      epoch: this.#epochs[rank]!,
      stamp: { lamport: this.#lamports[rank]!, wallMs: this.#wallMs[rank]! },
      operation: this.#operations[rank] as Operation,
      key,
      value: this.#values.subarray(start, start + this.#valueSizes[rank]! - 1),
      previous: this.#previous[rank]!,
      clientId,
      sequence: this.#sequences[rank]!,
      actor,
      batchContinues: (this.#flags[rank]! & EntryFlag.BATCH_CONTINUES) !== 0,
      refused: (this.#flags[rank]! & EntryFlag.REFUSED) !== 0,
      record: recordOf(position),
    }
  }

  /** Room for one more value: more memory, or the later half of what was taken is given up for the next time. */
  #makeRoom(length: number): void {
    const needed = this.#valuesEnd + length
    if (needed <= this.#sizeBytesMax || this.#count === 1) {
      const size = Math.max(needed, Math.min(this.#values.length * 2, this.#sizeBytesMax))
      const values = Buffer.allocUnsafe(size)
      this.#values.copy(values, 0, 0, this.#valuesEnd)
      this.#values = values
      return
    }
    let keptBytes = 0
    let rank = 0
    for (; rank < this.#count && (rank === 0 || keptBytes <= this.#valuesEnd / 2); rank++) {
      keptBytes += Math.max(0, this.#valueSizes[rank]! - 1)
    }
    this.#keepFirst(Math.min(rank, Math.max(1, this.#count - 1)), length)
  }

  #keepFirst(count: number, length: number): void {
    const starts = this.#valueStarts
    const sizes = this.#valueSizes
    const values = Buffer.allocUnsafe(Math.max(this.#values.length, length))
    let end = 0
    this.#count = count
    for (let rank = 0; rank < count; rank++) {
      if (sizes[rank] === 0) continue
      const start = starts[rank]!
      starts[rank] = end
      end += this.#values.copy(values, end, start, start + sizes[rank]! - 1)
    }
    this.#values = values
    this.#valuesEnd = end
    if (end + length > values.length) this.#makeRoom(length)
  }

  #authorIn(record: LogRecord, client: number): number {
    if (record !== this.#lastRecord || client !== this.#lastClient) {
      this.#lastAuthor = this.#authorOf(record.clientId(client), record.clientActor(client))
      this.#lastRecord = record
      this.#lastClient = client
    }
    return this.#lastAuthor
  }

  #authorOf(clientId: Buffer, actor: string): number {
    const name = clientId.toString('latin1') + actor
    const known = this.#authorNumbers.get(name)
    if (known !== undefined) return known
    const number = this.#knownAuthors.push({ clientId: Buffer.from(clientId), actor }) - 1
    this.#authorNumbers.set(name, number)
    return number
  }
}

/** Place of a number that is in the ascending list. */
function placeOf(list: Float64Array, wanted: number): number {
  let low = 0
  let high = list.length - 1
  while (low < high) {
    const middle = (low + high) >>> 1
    if (list[middle]! < wanted) low = middle + 1
    else high = middle
  }
  return low
}
