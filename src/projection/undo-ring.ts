/**
 * What tentative entries changed, oldest first, so that a commit can settle it from the front and a truncation
 * can undo it from the back. A ring of fixed-width rows of numbers in one typed array.
 */

const CAPACITY_MIN = 256

export class UndoRing {
  readonly #width: number
  #rows: Float64Array
  #mask = CAPACITY_MIN - 1
  #first = 0
  #length = 0
  #peak = 0
  #droppedSinceReview = 0

  /** `width` is the number of fields of a row. */
  constructor(width: number) {
    this.#width = width
    this.#rows = new Float64Array(CAPACITY_MIN * width)
  }

  get length(): number {
    return this.#length
  }

  /** Bytes held in the typed array. */
  get sizeBytes(): number {
    return this.#rows.byteLength
  }

  /** All rows; a row begins where `first`, `last`, `push` or `row` says. Changes with `push` and `settle`. */
  get rows(): Float64Array {
    return this.#rows
  }

  /** Where the oldest row begins in `rows`. Only with `length > 0`. */
  get first(): number {
    return (this.#first & this.#mask) * this.#width
  }

  /** Where the newest row begins in `rows`. Only with `length > 0`. */
  get last(): number {
    return ((this.#first + this.#length - 1) & this.#mask) * this.#width
  }

  /** Where row `number` begins in `rows`, 0 being the oldest. */
  row(number: number): number {
    return ((this.#first + number) & this.#mask) * this.#width
  }

  /** Adds a row at the back and returns where it begins in `rows`; its fields hold anything until written. */
  push(): number {
    if (this.#length > this.#mask) this.#resize((this.#mask + 1) * 2)
    this.#length++
    if (this.#length > this.#peak) this.#peak = this.#length
    return ((this.#first + this.#length - 1) & this.#mask) * this.#width
  }

  dropFirst(): void {
    this.#first = (this.#first + 1) & this.#mask
    this.#length--
    this.#droppedSinceReview++
  }

  dropLast(): void {
    this.#length--
    this.#droppedSinceReview++
  }

  /**
   * Gives memory back after a peak. Call it at the end of a commit or truncation. Reviewed only every few turns of
   * the ring, so that a load that fills and empties it all the time does not resize it all the time.
   */
  settle(): void {
    const capacity = this.#mask + 1
    if (capacity === CAPACITY_MIN || this.#droppedSinceReview < capacity * 4) return
    const needed = Math.max(CAPACITY_MIN, this.#peak * 2)
    if (needed <= capacity / 2) this.#resize(2 ** Math.ceil(Math.log2(needed)))
    this.#peak = this.#length
    this.#droppedSinceReview = 0
  }

  #resize(capacity: number): void {
    const rows = new Float64Array(capacity * this.#width)
    const untilEnd = Math.min(this.#length, this.#mask + 1 - this.#first)
    const firstAt = this.#first * this.#width
    rows.set(this.#rows.subarray(firstAt, firstAt + untilEnd * this.#width), 0)
    rows.set(this.#rows.subarray(0, (this.#length - untilEnd) * this.#width), untilEnd * this.#width)
    this.#rows = rows
    this.#mask = capacity - 1
    this.#first = 0
  }
}
