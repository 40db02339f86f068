/**
 * Numbers that follow Zipf's law: the one at rank r (from 0) is drawn with a probability proportional to 1/(r+1)^theta.
 * The method is that of Gray et al., "Quickly Generating Billion-Record Synthetic Databases" (SIGMOD 1994), as YCSB's
 * `ZipfianGenerator` has it: ranks 0 and 1 exactly, the others by a continuous approximation.
 */

import type { Random } from '../../random.js'
import { fnvHashModulo } from './fnv-hash.js'

/** Items among which YCSB's `ScrambledZipfianGenerator` draws, however many keys there are. */
export const SCRAMBLED_ITEMS = 10_000_000_000

/** Terms of a zeta that are summed up one by one; what comes after them is integrated. */
const SUMMED_MAX = 1_000

/** The sum of 1/i^theta for i from 1 to `items`: the divisor of all probabilities. Within a relative 1e-9. */
export function zeta(items: number, theta: number): number {
  const summed = Math.min(items, SUMMED_MAX)
  let sum = 0
  for (let i = 1; i <= summed; i += 1) sum += i ** -theta
  if (items === summed) return sum
  // Euler and Maclaurin: the integral, and what the ends and their slopes add to it.
  const integral = (items ** (1 - theta) - summed ** (1 - theta)) / (1 - theta)
  const ends = (items ** -theta - summed ** -theta) / 2
  const slopes = (theta * (summed ** (-theta - 1) - items ** (-theta - 1))) / 12
  return sum + integral + ends + slopes
}

/** Draws ranks. The number of items may grow. */
export class Zipfian {
  readonly #theta: number
  readonly #alpha: number
  readonly #zetaOf2: number
  #items: number
  #zeta: number
  #eta: number

  /** `items` from 1; `theta` between 0 and 1. */
  constructor(items: number, theta: number) {
    this.#theta = theta
    this.#alpha = 1 / (1 - theta)
    this.#zetaOf2 = zeta(2, theta)
    this.#items = items
    this.#zeta = zeta(items, theta)
    this.#eta = this.#etaNow()
  }

  /** One more item, the least popular one. */
  grow(): void {
    this.#items += 1
    this.#zeta += this.#items ** -this.#theta
    this.#eta = this.#etaNow()
  }

  /** From 0, the most popular, to one less than the items. */
  next(random: Random): number {
    const drawn = random.next()
    const scaled = drawn * this.#zeta
    if (scaled < 1 || this.#items === 1) return 0
    if (scaled < this.#zetaOf2) return 1
    const rank = Math.floor(this.#items * (this.#eta * drawn - this.#eta + 1) ** this.#alpha)
    return Math.min(rank, this.#items - 1)
  }

  #etaNow(): number {
    const divisor = 1 - this.#zetaOf2 / this.#zeta
    return (1 - (2 / this.#items) ** (1 - this.#theta)) / divisor
  }
}

/**
 * Draws items of which few are popular, but not the first ones: YCSB's `ScrambledZipfianGenerator`. It draws a rank among
 * 10^10, whose hash decides the item, so an item has the share of all ranks that fall on it.
 */
export class ScrambledZipfian {
  readonly #ranks: Zipfian
  readonly #items: number

  constructor(items: number, theta: number) {
    this.#ranks = new Zipfian(SCRAMBLED_ITEMS, theta)
    this.#items = items
  }

  /** From 0 to one less than the items. */
  next(random: Random): number {
    return fnvHashModulo(this.#ranks.next(random), this.#items)
  }
}
