/** Pseudo-random numbers that a seed decides. What must not disturb each other draws from streams of its own. */
export class Random {
  #a: number
  #b: number
  #c: number
  #counter = 1

  /** The stream of that name under that seed. Streams with different names have nothing to do with each other. */
  constructor(seed: number, name = '') {
    let hash = 0x811c9dc5
    for (let at = 0; at < name.length; at += 1) hash = Math.imul(hash ^ name.charCodeAt(at), 0x01000193)
    this.#a = hash | 0
    this.#b = seed | 0
    this.#c = Math.floor(seed / 4_294_967_296) | 0
    for (let round = 0; round < 12; round += 1) this.next()
  }

  /** From 0 up to, not including, 1 (sfc32). */
  next(): number {
    const sum = (((this.#a + this.#b) | 0) + this.#counter) | 0
    this.#counter = (this.#counter + 1) | 0
    this.#a = this.#b ^ (this.#b >>> 9)
    this.#b = (this.#c + (this.#c << 3)) | 0
    this.#c = ((this.#c << 21) | (this.#c >>> 11)) + sum
    return (sum >>> 0) / 4_294_967_296
  }

  /** A whole number from 0 to `below - 1`. */
  below(below: number): number {
    return Math.floor(this.next() * below)
  }

  /** From `low` up to, not including, `high`. */
  between(low: number, high: number): number {
    return low + this.next() * (high - low)
  }

  chance(probability: number): boolean {
    return this.next() < probability
  }

  /** One of these; they must not be empty. */
  pick<T>(from: readonly T[]): T {
    return from[this.below(from.length)]!
  }

  /** The same in another order. */
  shuffled<T>(given: readonly T[]): T[] {
    const all = [...given]
    for (let at = all.length - 1; at > 0; at -= 1) {
      const other = this.below(at + 1)
      ;[all[at], all[other]] = [all[other]!, all[at]!]
    }
    return all
  }

  /** One of the names, each as likely as its weight says. */
  weighted<Name extends string>(weights: Readonly<Record<Name, number>>): Name {
    const names = Object.keys(weights) as Name[]
    let left = this.next() * names.reduce((sum, name) => sum + weights[name], 0)
    for (const name of names) {
      left -= weights[name]
      if (left < 0) return name
    }
    return names[0]!
  }
}
