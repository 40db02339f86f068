/** Times of a run: everything is noted in milliseconds since its load began, what was before that included. */

/** The moment at which a load began, on the wall clock (epoch ms) and on the monotonic one. */
export interface RunZero {
  readonly wallMs: number
  readonly monotonicMs: number
}

/** What is noted before the zero is known waits for it. */
export class RunClock {
  #zero: RunZero | undefined
  #waiting: ((zero: RunZero) => void)[] = []

  /** Known once the load began. */
  get zero(): RunZero | undefined {
    return this.#zero
  }

  /** Sets the zero, once, and lets go what waits for it, in order. */
  begin(zero: RunZero): void {
    this.#zero = zero
    for (const use of this.#waiting) use(zero)
    this.#waiting = []
  }

  /** Calls `use` with the zero, now or when it is known. */
  whenBegun(use: (zero: RunZero) => void): void {
    if (this.#zero === undefined) this.#waiting.push(use)
    else use(this.#zero)
  }
}
