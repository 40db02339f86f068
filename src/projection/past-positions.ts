/**
 * Where the newest entry of each key was at some index, by the key's id in the present index of keys. Positions are
 * signed as there: negative where the entry is a DELETE, 0 where the key had none.
 */
export interface PastPositions {
  at(id: number): number
}

const CHUNK_BITS = 15
const CHUNK_IDS = 1 << CHUNK_BITS
const MASK = CHUNK_IDS - 1

/** Positions by id, in chunks that are made when something is put there: memory as the keys' own, some 40 bytes a key. */
export class PositionChunks implements PastPositions {
  readonly #chunks: (Float64Array | undefined)[] = []
  #chunkCount = 0

  /** Bytes held in typed arrays. */
  get sizeBytes(): number {
    return this.#chunkCount * CHUNK_IDS * 8
  }

  at(id: number): number {
    return this.#chunks[id >>> CHUNK_BITS]?.[id & MASK] ?? 0
  }

  set(id: number, signedPosition: number): void {
    let chunk = this.#chunks[id >>> CHUNK_BITS]
    if (chunk === undefined) {
      chunk = new Float64Array(CHUNK_IDS)
      this.#chunks[id >>> CHUNK_BITS] = chunk
      this.#chunkCount += 1
    }
    chunk[id & MASK] = signedPosition
  }

  /** Memory of its own. */
  copy(): PositionChunks {
    const copy = new PositionChunks()
    for (const [number, chunk] of this.#chunks.entries()) copy.#chunks[number] = chunk?.slice()
    copy.#chunkCount = this.#chunkCount
    return copy
  }
}

/** Other positions, but for some keys. */
export class PositionOverlay implements PastPositions {
  readonly #under: PastPositions
  readonly #changed: ReadonlyMap<number, number>

  constructor(under: PastPositions, changed: ReadonlyMap<number, number>) {
    this.#under = under
    this.#changed = changed
  }

  at(id: number): number {
    return this.#changed.get(id) ?? this.#under.at(id)
  }
}
