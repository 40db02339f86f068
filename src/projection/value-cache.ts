/**
 * Values that were read lately, by position. A log record is read and checked as a whole, some 33 kB for a value of
 * 100 bytes, so keys that are read often and lie in records far apart would cost a record each time. One ring of
 * bytes, overwritten from its oldest end, and a fixed table that finds them: bounded, and no object per value.
 */
import type { Position } from '../log/entry.js'
import type { LogRecord } from '../log/record-codec.js'

/** Before each value: epoch, Lamport, wall time, length. */
const HEADER_SIZE_BYTES = 32
const WAYS = 4
/** The table has a slot for each so many bytes of the ring. */
const BYTES_PER_SLOT = 64
/** A larger value is not worth so much of the ring; reading its record costs little more than copying it. */
const RING_SHARE_MAX = 64

export class ValueCache {
  readonly #mask: number
  readonly #itemSizeMax: number
  readonly #setMask: number
  /** Made when first needed: many processes only write. */
  #ring: Buffer | undefined
  #numbers: Float64Array = new Float64Array(0)
  #positions: Float64Array = new Float64Array(0)
  /** Where the item of each slot was written, counted from the first byte ever written to the ring. */
  #starts: Float64Array = new Float64Array(0)
  #written = 0
  /** Items that begin below it are gone. */
  #validFrom = 0
  #found = 0

  /** `sizeBytes` of the ring is rounded to a power of two of at least 64 KiB; the table takes a quarter more. */
  constructor(sizeBytes: number) {
    const capacity = 2 ** Math.round(Math.log2(Math.max(65_536, sizeBytes)))
    this.#mask = capacity - 1
    this.#itemSizeMax = capacity / RING_SHARE_MAX
    this.#setMask = capacity / BYTES_PER_SLOT / WAYS - 1
  }

  /** Bytes held in typed arrays. */
  get sizeBytes(): number {
    return (this.#ring?.length ?? 0) + this.#positions.byteLength + this.#starts.byteLength
  }

  /** Whether the entry's value is here; `ring`, `epoch` and the others then speak of it until the next `put`. */
  find(position: Position): boolean {
    if (this.#ring === undefined) return false
    const first = this.#setOf(position)
    for (let slot = first; slot < first + WAYS; slot++) {
      if (this.#positions[slot] === position && this.#starts[slot]! >= this.#validFrom) {
        this.#found = this.#starts[slot]! & this.#mask
        return true
      }
    }
    return false
  }

  get ring(): Buffer {
    return this.#ring!
  }

  get valueStart(): number {
    return this.#found + HEADER_SIZE_BYTES
  }

  get epoch(): number {
    return this.#numbers[this.#found >>> 3]!
  }

  get lamport(): number {
    return this.#numbers[(this.#found >>> 3) + 1]!
  }

  get wallMs(): number {
    return this.#numbers[(this.#found >>> 3) + 2]!
  }

  get valueLength(): number {
    return this.#numbers[(this.#found >>> 3) + 3]!
  }

  /** Keeps the value of an entry, which must not be here yet, unless it is too large. */
  put(position: Position, record: LogRecord, slot: number): void {
    const { bytes, epoch, lamport, wallMs } = record
    const at = record.valueStart(slot)
    this.putValue(position, bytes, at, record.valueLength(slot), epoch, lamport + slot, wallMs)
  }

  /** As `put`, for a value that lies anywhere. */
  putValue(
    position: Position,
    bytes: Buffer,
    from: number,
    length: number,
    epoch: number,
    lamport: number,
    wallMs: number,
  ): void {
    const size = (HEADER_SIZE_BYTES + length + 7) & ~7
    if (size > this.#itemSizeMax) return
    const ring = this.#ring ?? this.#allocate()
    const capacity = this.#mask + 1
    const left = capacity - (this.#written & this.#mask)
    if (size > left) this.#written += left
    const start = this.#written
    const at = start & this.#mask
    const number = at >>> 3
    this.#numbers[number] = epoch
    this.#numbers[number + 1] = lamport
    this.#numbers[number + 2] = wallMs
    this.#numbers[number + 3] = length
    bytes.copy(ring, at + HEADER_SIZE_BYTES, from, from + length)
    this.#written = start + size
    this.#validFrom = Math.max(this.#validFrom, this.#written - capacity)
    this.#enter(position, start)
  }

  /** Forgets everything: positions of truncated entries are given to others. */
  clear(): void {
    this.#validFrom = this.#written
  }

  /** Takes the slot of the set that has the oldest item. */
  #enter(position: Position, start: number): void {
    const first = this.#setOf(position)
    let oldest = first
    for (let slot = first + 1; slot < first + WAYS; slot++) {
      if (this.#starts[slot]! < this.#starts[oldest]!) oldest = slot
    }
    this.#positions[oldest] = position
    this.#starts[oldest] = start
  }

  #setOf(position: Position): number {
    // Both halves of the double, mixed: positions of one record differ in few bits.
    const mixed = Math.imul(position | 0, 0x9e3779b1) ^ Math.imul((position / 2 ** 32) | 0, 0x85ebca6b)
    return ((mixed ^ (mixed >>> 15)) & this.#setMask) * WAYS
  }

  #allocate(): Buffer {
    const slots = (this.#setMask + 1) * WAYS
    const memory = new ArrayBuffer(this.#mask + 1)
    this.#numbers = new Float64Array(memory)
    this.#positions = new Float64Array(slots)
    this.#starts = new Float64Array(slots)
    this.#ring = Buffer.from(memory)
    return this.#ring
  }
}
