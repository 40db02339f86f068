/** One direction between two processes: what passes, passes in order, unless and until it may not. */

interface Waiting {
  readonly dueMs: number
  readonly deliver: () => void
}

/**
 * Deliveries of all connections in one direction. Order is kept within the direction, and so within each connection.
 * Cuts and delays add up and end each by itself, so that faults which overlap do not heal each other.
 */
export class PathDirection {
  /** Bytes that passed, as its users count them. */
  passedBytes = 0
  #cuts = 0
  #delayMs = 0
  #waiting: Waiting[] = []
  #timer: NodeJS.Timeout | undefined

  get isCut(): boolean {
    return this.#cuts > 0
  }

  /** Delivers now, or later where it is cut or delayed, after all that came before. */
  pass(deliver: () => void): void {
    if (this.#waiting.length === 0 && this.#cuts === 0 && this.#delayMs === 0) return deliver()
    this.#waiting.push({ dueMs: performance.now() + this.#delayMs, deliver })
    this.#flush()
  }

  /** Calls back as soon as it is not cut: now, if it is not. */
  whenOpen(then: () => void): void {
    this.pass(then)
  }

  /** Nothing passes until the returned function is called. */
  cut(): () => void {
    this.#cuts += 1
    return this.#once(() => {
      this.#cuts = Math.max(0, this.#cuts - 1)
    })
  }

  /** Everything takes so much longer, until the returned function is called. */
  delay(ms: number): () => void {
    this.#delayMs += ms
    return this.#once(() => {
      this.#delayMs = Math.max(0, this.#delayMs - ms)
    })
  }

  heal(): void {
    this.#cuts = 0
    this.#delayMs = 0
    this.#flush()
  }

  #once(undo: () => void): () => void {
    let isDone = false
    return () => {
      if (isDone) return
      isDone = true
      undo()
      this.#flush()
    }
  }

  #flush(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
    while (this.#cuts === 0 && this.#waiting.length > 0) {
      const leftMs = this.#waiting[0]!.dueMs - performance.now()
      if (leftMs > 0) {
        this.#timer = setTimeout(() => this.#flush(), leftMs)
        return
      }
      this.#waiting.shift()!.deliver()
    }
  }
}
