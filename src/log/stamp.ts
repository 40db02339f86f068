/**
 * The stamp rule. Lamport: a tick is `max(own, observed) + 1`, so an effect is always stamped above its causes.
 * Wall: `max(now, last of the shard, observed)`, so wall time never runs backwards along a causal path, however
 * the machine's clock jumps. Together they make "all entries stamped at or before T" a consistent cut (I7).
 */

/** Greatest Lamport time that is taken from outside: leaves room for ticks while doubles stay exact. */
export const LAMPORT_MAX = 2 ** 52

/** Greatest wall time (epoch ms) taken from outside: the last that a `Date` can show. */
export const WALL_MS_MAX = 8.64e15

/** One per process: a Lamport clock, and a wall clock that is clamped so as never to run backwards. */
export class StampClock {
  readonly #now: () => number
  #lamport = 0
  #wallMs = 0

  /** `now` gives epoch milliseconds; it may jump. */
  constructor(now: () => number) {
    this.#now = now
  }

  /** Greatest Lamport time given out or observed; 0 at first. */
  get lamport(): number {
    return this.#lamport
  }

  /**
   * Takes in the Lamport time of a message or a record. Idempotent, order does not matter.
   * @throws RangeError when it is not a whole number from 0 to LAMPORT_MAX; the clock is unchanged then.
   */
  observe(lamport: number): void {
    if (!(lamport >= 0 && lamport <= LAMPORT_MAX && Math.floor(lamport) === lamport)) {
      throw new RangeError(`Lamport time ${lamport}: expected a whole number from 0 to 2^52`)
    }
    if (lamport > this.#lamport) this.#lamport = lamport
  }

  /** Takes `count` consecutive Lamport times, all above everything given out or observed, and returns the first. */
  tick(count = 1): number {
    if (!(count >= 1 && Math.floor(count) === count))
      throw new RangeError(`tick of ${count}: expected 1 or more`)
    const first = this.#lamport + 1
    this.#lamport += count
    return first
  }

  /**
   * Takes in a wall time (epoch ms) from nodes' data: records, never control messages.
   * @throws RangeError when it is not a whole number of milliseconds that a date can show.
   */
  observeWall(wallMs: number): void {
    if (!(wallMs >= 0 && wallMs <= WALL_MS_MAX && Math.floor(wallMs) === wallMs)) {
      throw new RangeError(`wall time ${wallMs}: expected whole milliseconds from 0 to ${WALL_MS_MAX}`)
    }
    if (wallMs > this.#wallMs) this.#wallMs = wallMs
  }

  /** Wall time (epoch ms) to stamp with, for a shard whose last stamp has `lastWallMs`: never below either. */
  wall(lastWallMs = 0): number {
    const now = Math.floor(this.#now())
    if (now > this.#wallMs) this.#wallMs = now
    return Math.max(this.#wallMs, lastWallMs)
  }
}
