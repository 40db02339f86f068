/**
 * What the request table remembers of one client: a ring of (sequence, index) pairs, found by the sequence's low bits.
 * The ring grows only as far as the sequences it holds demand.
 */

const CAPACITY_FIRST = 8

export class ClientWindow {
  /** Bytes 0..7 of the id: Lamport time at which the client began. */
  readonly creation: number
  /** The id as a string of 16 characters, one a byte. */
  readonly name: string
  /** What the table's undo rows know the client by. */
  readonly number: number
  /** Greatest sequence of all, tentative ones too. */
  newest = 0
  /** Greatest committed sequence. */
  committedNewest = 0
  /** Sequences up to here are expired. */
  forgotten = 0
  /** Entries below this index came before the client's last eviction, and are forgotten with all they said. */
  since = 0
  /** Committed requests that the ring holds. */
  remembered = 0
  /** Requests that are neither committed nor undone yet. */
  tentative = 0
  /** Known by a committed entry, and not evicted since. */
  admitted = false
  /** Neighbours in the order of last committed use. */
  older: ClientWindow | undefined
  newer: ClientWindow | undefined
  /** Pairs of (sequence, index); a sequence of 0 is a free slot. */
  #slots = new Float64Array(2 * CAPACITY_FIRST)
  #shared = false

  constructor(name: string, creation: number, number: number) {
    this.name = name
    this.creation = creation
    this.number = number
  }

  /** All pairs as they are now, for reading at leisure: the window copies them before it changes them. */
  share(): Float64Array {
    this.#shared = true
    return this.#slots
  }

  /** Sequences up to here can no longer be told from new ones. */
  expiredThrough(newest: number, windowMax: number): number {
    return Math.max(this.forgotten, newest - windowMax)
  }

  /** Whether a request that was noted once is still to be remembered. */
  holds(sequence: number, index: number): boolean {
    return sequence > this.forgotten && index >= this.since
  }

  /** Index of the request, 0 if the ring does not hold it. */
  indexOf(sequence: number): number {
    const at = slotOf(this.#slots, sequence)
    return this.#slots[at] === sequence ? this.#slots[at + 1]! : 0
  }

  /** Where in `pairs` the slot for `sequence` is, after growing so far that nothing in the window is displaced. */
  makeRoom(sequence: number, windowMax: number): number {
    let at = slotOf(this.#slots, sequence)
    let held = this.#slots[at]!
    while (held !== 0 && held !== sequence && held > this.forgotten && this.#slots.length < 2 * windowMax) {
      this.#resize(this.#slots.length * 2)
      at = slotOf(this.#slots, sequence)
      held = this.#slots[at]!
    }
    return at
  }

  /** Puts in a request that is to be remembered, if its slot became free since it was noted. */
  place(sequence: number, index: number, windowMax: number): void {
    const at = this.makeRoom(sequence, windowMax)
    if (this.#slots[at] !== 0 || !this.holds(sequence, index)) return
    const pairs = this.pairs
    pairs[at] = sequence
    pairs[at + 1] = index
  }

  /** The ring, for writing at a place that `makeRoom` gave. */
  get pairs(): Float64Array {
    if (this.#shared) {
      this.#slots = this.#slots.slice()
      this.#shared = false
    }
    return this.#slots
  }

  /** Takes the request out, unless its slot holds another one, and puts `before` (0: nothing) there instead. */
  putBack(sequence: number, beforeSequence: number, beforeIndex: number): void {
    const at = slotOf(this.#slots, sequence)
    if (this.#slots[at] !== sequence) return
    const pairs = this.pairs
    const isHeld = this.holds(beforeSequence, beforeIndex)
    pairs[at] = isHeld ? beforeSequence : 0
    pairs[at + 1] = isHeld ? beforeIndex : 0
  }

  /** Drops the committed requests (index up to `committedIndex`) with sequences up to `through`, and counts the rest. */
  forget(through: number, committedIndex: number): void {
    this.forgotten = through
    const pairs = this.pairs
    let remembered = 0
    let kept = 0
    for (let at = 0; at < pairs.length; at += 2) {
      if (pairs[at] === 0) continue
      if (pairs[at + 1]! <= committedIndex) {
        if (pairs[at]! > through) remembered++
        else pairs[at] = 0
      }
      if (pairs[at] !== 0) kept++
    }
    this.remembered = remembered
    if (kept === 0) this.#slots = new Float64Array(2 * CAPACITY_FIRST)
    else this.#shrink()
  }

  /** Halves the ring as long as all it holds still has a slot of its own. */
  #shrink(): void {
    while (this.#slots.length > 2 * CAPACITY_FIRST && this.#resize(this.#slots.length / 2));
  }

  /** False, and nothing changed, where two requests would share a slot. */
  #resize(length: number): boolean {
    const from = this.#slots
    const to = new Float64Array(length)
    for (let at = 0; at < from.length; at += 2) {
      const sequence = from[at]!
      if (sequence === 0) continue
      const target = slotOf(to, sequence)
      if (to[target] !== 0) return false
      to[target] = sequence
      to[target + 1] = from[at + 1]!
    }
    this.#slots = to
    this.#shared = false
    return true
  }
}

/** Place of `sequence` in a ring whose length is twice a power of two. `&` takes the low bits of doubles past 2^32 too. */
function slotOf(pairs: Float64Array, sequence: number): number {
  return (sequence & ((pairs.length >>> 1) - 1)) << 1
}
