/**
 * All that can still be read of one of LevelDB's write-ahead files, and where it is not what was written. LevelDB itself
 * gives up the rest of a block after a damaged fragment, sound writes too; here nothing sound is given up.
 */
import { crc32c, maskCrc } from './crc32c.js'
import {
  BLOCK_SIZE_BYTES,
  FIRST,
  FULL,
  fragmentLength,
  HEADER_SIZE_BYTES,
  LAST,
  MIDDLE,
  type WalDamage,
} from './wal-check.js'

/** What is in a write-ahead file. */
export interface WalContents {
  /** The writes that are whole, in order: views on the file's bytes, or copies. */
  readonly writes: readonly Buffer[]
  /** What good data follows and is itself not good, in order. */
  readonly damages: readonly WalDamage[]
  /** Where the write begins that the file ends within, as a crash leaves it; undefined where it ends with a whole one. */
  readonly tornAt: number | undefined
}

/** Reads a write-ahead file. Finds the first damage where `findWalDamage` does, and goes on behind it. */
export function scanWal(bytes: Buffer): WalContents {
  const writes: Buffer[] = []
  const damages: WalDamage[] = []
  let damagedAt = -1
  let parts: Buffer[] | undefined
  let beganAt = 0
  /** What comes before the next beginning of a write belongs to one that is damaged. */
  let isLost = false
  for (let at = 0; at < bytes.length; ) {
    const blockEnd = Math.min(bytes.length, at - (at % BLOCK_SIZE_BYTES) + BLOCK_SIZE_BYTES)
    if (blockEnd - at < HEADER_SIZE_BYTES) {
      // What fills up a block comes with the write behind it: at the file's end it is the beginning of a torn one.
      if (blockEnd % BLOCK_SIZE_BYTES !== 0 && damagedAt < 0) damagedAt = at
      at = blockEnd
      continue
    }
    const length = fragmentLength(bytes, at, blockEnd)
    if (length === 0) {
      if (damagedAt < 0) damagedAt = at
      at++
      continue
    }
    const type = bytes[at + 6]!
    const begins = type === FULL || type === FIRST
    if (damagedAt >= 0) {
      damages.push({ damagedAt, goodAgainAt: at })
      damagedAt = -1
      parts = undefined
      isLost = true
    } else if (!isLost && begins === (parts !== undefined)) {
      damages.push({ damagedAt: at, goodAgainAt: at })
      parts = undefined
      isLost = true
    }
    if (begins) {
      parts = []
      beganAt = at
      isLost = false
    }
    parts?.push(bytes.subarray(at + HEADER_SIZE_BYTES, at + length))
    if (parts !== undefined && (type === FULL || type === LAST)) {
      writes.push(parts.length === 1 ? parts[0]! : Buffer.concat(parts))
      parts = undefined
    }
    at += length
  }
  const tornAt = parts !== undefined ? beganAt : damagedAt >= 0 ? damagedAt : undefined
  return { writes, damages, tornAt }
}

/** A sound write-ahead file of these writes. */
export function encodeWal(writes: readonly Buffer[]): Buffer {
  const pieces: Buffer[] = []
  let at = 0
  for (const write of writes) {
    for (let from = 0, isLast = false; !isLast; ) {
      const room = BLOCK_SIZE_BYTES - (at % BLOCK_SIZE_BYTES)
      if (room < HEADER_SIZE_BYTES) {
        pieces.push(Buffer.alloc(room))
        at += room
        continue
      }
      const data = write.subarray(from, from + room - HEADER_SIZE_BYTES)
      isLast = from + data.length === write.length
      pieces.push(fragment(typeOf(from === 0, isLast), data))
      at += HEADER_SIZE_BYTES + data.length
      from += data.length
    }
  }
  return Buffer.concat(pieces)
}

function typeOf(isFirst: boolean, isLast: boolean): number {
  if (isFirst) return isLast ? FULL : FIRST
  return isLast ? LAST : MIDDLE
}

function fragment(type: number, data: Buffer): Buffer {
  const bytes = Buffer.allocUnsafe(HEADER_SIZE_BYTES + data.length)
  bytes.writeUInt16LE(data.length, 4)
  bytes[6] = type
  data.copy(bytes, HEADER_SIZE_BYTES)
  bytes.writeUInt32LE(maskCrc(crc32c(bytes, 6)), 0)
  return bytes
}
