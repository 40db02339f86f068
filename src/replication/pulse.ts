/** When a replica says again what may have been lost: often while something happens, seldom while nothing does. */

/** Ticks after which a Ready, report or commit that may be lost is repeated. */
const REPEAT_AFTER_TICKS = 5

/** The same where nothing has happened for BUSY_TICKS: what was said last has been repeated then, and an idle shard is quiet. */
const REPEAT_QUIET_TICKS = 20
const BUSY_TICKS = 10

export class Pulse {
  #ticks = 0
  #busyUntil = BUSY_TICKS

  /** Something happened: a message had an effect, or a link broke. */
  busy(): void {
    this.#busyUntil = this.#ticks + BUSY_TICKS
  }

  /** Time passes. What to repeat now: all, or no more than what tells observers that they are not forgotten. */
  tick(): 'all' | 'to observers' | 'nothing' {
    this.#ticks += 1
    const isBusy = this.#ticks <= this.#busyUntil
    if (this.#ticks % (isBusy ? REPEAT_AFTER_TICKS : REPEAT_QUIET_TICKS) === 0) return 'all'
    return this.#ticks % REPEAT_AFTER_TICKS === 0 ? 'to observers' : 'nothing'
  }
}
