/**
 * When what may be lost is said again: links lose messages only when they break, so the first repeat comes soon and the
 * pauses double after that. Whoever is slow because there is much to do is not given the same work many times over.
 */

const PAUSE_FIRST_MS = 50
const PAUSE_MAX_MS = 400

export class Repeats {
  #pauseMs = PAUSE_FIRST_MS
  #dueAtMs = Number.NEGATIVE_INFINITY

  /** True the first time, and then whenever the pause is over. */
  isDue(nowMs: number): boolean {
    if (nowMs < this.#dueAtMs) return false
    this.#dueAtMs = nowMs + this.#pauseMs
    this.#pauseMs = Math.min(PAUSE_MAX_MS, this.#pauseMs * 2)
    return true
  }
}
