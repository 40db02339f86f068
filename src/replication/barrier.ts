/**
 * Barriers (R1, R2): how a head learns, without clocks, that no later configuration was active when it began to ask.
 * A fresh nonce runs down the tree behind the records; every member answers for its subtree. One barrier serves all
 * reads that arrived before it started; those that come meanwhile wait for the next.
 */

/** Ticks without all answers after which a barrier is begun anew, with a fresh nonce. */
export const BARRIER_RETRY_TICKS = 10

/**
 * The pause doubles up to this many where the tree is slow: answers to an earlier nonce do not count (R2), so that a barrier
 * which is begun anew before its answers can be there would never be answered.
 */
export const BARRIER_RETRY_TICKS_MAX = 80

/** How long to wait for an answer before it is asked for again: longer each time, and as long as the last one took. */
export class Patience {
  #maxTicks = BARRIER_RETRY_TICKS
  #ticks = 0

  /** Something is asked for, or asked for again. */
  begin(): void {
    this.#ticks = 0
  }

  /** It was answered. */
  answered(): void {
    this.#maxTicks = Math.min(BARRIER_RETRY_TICKS_MAX, Math.max(BARRIER_RETRY_TICKS, 4 * this.#ticks))
  }

  /** Time passes while it is not. True when it is to be asked for again. */
  tick(): boolean {
    this.#ticks += 1
    if (this.#ticks < this.#maxTicks) return false
    this.#maxTicks = Math.min(BARRIER_RETRY_TICKS_MAX, 2 * this.#maxTicks)
    return true
  }
}

/** Reads that may wait at one replica; more are refused. */
export const WAITING_READS_MAX = 65_536

/** The head's side. `Read` is whatever names a waiting read. */
export class HeadBarrier<Read> {
  #nonce = 0
  #readIndex = 0
  #running: Read[] = []
  #waiting: Read[] = []
  #unanswered: Set<string> | undefined
  #patience = new Patience()

  get isRunning(): boolean {
    return this.#unanswered !== undefined
  }

  get isFull(): boolean {
    return this.#waiting.length + this.#running.length >= WAITING_READS_MAX
  }

  get hasWaiting(): boolean {
    return this.#waiting.length > 0
  }

  /** Adds a read to the next barrier. */
  wait(read: Read): void {
    this.#waiting.push(read)
  }

  /** Begins a barrier over these children for all reads that wait; returns its nonce, never used before. */
  begin(commitIndex: number, children: Iterable<string>): number {
    this.#nonce += 1
    this.#running.push(...this.#waiting)
    this.#waiting = []
    this.#readIndex = commitIndex
    this.#unanswered = new Set(children)
    this.#patience.begin()
    return this.#nonce
  }

  /** A child answered for its subtree. Answers to any other nonce do not count (R2). */
  answer(nonce: number, child: string): void {
    if (nonce === this.#nonce) this.#unanswered?.delete(child)
  }

  /** If every member has answered: the reads and the index from which they may be answered. Ends the barrier. */
  finish(): { readIndex: number; reads: Read[] } | undefined {
    if (this.#unanswered === undefined || this.#unanswered.size > 0) return undefined
    const reads = this.#running
    this.#running = []
    this.#unanswered = undefined
    this.#patience.answered()
    return { readIndex: this.#readIndex, reads }
  }

  /** True when the running barrier got no answer for too long and must be begun anew. */
  tick(): boolean {
    return this.#unanswered !== undefined && this.#patience.tick()
  }

  /** Gives up: all reads that wait, to be refused. */
  abandon(): Read[] {
    const reads = [...this.#running, ...this.#waiting]
    this.#running = []
    this.#waiting = []
    this.#unanswered = undefined
    this.#patience = new Patience()
    return reads
  }
}

/** The side of every other member: passes a nonce on and gathers its children's answers. */
export class MemberBarrier {
  #nonce = 0
  #unanswered = new Set<string>()

  /** A nonce came from upstream; a repeat or an older one changes nothing. True if it is to be passed on. */
  begin(nonce: number, children: Iterable<string>): boolean {
    if (nonce <= this.#nonce) return false
    this.#nonce = nonce
    this.#unanswered = new Set(children)
    return true
  }

  /** True if this answer, or `begin` with no children, completed the nonce for the whole subtree. */
  answer(nonce: number, child: string): boolean {
    if (nonce !== this.#nonce || !this.#unanswered.delete(child)) return false
    return this.#unanswered.size === 0
  }

  get isComplete(): boolean {
    return this.#unanswered.size === 0
  }
}
