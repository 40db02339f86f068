/** The hash by which YCSB scatters popular items over all keys (`Utils.fnvhash64`). */

const OFFSET_HIGH = 0xcbf29ce4
const OFFSET_LOW = 0x84222325
const TWO_32 = 4_294_967_296

/**
 * The 64-bit FNV-1a hash of the eight octets of a number, least first, taken as a signed number and made positive, modulo
 * `items`. Both are whole numbers: `value` from 0 to 2^53 - 1, `items` from 1 to 2^20.
 */
export function fnvHashModulo(value: number, items: number): number {
  let high = OFFSET_HIGH
  let low = OFFSET_LOW
  let rest = value
  for (let octets = 0; octets < 8; octets += 1) {
    low = (low ^ (rest % 256)) >>> 0
    rest = Math.floor(rest / 256)
    // Times the prime 2^40 + 435, in halves of 32 bits: each product stays below 2^53.
    const product = low * 435
    high = (high * 435 + Math.floor(product / TWO_32) + ((low << 8) >>> 0)) % TWO_32
    low = product % TWO_32
  }
  if (high >= TWO_32 / 2) {
    low = (TWO_32 - low) % TWO_32
    high = (TWO_32 - high - (low === 0 ? 0 : 1)) % TWO_32
  }
  return ((high % items) * (TWO_32 % items) + (low % items)) % items
}
