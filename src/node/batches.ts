/** Gathers what a stream sends into messages that are bounded in number and bytes. */

const ENTRIES_MAX = 1_024
const SIZE_BYTES_MAX = 262_144
/** What an item costs beside its keys and values. */
const ITEM_SIZE_BYTES = 64

export class Batches<T> {
  #items: T[] = []
  #sizeBytes = 0

  /** Items that wait. */
  get count(): number {
    return this.#items.length
  }

  /** Adds an item with so many bytes of keys and values. True when it is time to `take`. */
  add(item: T, sizeBytes: number): boolean {
    this.#items.push(item)
    this.#sizeBytes += sizeBytes + ITEM_SIZE_BYTES
    return this.#items.length >= ENTRIES_MAX || this.#sizeBytes >= SIZE_BYTES_MAX
  }

  /** What was gathered, and begins anew. */
  take(): T[] {
    const items = this.#items
    this.#items = []
    this.#sizeBytes = 0
    return items
  }
}
