/**
 * Notices that something is in flight for long without an answer. A process that is stopped or cut off says nothing:
 * its connections stand, and whoever follows the shard map there hears of no change. So it is asked elsewhere.
 */

/** Time between two looks, ms: what is unanswered at two of them in a row is stalled. */
const LOOK_EVERY_MS = 250

export class StallWatch {
  readonly #oldest: () => Iterable<readonly [queue: unknown, oldest: number]>
  readonly #onStall: () => void
  #before = new Map<unknown, number>()
  #timer: NodeJS.Timeout | undefined
  #closed = false

  /**
   * `oldest` names each queue that has something in flight, with the number of its oldest; `onStall` is called again
   * and again while any of these does not move.
   */
  constructor(oldest: () => Iterable<readonly [queue: unknown, oldest: number]>, onStall: () => void) {
    this.#oldest = oldest
    this.#onStall = onStall
  }

  /** Something was sent. Looks go on until nothing is in flight any more. */
  arm(): void {
    if (this.#timer !== undefined || this.#closed) return
    this.#timer = setTimeout(() => this.#look(), LOOK_EVERY_MS)
  }

  close(): void {
    this.#closed = true
    clearTimeout(this.#timer)
  }

  #look(): void {
    this.#timer = undefined
    const now = new Map(this.#oldest())
    const isStalled = [...now].some(([queue, oldest]) => this.#before.get(queue) === oldest)
    this.#before = now
    if (now.size > 0) this.arm()
    if (isStalled) this.#onStall()
  }
}
