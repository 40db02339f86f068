/**
 * The keys in byte order, for scans. A new key costs nothing here: rows are kept in order of arrival, so the keys that
 * are not in order yet are simply those after the last one that is. They are sorted and merged in when a scan needs them.
 * Blocks are never changed in place, so that a walk that pauses keeps a consistent list.
 */
import type { KeyRows } from './key-rows.js'

const BLOCK_IDS_MAX = 4_096
/** Ids sorted, or merged, between two chances to let others run: about 5 ms. */
const SLICE_IDS = 8_192
/** From this distance on a stretch of ids is copied natively. */
const NATIVE_COPY_FROM = 24

/** Key ids in ascending byte order, cut into blocks none of which is empty. */
export type KeyBlocks = readonly Uint32Array[]

export class OrderedKeys {
  readonly #keys: KeyRows
  #blocks: KeyBlocks = []
  /** How many keys are in `#blocks`, and the id of the last of them to arrive: -1 for none. */
  #orderedCount = 0
  #lastOrdered = -1
  #work: Generator<void, void> | undefined

  constructor(keys: KeyRows) {
    this.#keys = keys
  }

  /** Keys that came since the last ordering. */
  get unorderedCount(): number {
    return this.#keys.count - this.#orderedCount
  }

  /** All keys there are now, in order, at once: about 1 us for each new key. */
  blocks(): KeyBlocks {
    while (this.#step());
    return this.#blocks
  }

  /** Brings the keys that exist now in order, `pause` being awaited between slices of about 5 ms. */
  async order(pause: () => Promise<void>): Promise<void> {
    const until = this.#keys.count
    while (this.#orderedCount < until && this.#step()) await pause()
  }

  /** Does one slice of what is to do; false when all is in order. */
  #step(): boolean {
    if (this.#work === undefined) {
      if (this.unorderedCount === 0) return false
      this.#work = this.#order(this.unorderedCount)
    }
    if (this.#work.next().done === true) this.#work = undefined
    return this.#work !== undefined || this.unorderedCount > 0
  }

  *#order(count: number): Generator<void, void> {
    let runs: Uint32Array[] = []
    let last = this.#lastOrdered
    for (let done = 0; done < count; done += SLICE_IDS) {
      const run = new Uint32Array(Math.min(SLICE_IDS, count - done))
      for (let i = 0; i < run.length; i++) {
        last = this.#keys.after(last)
        run[i] = last
      }
      runs.push(run.sort((left, right) => this.#keys.compare(left, right)))
      yield
    }
    while (runs.length > 1) {
      const merged: Uint32Array[] = []
      for (let i = 0; i < runs.length; i += 2) {
        const second = runs[i + 1]
        merged.push(second === undefined ? runs[i]! : yield* this.#mergeRuns(runs[i]!, second))
      }
      runs = merged
    }
    this.#blocks = yield* this.#mergeIntoBlocks(runs[0]!)
    this.#orderedCount += count
    this.#lastOrdered = last
  }

  *#mergeRuns(left: Uint32Array, right: Uint32Array): Generator<void, Uint32Array> {
    const merged = new Uint32Array(left.length + right.length)
    let at = 0
    let taken = 0
    for (let from = 0; from < right.length; from += SLICE_IDS) {
      const until = Math.min(right.length, from + SLICE_IDS)
      const upTo = until === right.length ? left.length : this.#gallop(left, taken, right[until - 1]!)
      at = this.#merge(merged, at, left.subarray(taken, upTo), right.subarray(from, until))
      taken = upTo
      yield
    }
    return merged
  }

  /** A new list of blocks with the run's ids in it. Blocks that get none are taken over as they are. */
  *#mergeIntoBlocks(run: Uint32Array): Generator<void, KeyBlocks> {
    const blocks = this.#blocks
    if (blocks.length === 0) return cut(run)
    const result: Uint32Array[] = []
    let taken = 0
    let sinceYield = 0
    for (let number = 0; number < blocks.length; number++) {
      const block = blocks[number]!
      const next = blocks[number + 1]
      const upTo = next === undefined ? run.length : this.#gallop(run, taken, next[0]!)
      if (upTo === taken) {
        result.push(block)
        continue
      }
      const merged = new Uint32Array(block.length + upTo - taken)
      this.#merge(merged, 0, block, run.subarray(taken, upTo))
      for (const piece of merged.length > BLOCK_IDS_MAX ? cut(merged) : [merged]) result.push(piece)
      sinceYield += upTo - taken
      taken = upTo
      if (sinceYield > SLICE_IDS) {
        sinceYield = 0
        yield
      }
    }
    return result
  }

  /** Merges two ascending lists into `target` from `at` on; quick where one is much shorter than the other. */
  #merge(target: Uint32Array, at: number, long: Uint32Array, short: Uint32Array): number {
    let taken = 0
    for (let i = 0; i < short.length; i++) {
      const id = short[i]!
      const upTo = this.#gallop(long, taken, id)
      at = copyIds(target, at, long, taken, upTo)
      target[at++] = id
      taken = upTo
    }
    return copyIds(target, at, long, taken, long.length)
  }

  /** First place at or after `from` whose key follows that of `id`. Looks near `from` first. */
  #gallop(ids: Uint32Array, from: number, id: number): number {
    let low = from
    let step = 1
    while (low + step <= ids.length && this.#keys.compare(ids[low + step - 1]!, id) < 0) {
      low += step
      step *= 2
    }
    let high = Math.min(ids.length, low + step - 1)
    while (low < high) {
      const middle = (low + high) >>> 1
      if (this.#keys.compare(ids[middle]!, id) < 0) low = middle + 1
      else high = middle
    }
    return low
  }
}

/** Where a walk over blocks stands: block number and place in it. */
export interface KeyPlace {
  readonly block: number
  readonly at: number
}

/** First place whose key is not before `bound`; one past the last block if there is none. */
export function placeOf(blocks: KeyBlocks, keys: KeyRows, bound: Buffer): KeyPlace {
  let low = 0
  let high = blocks.length
  while (low < high) {
    const middle = (low + high) >>> 1
    const block = blocks[middle]!
    if (keys.compareBytes(block[block.length - 1]!, bound, 0, bound.length) < 0) low = middle + 1
    else high = middle
  }
  const block = blocks[low]
  if (block === undefined) return { block: low, at: 0 }
  let first = 0
  let last = block.length - 1
  while (first < last) {
    const middle = (first + last) >>> 1
    if (keys.compareBytes(block[middle]!, bound, 0, bound.length) < 0) first = middle + 1
    else last = middle
  }
  return { block: low, at: first }
}

/** Equal pieces of at most `BLOCK_IDS_MAX`. */
function cut(ids: Uint32Array): Uint32Array[] {
  const count = Math.ceil(ids.length / BLOCK_IDS_MAX)
  const pieces: Uint32Array[] = []
  for (let i = 0; i < count; i++) {
    pieces.push(ids.slice(Math.floor((i * ids.length) / count), Math.floor(((i + 1) * ids.length) / count)))
  }
  return pieces
}

function copyIds(target: Uint32Array, at: number, source: Uint32Array, from: number, to: number): number {
  if (to - from >= NATIVE_COPY_FROM) {
    target.set(source.subarray(from, to), at)
    return at + to - from
  }
  for (let i = from; i < to; i++) target[at++] = source[i]!
  return at
}
