const LONGEST_TIMER_MS = 2_147_483_647

/**
 * One timer for the time-outs of all calls. It is set for the earliest deadline that was heard of; calls that are
 * answered in time never touch it again, so a deadline costs them one comparison.
 */
export class Deadlines {
  readonly #expire: (now: number) => number
  #at = Infinity
  #timer: NodeJS.Timeout | undefined

  /** `expire` ends what is over at `now` and returns the earliest deadline among the rest. Monotonic, ms. */
  constructor(expire: (now: number) => number) {
    this.#expire = expire
  }

  /** A call ends at that time. */
  arm(time: number): void {
    if (time >= this.#at) return
    this.#at = time
    clearTimeout(this.#timer)
    const delay = Math.ceil(Math.max(1, time - performance.now()))
    this.#timer = setTimeout(() => this.#run(), Math.min(delay, LONGEST_TIMER_MS))
  }

  close(): void {
    clearTimeout(this.#timer)
    this.#at = -Infinity
  }

  #run(): void {
    this.#at = Infinity
    this.arm(this.#expire(performance.now()))
  }
}
