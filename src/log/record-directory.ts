const CHUNK_RECORDS = 4_096
const CHUNK_FIRST_CAPACITY = 32

interface Chunk {
  /** First index of the chunk's first record; the offsets count from here. */
  readonly base: number
  offsets: Uint32Array
}

/**
 * The first index of every record of a log, ascending, in four bytes each: what finds the record that holds an index.
 * It grows and shrinks at its end; at its beginning it only shrinks. Places count from the first record that is left.
 */
export class RecordDirectory {
  readonly #chunks: Chunk[] = []
  #length = 0
  /** Records of the first chunk that were dropped. */
  #dropped = 0

  /** How many records there are. */
  get length(): number {
    return this.#length
  }

  /** Adds a record at the end; `firstIndex` is above all that are in it. */
  push(firstIndex: number): void {
    const at = (this.#dropped + this.#length) % CHUNK_RECORDS
    if (at === 0) this.#chunks.push({ base: firstIndex, offsets: new Uint32Array(CHUNK_FIRST_CAPACITY) })
    const chunk = this.#chunks[this.#chunks.length - 1]!
    if (at === chunk.offsets.length) {
      const larger = new Uint32Array(2 * at)
      larger.set(chunk.offsets)
      chunk.offsets = larger
    }
    chunk.offsets[at] = firstIndex - chunk.base
    this.#length++
  }

  /** Takes the last record out. */
  pop(): void {
    if (this.#length === 0) return
    this.#length--
    if ((this.#dropped + this.#length) % CHUNK_RECORDS === 0) this.#chunks.pop()
  }

  /** Takes the first `count` records out. */
  dropFirst(count: number): void {
    const dropped = this.#dropped + Math.min(count, this.#length)
    this.#length -= Math.min(count, this.#length)
    this.#chunks.splice(0, Math.floor(dropped / CHUNK_RECORDS))
    this.#dropped = dropped % CHUNK_RECORDS
  }

  /** First index of the record at `place` (from 0), or 0 where there is none. */
  at(place: number): number {
    if (!(place >= 0 && place < this.#length)) return 0
    const from = this.#dropped + place
    const within = from % CHUNK_RECORDS
    const chunk = this.#chunks[(from - within) / CHUNK_RECORDS]!
    return chunk.base + chunk.offsets[within]!
  }

  /** First indexes of the records at places from `start` up to, but not including, `end`: a copy. */
  slice(start: number, end: number): Float64Array {
    const from = Math.max(0, start)
    const firstIndexes = new Float64Array(Math.max(0, Math.min(end, this.#length) - from))
    for (let i = 0; i < firstIndexes.length; i++) firstIndexes[i] = this.at(from + i)
    return firstIndexes
  }

  /** Place of the last record that begins at or before `index`, or -1. The log's end is not known here. */
  find(index: number): number {
    let low = 0
    let high = this.#chunks.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if (this.#chunks[middle]!.base <= index) low = middle + 1
      else high = middle
    }
    if (low === 0) return -1
    const chunkAt = low - 1
    const { base, offsets } = this.#chunks[chunkAt]!
    const offset = index - base
    const start = chunkAt * CHUNK_RECORDS
    low = 1
    high = Math.min(CHUNK_RECORDS, this.#dropped + this.#length - start)
    while (low < high) {
      const middle = (low + high) >>> 1
      if (offsets[middle]! <= offset) low = middle + 1
      else high = middle
    }
    return Math.max(-1, start + low - 1 - this.#dropped)
  }
}
