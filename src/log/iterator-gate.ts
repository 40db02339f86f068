/**
 * Keeps deletions and iterators apart. LevelDB 1.20 may bring back or lose keys that are deleted while a snapshot
 * taken before is still open, and every iterator is one. Deletions wait until no iterator is open; iterators wait
 * while a deletion is under way.
 */
export class IteratorGate {
  #iterators = 0
  #deleting = false
  #waiting: (() => void)[] = []

  /** Resolves when an iterator may be opened; `leave` must follow. */
  async enter(): Promise<void> {
    while (this.#deleting) await this.#changed()
    this.#iterators++
  }

  leave(): void {
    this.#iterators--
    this.#wake()
  }

  /** Runs a deletion, which resolves when it is durable, as soon as no iterator is open. */
  async delete(run: () => Promise<void>): Promise<void> {
    while (this.#deleting || this.#iterators > 0) await this.#changed()
    this.#deleting = true
    try {
      await run()
    } finally {
      this.#deleting = false
      this.#wake()
    }
  }

  #changed(): Promise<void> {
    return new Promise(resolve => this.#waiting.push(resolve))
  }

  #wake(): void {
    const waiting = this.#waiting
    this.#waiting = []
    for (const resolve of waiting) resolve()
  }
}
