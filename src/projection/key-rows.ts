/**
 * A row for each key ever seen: where its newest entry is, where its newest committed entry is, and the key's bytes,
 * all in one place, because what a look-up costs is the memory it touches. Rows lie in chunks outside the garbage
 * collector's heap, never move and are never taken away. A key's id is its row's place: ids rise in the order of arrival.
 *
 * A row: newest position f64, committed position f64, key length u16, key, zeros up to a multiple of 8 bytes.
 * A position is negative where the entry is a DELETE, and 0 where there is none.
 */

/** Ids count units of 8 bytes. */
const UNIT_BITS = 3
const CHUNK_BITS = 18
const CHUNK_SIZE_BYTES = 1 << CHUNK_BITS
const CHUNK_SHIFT = CHUNK_BITS - UNIT_BITS
const UNIT_MASK = (1 << CHUNK_SHIFT) - 1
/** Ids stay below 2^31: they and one more must fit a signed word. */
const CHUNKS_MAX = 2 ** (31 - CHUNK_SHIFT) - 1

const COMMITTED_AT = 1
const LENGTH_AT = 16
const KEY_AT = 18

/** From this length on the native comparison is faster than a loop in JavaScript. */
const NATIVE_COMPARE_FROM = 48

export class KeyRows {
  /** The same memory twice: as bytes and as positions. */
  readonly #bytes: Buffer[] = []
  readonly #numbers: Float64Array[] = []
  /** Per chunk: a captured state still looks at it, so it is copied before a committed position changes. */
  readonly #shared: boolean[] = []
  /** Per chunk, where its last row ends. */
  readonly #ends: number[] = []
  #count = 0

  /** Number of keys. */
  get count(): number {
    return this.#count
  }

  /** Bytes held in typed arrays. */
  get sizeBytes(): number {
    return this.#bytes.length * CHUNK_SIZE_BYTES
  }

  /**
   * Copies a key of 1 to 65,535 bytes in, without positions, and returns its id. Does not look whether it is there
   * already. Throws a RangeError at 16 GiB.
   */
  add(bytes: Buffer, start: number, length: number): number {
    const size = (KEY_AT + length + 7) & ~7
    let number = this.#bytes.length - 1
    if (number < 0 || this.#ends[number]! + size > CHUNK_SIZE_BYTES) number = this.#addChunk()
    const chunk = this.#bytes[number]!
    const at = this.#ends[number]!
    chunk[at + LENGTH_AT] = length & 0xff
    chunk[at + LENGTH_AT + 1] = length >>> 8
    if (length >= NATIVE_COMPARE_FROM) bytes.copy(chunk, at + KEY_AT, start, start + length)
    else for (let i = 0; i < length; i++) chunk[at + KEY_AT + i] = bytes[start + i]!
    this.#ends[number] = at + size
    this.#count++
    return (number << CHUNK_SHIFT) | (at >>> UNIT_BITS)
  }

  /** Id of the key that came next after `id`, of the first one after -1; -1 after the last. */
  after(id: number): number {
    if (id === -1) return this.#count === 0 ? -1 : 0
    const number = id >>> CHUNK_SHIFT
    const next = ((id & UNIT_MASK) << UNIT_BITS) + ((KEY_AT + this.lengthOf(id) + 7) & ~7)
    if (next < this.#ends[number]!) return (number << CHUNK_SHIFT) | (next >>> UNIT_BITS)
    return number + 1 < this.#bytes.length ? (number + 1) << CHUNK_SHIFT : -1
  }

  /** Signed position of the newest entry. */
  newest(id: number): number {
    return this.#numbers[id >>> CHUNK_SHIFT]![id & UNIT_MASK]!
  }

  setNewest(id: number, signedPosition: number): void {
    this.#numbers[id >>> CHUNK_SHIFT]![id & UNIT_MASK] = signedPosition
  }

  /** Signed position of the newest committed entry. */
  committed(id: number): number {
    return this.#numbers[id >>> CHUNK_SHIFT]![(id & UNIT_MASK) + COMMITTED_AT]!
  }

  setCommitted(id: number, signedPosition: number): void {
    const number = id >>> CHUNK_SHIFT
    if (this.#shared[number]) this.#unshare(number)
    this.#numbers[number]![(id & UNIT_MASK) + COMMITTED_AT] = signedPosition
  }

  /**
   * Committed positions as they are now, by id of a key that exists now. Costs nothing but one copy of each chunk
   * (256 KiB) in which one changes afterwards, made when the first does.
   */
  shareCommitted(): (id: number) => number {
    this.#shared.fill(true)
    const numbers = this.#numbers.slice()
    return id => numbers[id >>> CHUNK_SHIFT]![(id & UNIT_MASK) + COMMITTED_AT]!
  }

  /** Whether key `id` consists of exactly these bytes. */
  equals(id: number, bytes: Buffer, start: number, length: number): boolean {
    const chunk = this.#bytes[id >>> CHUNK_SHIFT]!
    const at = (id & UNIT_MASK) << UNIT_BITS
    if ((chunk[at + LENGTH_AT]! | (chunk[at + LENGTH_AT + 1]! << 8)) !== length) return false
    const from = at + KEY_AT
    if (length >= NATIVE_COMPARE_FROM) {
      return chunk.compare(bytes, start, start + length, from, from + length) === 0
    }
    for (let i = 0; i < length; i++) if (chunk[from + i] !== bytes[start + i]) return false
    return true
  }

  /** Byte order of two keys by id: negative, zero or positive. A key precedes those that it is a prefix of. */
  compare(left: number, right: number): number {
    const chunk = this.#bytes[right >>> CHUNK_SHIFT]!
    const at = (right & UNIT_MASK) << UNIT_BITS
    return this.compareBytes(
      left,
      chunk,
      at + KEY_AT,
      chunk[at + LENGTH_AT]! | (chunk[at + LENGTH_AT + 1]! << 8),
    )
  }

  /** Byte order of key `id` against these bytes: negative where the key precedes them. */
  compareBytes(id: number, bytes: Buffer, start: number, length: number): number {
    const chunk = this.#bytes[id >>> CHUNK_SHIFT]!
    const at = (id & UNIT_MASK) << UNIT_BITS
    const own = chunk[at + LENGTH_AT]! | (chunk[at + LENGTH_AT + 1]! << 8)
    const from = at + KEY_AT
    const shared = Math.min(own, length)
    if (shared >= NATIVE_COMPARE_FROM) {
      return chunk.compare(bytes, start, start + length, from, from + own)
    }
    for (let i = 0; i < shared; i++) {
      const difference = chunk[from + i]! - bytes[start + i]!
      if (difference !== 0) return difference
    }
    return own - length
  }

  /** Length in bytes of key `id`. */
  lengthOf(id: number): number {
    const chunk = this.#bytes[id >>> CHUNK_SHIFT]!
    const at = ((id & UNIT_MASK) << UNIT_BITS) + LENGTH_AT
    return chunk[at]! | (chunk[at + 1]! << 8)
  }

  /** Writes key `id` into `target` at `at`; returns its length. `target` must have room for it. */
  copyTo(id: number, target: Buffer, at: number): number {
    const chunk = this.#bytes[id >>> CHUNK_SHIFT]!
    const from = ((id & UNIT_MASK) << UNIT_BITS) + KEY_AT
    const length = this.lengthOf(id)
    chunk.copy(target, at, from, from + length)
    return length
  }

  /** A copy of key `id`. */
  copy(id: number): Buffer {
    const key = Buffer.allocUnsafe(this.lengthOf(id))
    this.copyTo(id, key, 0)
    return key
  }

  #addChunk(): number {
    if (this.#bytes.length === CHUNKS_MAX) {
      throw new RangeError(
        `the key index of a shard holds at most 16 GiB, and has ${this.#count} keys: spread them over more shards`,
      )
    }
    // Zeroed, so that new rows have no positions; untouched pages cost no memory.
    const memory = new ArrayBuffer(CHUNK_SIZE_BYTES)
    this.#numbers.push(new Float64Array(memory))
    this.#shared.push(false)
    this.#ends.push(0)
    return this.#bytes.push(Buffer.from(memory)) - 1
  }

  #unshare(number: number): void {
    const numbers = this.#numbers[number]!.slice()
    this.#numbers[number] = numbers
    this.#bytes[number] = Buffer.from(numbers.buffer)
    this.#shared[number] = false
  }
}
