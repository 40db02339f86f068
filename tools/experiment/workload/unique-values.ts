/** Values that no other write of a run has, so that what a read saw names one write. */

import { Random } from '../../random.js'
import { VALUE_SIZE_BYTES_MAX } from './workload.js'

/** Where a filler may begin: values differ beyond their heads as well, so that they do not compress away. */
const FILLER_STARTS = 1_021
const filler = makeFiller(VALUE_SIZE_BYTES_MAX + FILLER_STARTS)

/** One writer's values: `<writer>/<sequence> <filler>`, all of one size and all ASCII. */
export class UniqueValues {
  readonly #writer: string
  readonly #sizeBytes: number
  #last = 0

  /** `writer` is unique in the run; a size of at least `VALUE_SIZE_BYTES_MIN` has room for it and its sequence. */
  constructor(writer: string, sizeBytes: number) {
    this.#writer = writer
    this.#sizeBytes = sizeBytes
  }

  next(): string {
    this.#last += 1
    const head = `${this.#writer}/${this.#last} `
    const from = (this.#last * 31) % FILLER_STARTS
    return head + filler.slice(from, from + this.#sizeBytes - head.length)
  }
}

function makeFiller(length: number): string {
  const random = new Random(0, 'filler')
  return Array.from({ length }, () => String.fromCharCode(97 + random.below(26))).join('')
}
