/** What is written and read: keys, values and the order in which keys are picked. The same settings give the same load. */

/** Digits of a key after its first letter: 16 bytes in all. */
const KEY_DIGITS = 15
export const KEY_SIZE_BYTES = KEY_DIGITS + 1
/** Values differ, so that nothing is measured that only holds for repeated bytes. */
const VALUES_IN_POOL = 1_021

/** The key with that number: 16 bytes, ASCII. */
export function keyOf(number: number): string {
  return `k${String(number).padStart(KEY_DIGITS, '0')}`
}

/** Keys 0 to `count` - 1, made once: a load generator must not make strings while it measures. */
export function makeKeys(count: number): string[] {
  return Array.from({ length: count }, (_, number) => keyOf(number))
}

/** Values of one size; they are written as they are and must not be changed. */
export class ValuePool {
  readonly #values: Buffer[]

  constructor(sizeBytes: number) {
    const random = new Random(sizeBytes + 1)
    this.#values = Array.from({ length: VALUES_IN_POOL }, () => {
      const value = Buffer.allocUnsafeSlow(sizeBytes)
      for (let at = 0; at < sizeBytes; at++) value[at] = 97 + random.below(26)
      return value
    })
  }

  /** The value that belongs to a number: what a fill writes under key `number`. */
  at(number: number): Buffer {
    return this.#values[number % VALUES_IN_POOL]!
  }
}

/** Whole numbers that look random and are the same for the same seed (xorshift, 32 bits). */
export class Random {
  #state: number

  constructor(seed: number) {
    // Neighbouring seeds must not give neighbouring sequences, and the state must not be 0.
    this.#state = Math.imul(seed + 1, 0x9e3779b1) >>> 0 || 1
  }

  /** From 0 to `limit` - 1; `limit` is at most 2^31. */
  below(limit: number): number {
    let state = this.#state
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    this.#state = state >>> 0
    return this.#state % limit
  }
}
