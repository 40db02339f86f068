/**
 * Whether the operations on one register can be put into an order that a register explains: Wing and Gong's search
 * (1993), memoised as Lowe does (2017) by the set of (which pending operations took effect, value). It walks through
 * the invocations and returns in time and carries along every configuration that is possible so far, so memory
 * depends on how many operations overlap and not on how long the history is.
 *
 * Two facts about registers keep that set small. A pending read that matches the value may take effect at once: it
 * changes nothing. And deletes that may take effect at any later time or never are all alike: only how many of them
 * were used matters, and the fewer the better.
 */

/** Something that happens to the register within an interval. Times in milliseconds. */
export interface RegisterOperation {
  readonly isRead: boolean
  /** What is read or written; null: nothing there. */
  readonly value: string | null
  readonly invokedMs: number
  /** It has taken effect by then. Infinity: at any time after its invocation or never (a write of null only). */
  readonly returnedMs: number
}

export type RegisterVerdict =
  | { readonly kind: 'explained' }
  /** No order explains the history once this operation has returned. */
  | { readonly kind: 'violated'; readonly operation: RegisterOperation; readonly values: (string | null)[] }
  /** More operations overlap than are allowed. */
  | { readonly kind: 'too-concurrent'; readonly operation: RegisterOperation; readonly concurrent: number }

/** Bits of a slot mask: more operations than that cannot overlap, whatever the caller allows. */
export const SLOTS_MAX = 24

/** A value and the mask of the pending operations that took effect, with the fewest open deletes that it took. */
interface Found {
  readonly mask: number
  readonly value: string | null
  readonly deletesUsed: number
}

interface Pending {
  readonly operation: RegisterOperation
  readonly bit: number
}

interface TimedEvent {
  readonly atMs: number
  readonly isReturn: boolean
  readonly operation: RegisterOperation
}

/** Searches for an order; the register begins with nothing in it. Operations in any order. */
export function searchRegister(
  operations: readonly RegisterOperation[],
  concurrentMax: number,
): RegisterVerdict {
  return new RegisterSearch(Math.min(concurrentMax, SLOTS_MAX)).run(operations)
}

class RegisterSearch {
  readonly #concurrentMax: number
  readonly #pending = new Map<RegisterOperation, Pending>()
  #freeSlots: number[]
  #found = new Map<string, Found>()
  #deletesInvoked = 0

  constructor(concurrentMax: number) {
    this.#concurrentMax = concurrentMax
    this.#freeSlots = Array.from({ length: concurrentMax }, (_, at) => concurrentMax - 1 - at)
    this.#keep(this.#found, { mask: 0, value: null, deletesUsed: 0 })
  }

  run(operations: readonly RegisterOperation[]): RegisterVerdict {
    for (const { isReturn, operation } of eventsOf(operations)) {
      if (isReturn) {
        const values = this.#values()
        if (!this.#return(operation)) return { kind: 'violated', operation, values }
      } else if (operation.returnedMs === Infinity) {
        this.#deletesInvoked += 1
      } else if (!this.#invoke(operation)) {
        return { kind: 'too-concurrent', operation, concurrent: this.#concurrentMax + 1 }
      }
    }
    return { kind: 'explained' }
  }

  #invoke(operation: RegisterOperation): boolean {
    const slot = this.#freeSlots.pop()
    if (slot === undefined) return false
    this.#pending.set(operation, { operation, bit: 1 << slot })
    if (operation.isRead) this.#rebuild([...this.#found.values()])
    return true
  }

  /** Keeps only what has the operation done; false where nothing is left. */
  #return(operation: RegisterOperation): boolean {
    const { bit } = this.#pending.get(operation)!
    this.#expand(bit)
    const done = [...this.#found.values()].filter(({ mask }) => (mask & bit) !== 0)
    this.#pending.delete(operation)
    this.#freeSlots.push(Math.log2(bit))
    this.#rebuild(done.map(found => ({ ...found, mask: found.mask & ~bit })))
    return done.length > 0
  }

  /** Adds all that can be reached by letting pending writes take effect, until the operation of that bit has. */
  #expand(bit: number): void {
    const open = [...this.#found.values()]
    while (open.length > 0) {
      const from = open.pop()!
      if ((from.mask & bit) !== 0) continue
      for (const next of this.#successors(from)) if (this.#keep(this.#found, next)) open.push(next)
    }
  }

  #successors(from: Found): Found[] {
    const { mask, deletesUsed } = from
    const next: Found[] = []
    for (const { operation, bit } of this.#pending.values()) {
      if (operation.isRead || (mask & bit) !== 0) continue
      next.push(this.#withReads({ mask: mask | bit, value: operation.value, deletesUsed }))
    }
    if (from.value !== null && deletesUsed < this.#deletesInvoked) {
      next.push(this.#withReads({ mask, value: null, deletesUsed: deletesUsed + 1 }))
    }
    return next
  }

  #withReads(found: Found): Found {
    let { mask } = found
    for (const { operation, bit } of this.#pending.values()) {
      if (operation.isRead && operation.value === found.value) mask |= bit
    }
    return mask === found.mask ? found : { ...found, mask }
  }

  #rebuild(all: readonly Found[]): void {
    this.#found = new Map()
    for (const found of all) this.#keep(this.#found, this.#withReads(found))
  }

  /** True where it was new, or better than what was known. */
  #keep(into: Map<string, Found>, found: Found): boolean {
    const name = found.value === null ? `${found.mask}` : `${found.mask}=${found.value}`
    const known = into.get(name)
    if (known !== undefined && known.deletesUsed <= found.deletesUsed) return false
    into.set(name, found)
    return true
  }

  #values(): (string | null)[] {
    return [...new Set([...this.#found.values()].map(({ value }) => value))]
  }
}

/** In time; at the same time invocations come first, so that operations that only touch count as overlapping. */
function eventsOf(operations: readonly RegisterOperation[]): TimedEvent[] {
  const events: TimedEvent[] = []
  for (const operation of operations) {
    events.push({ atMs: operation.invokedMs, isReturn: false, operation })
    if (operation.returnedMs !== Infinity) {
      events.push({ atMs: operation.returnedMs, isReturn: true, operation })
    }
  }
  return events.sort((a, b) => a.atMs - b.atMs || Number(a.isReturn) - Number(b.isReturn))
}
