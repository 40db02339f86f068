const COMPACT_FROM = 1_024

/** First in, first out, in an array: what was taken is dropped from the front now and then. */
export class Queue<T> {
  #items: (T | undefined)[] = []
  #first = 0

  get length(): number {
    return this.#items.length - this.#first
  }

  push(item: T): void {
    this.#items.push(item)
  }

  /** The oldest item, left where it is. */
  peek(): T | undefined {
    return this.#items[this.#first]
  }

  /** Drops the oldest item. */
  drop(): void {
    // The array is shortened now and then only: until then the slot must not keep the item alive.
    this.#items[this.#first] = undefined
    this.#first++
    if (this.#first < this.#items.length && this.#first < COMPACT_FROM) return
    this.#items = this.#first === this.#items.length ? [] : this.#items
    if (this.#first * 2 > this.#items.length) {
      this.#items = this.#items.slice(this.#first)
      this.#first = 0
    }
  }

  *[Symbol.iterator](): Iterator<T> {
    for (let at = this.#first; at < this.#items.length; at++) yield this.#items[at]!
  }

  clear(): void {
    this.#items = []
    this.#first = 0
  }
}
