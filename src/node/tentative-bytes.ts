/** How many bytes of records a head has appended that are not committed yet. The cap keeps undo in memory bounded. */
import { Queue } from '../client/queue.js'

/** Beyond this a head refuses writes with RESOURCE_EXHAUSTED until its members have confirmed some. */
export const TENTATIVE_SIZE_BYTES_MAX = 64 * 1024 * 1024

export class TentativeBytes {
  readonly #records = new Queue<{ lastIndex: number; sizeBytes: number }>()
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
    for (let oldest = this.#records.peek(); oldest !== undefined; oldest = this.#records.peek()) {
      if (oldest.lastIndex > index) return
      this.#sizeBytes -= oldest.sizeBytes
      this.#records.drop()
    }
  }
}
