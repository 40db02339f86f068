import type { WriteOp } from './write-op.js'

const SIZE_FIRST = 256

/**
 * Unanswered writes by sequence: dense numbers, so an array that wraps around serves as the map. Everything below
 * `base` is answered or given up; `next` is the number that the next write gets.
 */
export class WriteRing {
  #slots: (WriteOp | undefined)[] = new Array(SIZE_FIRST).fill(undefined)
  #base = 1
  #next = 1

  get base(): number {
    return this.#base
  }

  get next(): number {
    return this.#next
  }

  /** How many numbers lie between the oldest unanswered and the newest. */
  get span(): number {
    return this.#next - this.#base
  }

  /** Numbers a write and keeps it. */
  add(op: WriteOp): void {
    if (this.span === this.#slots.length) this.#grow()
    op.sequence = this.#next++
    this.#slots[op.sequence & (this.#slots.length - 1)] = op
  }

  get(sequence: number): WriteOp | undefined {
    if (sequence < this.#base || sequence >= this.#next) return undefined
    return this.#slots[sequence & (this.#slots.length - 1)]
  }

  remove(sequence: number): void {
    const mask = this.#slots.length - 1
    this.#slots[sequence & mask] = undefined
    if (sequence !== this.#base) return
    let base = this.#base + 1
    while (base < this.#next && this.#slots[base & mask] === undefined) base++
    this.#base = base
  }

  /** In ascending order of their sequences. */
  *[Symbol.iterator](): Iterator<WriteOp> {
    for (let sequence = this.#base; sequence < this.#next; sequence++) {
      const op = this.get(sequence)
      if (op !== undefined) yield op
    }
  }

  /** Numbers all that is here anew from 1, in the same order: they go under another client id. */
  renumber(): void {
    const ops = [...this]
    this.#slots.fill(undefined)
    this.#base = 1
    this.#next = 1
    for (const op of ops) this.add(op)
  }

  #grow(): void {
    const size = this.#slots.length * 2
    const slots = new Array<WriteOp | undefined>(size).fill(undefined)
    for (const op of this) slots[op.sequence & (size - 1)] = op
    this.#slots = slots
  }
}
