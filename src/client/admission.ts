/** Something that holds calls back until there is room for them. */
export interface Waiter {
  /** Lets calls in, in their order, as far as there is room. True when none is left waiting. */
  admitWaiting(): boolean
}

/**
 * The bounds on what one client has in flight, over all shards. A call that finds no room waits with its shard,
 * in the order of the calls, without a bound of its own: a caller who never waits for answers fills memory.
 */
export class Admission {
  readonly #callsMax: number
  readonly #sizeBytesMax: number
  #calls = 0
  #sizeBytes = 0
  readonly #waiters = new Set<Waiter>()

  constructor(callsMax: number, sizeBytesMax: number) {
    this.#callsMax = callsMax
    this.#sizeBytesMax = sizeBytesMax
  }

  get calls(): number {
    return this.#calls
  }

  get sizeBytes(): number {
    return this.#sizeBytes
  }

  /** Whether so much more may go. What is larger than the bound itself goes alone. */
  hasRoom(calls: number, sizeBytes: number): boolean {
    if (this.#calls === 0) return true
    return this.#calls + calls <= this.#callsMax && this.#sizeBytes + sizeBytes <= this.#sizeBytesMax
  }

  enter(sizeBytes: number): void {
    this.#calls++
    this.#sizeBytes += sizeBytes
  }

  leave(sizeBytes: number): void {
    this.#calls--
    this.#sizeBytes -= sizeBytes
  }

  /** The waiter has calls that found no room. */
  wait(waiter: Waiter): void {
    this.#waiters.add(waiter)
  }

  /** To be called after answers came in: the waiters take turns in being first. */
  admitWaiting(): void {
    if (this.#waiters.size === 0) return
    for (const waiter of [...this.#waiters]) {
      this.#waiters.delete(waiter)
      if (!waiter.admitWaiting()) this.#waiters.add(waiter)
    }
  }
}
