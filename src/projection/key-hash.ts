/**
 * The hash of the key index: HalfSipHash-1-3. It is keyed, so that a client who chooses keys cannot make them
 * collide; it costs about 12 ns a key more than a hash that is not (16 bytes: 28 ns). The hash never leaves the process: no
 * state that replicas compare may depend on it. Source: Aumasson, Bernstein, "SipHash: a fast short-input PRF",
 * in the 32-bit variant of its reference implementation.
 */

/** Hash of `length` bytes from `start`, as a signed 32-bit number; `seedLow` and `seedHigh` are the secret key. */
export function hashKey(
  bytes: Uint8Array,
  start: number,
  length: number,
  seedLow: number,
  seedHigh: number,
): number {
  let v0 = seedLow | 0
  let v1 = seedHigh | 0
  let v2 = 0x6c796765 ^ seedLow
  let v3 = 0x74656462 ^ seedHigh
  const wholeWords = start + (length & ~3)
  let at = start
  for (; at < wholeWords; at += 4) {
    const word = bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24)
    v3 ^= word
    // One SipRound, written out here and below: a function would have to return four numbers.
    v0 = (v0 + v1) | 0
    v1 = ((v1 << 5) | (v1 >>> 27)) ^ v0
    v0 = (v0 << 16) | (v0 >>> 16)
    v2 = (v2 + v3) | 0
    v3 = ((v3 << 8) | (v3 >>> 24)) ^ v2
    v0 = (v0 + v3) | 0
    v3 = ((v3 << 7) | (v3 >>> 25)) ^ v0
    v2 = (v2 + v1) | 0
    v1 = ((v1 << 13) | (v1 >>> 19)) ^ v2
    v2 = (v2 << 16) | (v2 >>> 16)
    v0 ^= word
  }
  let rest = length << 24
  for (let shift = 0; at < start + length; at++, shift += 8) rest |= bytes[at]! << shift
  v3 ^= rest
  for (let round = 0; round < 4; round++) {
    v0 = (v0 + v1) | 0
    v1 = ((v1 << 5) | (v1 >>> 27)) ^ v0
    v0 = (v0 << 16) | (v0 >>> 16)
    v2 = (v2 + v3) | 0
    v3 = ((v3 << 8) | (v3 >>> 24)) ^ v2
    v0 = (v0 + v3) | 0
    v3 = ((v3 << 7) | (v3 >>> 25)) ^ v0
    v2 = (v2 + v1) | 0
    v1 = ((v1 << 13) | (v1 >>> 19)) ^ v2
    v2 = (v2 << 16) | (v2 >>> 16)
    if (round === 0) {
      v0 ^= rest
      v2 ^= 0xff
    }
  }
  return v1 ^ v3
}
