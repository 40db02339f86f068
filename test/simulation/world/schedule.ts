/**
 * Virtual time. Everything that happens is an event: it belongs to the life of a process (or to the world), has a time,
 * and runs to its end, with all promises that it settles, before the next one begins. A process that died has no
 * more events; one that is paused has its own later.
 */

/** One life of a process, from its start to its end. */
export class Life {
  readonly name: string
  /** How far this process's wall clock is ahead of virtual time, ms. It may jump. */
  readonly clock: { aheadMs: number }
  isDead = false
  isPaused = false
  /** Events that came due while it was paused. */
  readonly held: Event[] = []

  constructor(name: string, clock: { aheadMs: number }) {
    this.name = name
    this.clock = clock
  }
}

interface Event {
  at: number
  order: number
  readonly life: Life | undefined
  /** Undefined once it was cancelled. */
  run: (() => void) | undefined
}

/** Names an event, so that it can be cancelled. */
export interface Ticket {
  run: (() => void) | undefined
}

/** Wall time at which every simulation begins, epoch ms. */
export const EPOCH_MS = 1_800_000_000_000

/** So many events at one moment are a loop in which time stands still. */
const EVENTS_AT_ONCE_MAX = 200_000

/** Events that are run in one turn of the real event loop; promises settle after each of them. */
const EVENTS_A_TURN = 128

const realImmediate = setImmediate

export class Schedule {
  /** Virtual monotonic time, ms. */
  nowMs = 0
  /** Whose event is running, or ran last. */
  current: Life | undefined
  eventCount = 0
  readonly #heap: Event[] = []
  #order = 0
  #atOnce = 0

  /** Runs something for that life after so many ms, unless the life is over by then. */
  after(life: Life | undefined, delayMs: number, run: () => void): Ticket {
    const event: Event = { at: this.nowMs + delayMs, order: this.#order++, life, run }
    this.#push(event)
    return event
  }

  cancel(ticket: Ticket): void {
    ticket.run = undefined
  }

  /** The process goes on; what it missed happens now, in its order. */
  resume(life: Life): void {
    life.isPaused = false
    for (const event of life.held.splice(0)) {
      event.at = this.nowMs
      event.order = this.#order++
      this.#push(event)
    }
  }

  /**
   * Runs events until `isDone`, which is asked before each of them, when all promises of the one before have settled.
   * Rejects with what an event, or `isDone`, threw.
   */
  run(isDone: () => boolean): Promise<void> {
    return new Promise((resolve, reject) => {
      let isOver = false
      const end = (settle: () => void) => {
        isOver = true
        settle()
      }
      const step = () => {
        if (isOver) return
        try {
          if (isDone() || !this.#runNext()) end(resolve)
        } catch (error) {
          end(() => reject(error))
        }
      }
      const turn = () => {
        for (let at = 0; at < EVENTS_A_TURN; at += 1) realImmediate(step)
        realImmediate(() => {
          if (!isOver) turn()
        })
      }
      turn()
    })
  }

  #runNext(): boolean {
    for (let event = this.#pop(); event !== undefined; event = this.#pop()) {
      const { life, run } = event
      if (run === undefined || life?.isDead) continue
      if (life?.isPaused) {
        life.held.push(event)
        continue
      }
      this.#atOnce = event.at > this.nowMs ? 0 : this.#atOnce + 1
      if (this.#atOnce > EVENTS_AT_ONCE_MAX) throw new Error(`time stands still at ${this.nowMs} ms`)
      this.nowMs = Math.max(this.nowMs, event.at)
      this.current = life
      this.eventCount += 1
      run()
      return true
    }
    return false
  }

  #push(event: Event): void {
    const heap = this.#heap
    let at = heap.length
    heap.push(event)
    while (at > 0) {
      const parent = (at - 1) >> 1
      if (!isBefore(event, heap[parent]!)) break
      heap[at] = heap[parent]!
      at = parent
    }
    heap[at] = event
  }

  #pop(): Event | undefined {
    const heap = this.#heap
    const first = heap[0]
    const last = heap.pop()
    if (first === undefined || last === undefined || heap.length === 0) return first
    let at = 0
    for (;;) {
      let child = at * 2 + 1
      if (child >= heap.length) break
      if (child + 1 < heap.length && isBefore(heap[child + 1]!, heap[child]!)) child += 1
      if (!isBefore(heap[child]!, last)) break
      heap[at] = heap[child]!
      at = child
    }
    heap[at] = last
    return first
  }
}

function isBefore(one: Event, other: Event): boolean {
  return one.at < other.at || (one.at === other.at && one.order < other.order)
}
