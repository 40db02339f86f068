/** How many bytes of records a head has appended that are not committed yet. The cap keeps undo in memory bounded. */

/** Beyond this a head refuses writes with RESOURCE_EXHAUSTED until its members have confirmed some. */
export const TENTATIVE_SIZE_BYTES_MAX = 64 * 1024 * 1024

export class TentativeBytes {
  #records: { lastIndex: number; sizeBytes: number }[] = []
  #first = 0
  #sizeBytes = 0

  get sizeBytes(): number {
    return this.#sizeBytes
  }

  get isFull(): boolean {
    return this.#sizeBytes >= TENTATIVE_SIZE_BYTES_MAX
  }

  add(lastIndex: number, sizeBytes: number): void {
    this.#records.push({ lastIndex, sizeBytes })
    this.#sizeBytes += sizeBytes
  }

  /** Everything up to `index` is committed. */
  release(index: number): void {
    while (this.#first < this.#records.length && this.#records[this.#first]!.lastIndex <= index) {
      this.#sizeBytes -= this.#records[this.#first]!.sizeBytes
      this.#first += 1
    }
    if (this.#first > 1_024 && this.#first * 2 > this.#records.length) {
      this.#records = this.#records.slice(this.#first)
      this.#first = 0
    }
  }
}
