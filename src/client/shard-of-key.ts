/**
 * Which shard a key belongs to: CRC-32 (IEEE) of the key's hashed part modulo the number of shards. Every
 * client in every language must agree, so the rule is small: the hashed part is what stands between the
 * first `{` and the next `}` after it, or the whole key where there is no such pair or nothing between.
 */

const OPEN = 0x7b
const CLOSE = 0x7d

const table = new Int32Array(256)
for (let byte = 0; byte < 256; byte++) {
  let crc = byte
  for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0xedb88320 : crc >>> 1
  table[byte] = crc
}

/**
 * CRC-32 (IEEE) of `length` bytes from `start` on. For keys: a table walk in JavaScript beats a native call
 * by far at this length.
 */
export function crc32Of(bytes: Uint8Array, start: number, length: number): number {
  let crc = -1
  const end = start + length
  for (let at = start; at < end; at++) crc = table[(crc ^ bytes[at]!) & 0xff]! ^ (crc >>> 8)
  return (crc ^ -1) >>> 0
}

/** Ordinal, from 0, of the shard of the key at `start`. Allocates nothing. `shardCount` is at least 1. */
export function shardOfKeyAt(bytes: Uint8Array, start: number, length: number, shardCount: number): number {
  if (shardCount === 1) return 0
  const end = start + length
  let open = start
  while (open < end && bytes[open] !== OPEN) open++
  if (open < end) {
    let close = open + 1
    while (close < end && bytes[close] !== CLOSE) close++
    if (close < end && close > open + 1) return crc32Of(bytes, open + 1, close - open - 1) % shardCount
  }
  return crc32Of(bytes, start, length) % shardCount
}

/** Ordinal, from 0, of the shard of `key`. `shardCount` is at least 1. */
export function shardOfKey(key: Uint8Array, shardCount: number): number {
  return shardOfKeyAt(key, 0, key.length, shardCount)
}
