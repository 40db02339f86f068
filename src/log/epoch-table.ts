import type { EpochSpan } from './log.js'
import type { SpanState } from './log-state.js'
import { ZERO_HASH } from './record-layout.js'

/** The part of a log that belongs to one epoch; its end is known once the next begins. */
interface Span {
  readonly epoch: number
  readonly startIndex: number
  endIndex: number
  endHash: Buffer
}

/**
 * Which epoch holds which part of a log, and of which epochs the disk holds orphans. The last epoch's end is the log's
 * own, so it is handed in where it is needed.
 */
export class EpochTable {
  #spans: Span[]
  /** Of each epoch with orphans: the greatest first index among them. */
  readonly #orphanTops: Map<number, number>

  constructor(spans: readonly SpanState[], orphanTops: Map<number, number>) {
    this.#spans = spans.map(span => ({ ...span }))
    this.#orphanTops = orphanTops
  }

  /** The newest epoch in the log; 0 when it is empty. */
  get lastEpoch(): number {
    return this.#spans[this.#spans.length - 1]?.epoch ?? 0
  }

  get hasOrphans(): boolean {
    return this.#orphanTops.size > 0
  }

  /** Other spans take the place of these; what the disk holds of orphans stays as it is. */
  replace(spans: readonly SpanState[]): void {
    this.#spans = spans.map(span => ({ ...span }))
  }

  /** Where records at or below `index` that are in the log lie: by epoch, first index and last. */
  rangesTo(index: number): { epoch: number; firstIndex: number; lastIndex: number }[] {
    const spans = this.#spans.filter(span => span.startIndex <= index)
    return spans.map(({ epoch, startIndex, endIndex }) => {
      return { epoch, firstIndex: startIndex, lastIndex: endIndex === 0 ? index : Math.min(endIndex, index) }
    })
  }

  /** The epoch that holds this index, which must not be above the log's end; 0 below its start. */
  epochOf(index: number): number {
    let low = 0
    let high = this.#spans.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if (this.#spans[middle]!.startIndex <= index) low = middle + 1
      else high = middle
    }
    return low === 0 ? 0 : this.#spans[low - 1]!.epoch
  }

  /** Whether the disk may hold an orphan of this epoch at this index or above. */
  mayHoldOrphan(epoch: number, firstIndex: number): boolean {
    const top = this.#orphanTops.get(epoch)
    return top !== undefined && firstIndex <= top
  }

  /**
   * A record goes to the end of a log that ends at `lastIndex` with `lastHash`.
   * @returns whether the table that is written down has to change
   */
  append(epoch: number, firstIndex: number, lastIndex: number, lastHash: Buffer): boolean {
    const last = this.#spans[this.#spans.length - 1]
    const isNew = last?.epoch !== epoch
    if (isNew) {
      if (last !== undefined) {
        last.endIndex = lastIndex
        last.endHash = lastHash
      }
      this.#spans.push({ epoch, startIndex: firstIndex, endIndex: 0, endHash: ZERO_HASH })
    }
    const top = this.#orphanTops.get(epoch)
    if (top !== undefined && firstIndex >= top) this.#orphanTops.delete(epoch)
    return isNew || top !== undefined
  }

  /** The record at the log's end is cut off. */
  drop(firstIndex: number): void {
    const span = this.#spans[this.#spans.length - 1]!
    const top = this.#orphanTops.get(span.epoch)
    if (top === undefined || top < firstIndex) this.#orphanTops.set(span.epoch, firstIndex)
    if (firstIndex === span.startIndex) this.#spans.pop()
  }

  /** For a log that ends at `lastIndex` with `lastHash`. */
  list(lastIndex: number, lastHash: Buffer): EpochSpan[] {
    const last = this.#spans.length - 1
    return this.#spans.map(({ epoch, startIndex, endIndex, endHash }, i) => {
      if (i === last) return { epoch, startIndex, lastIndex, hash: lastHash }
      return { epoch, startIndex, lastIndex: endIndex, hash: endHash }
    })
  }

  /**
   * What is written down. The last span stays open, so that plain appends need no new table, unless the disk holds
   * orphans of its epoch further up: then its end is written down with every append, or a restart would take them in
   * again.
   */
  toState(lastIndex: number, lastHash: Buffer): SpanState[] {
    const spans: SpanState[] = this.#spans.map(span => ({ ...span }))
    const last = spans.pop()
    if (last === undefined) return spans
    const isClosed = this.#orphanTops.has(last.epoch)
    const endHash = isClosed ? lastHash : ZERO_HASH
    spans.push({ ...last, endIndex: isClosed ? lastIndex : 0, endHash })
    return spans
  }
}
