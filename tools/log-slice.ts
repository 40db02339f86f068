/**
 * A part of one shard's log as a file of JSON lines: a header, then the entries in order, one a line as `log cat -o
 * ndjson` has them, then an end line with their number and a digest of all lines before it. A file that was cut off, or
 * changed, is noticed before anything is done with it.
 */

import { createHash } from 'node:crypto'
import { type LogLine, lineObject } from './log-line.js'

export const SLICE_FORMAT = 'varve-log'
export const SLICE_VERSION = 1

/** What the first line says. */
export interface SliceHeader {
  readonly shard: string
  readonly logId: string
  /** Both inclusive. */
  readonly fromIndex: number
  readonly toIndex: number
  /** Only entries of keys that begin so were taken; '' for all. */
  readonly prefix: string
}

/** One entry of a slice. */
export interface SliceEntry {
  readonly line: LogLine
  /** Index of the first entry of its atomic batch; 0 for an entry that is none of a batch. */
  readonly batch: number
}

/** Makes the lines of a slice, with their line ends. `header` first, then `entry` for each, then `end`. */
export class SliceWriter {
  readonly #digest = createHash('sha256')
  #entries = 0
  /** Index of the batch's first entry, while the entry before said that its batch goes on. */
  #batch = 0

  get entries(): number {
    return this.#entries
  }

  header({ shard, logId, fromIndex, toIndex, prefix }: SliceHeader): string {
    const filter = prefix === '' ? {} : { prefix }
    return this.#line({
      format: SLICE_FORMAT,
      version: SLICE_VERSION,
      shard,
      logId,
      fromIndex,
      toIndex,
      ...filter,
    })
  }

  /** '' for an entry that is left out: it counts for where batches begin all the same. */
  entry(line: LogLine, isWanted: boolean): string {
    if (this.#batch === 0 && line.batchContinues) this.#batch = line.index
    const batch = this.#batch
    if (!line.batchContinues) this.#batch = 0
    if (!isWanted) return ''
    this.#entries += 1
    return this.#line({ ...lineObject(line), ...(batch === 0 ? {} : { batch }) })
  }

  end(): string {
    const sha256 = this.#digest.digest('hex')
    return `${JSON.stringify({ end: SLICE_FORMAT, entries: this.#entries, sha256 })}\n`
  }

  #line(object: object): string {
    const text = `${JSON.stringify(object)}\n`
    this.#digest.update(text)
    return text
  }
}
