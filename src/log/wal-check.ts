/**
 * Looks through LevelDB's write-ahead files before LevelDB does. When one bit of them has flipped, LevelDB drops what
 * it cannot read, says nothing, and goes on with what follows: synced records vanish from the middle. A damaged
 * fragment at the very end is something else: the write that a crash cut short, which nobody was told about.
 *
 * A file is a sequence of blocks of 32 KiB; a block holds fragments, each a header (masked CRC-32C of type and data,
 * length, type) and data; fewer than 7 bytes at a block's end are left empty. A write is one FULL fragment, or FIRST,
 * any number of MIDDLE, LAST.
 */
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { crc32c, maskCrc } from './crc32c.js'
import { LogError } from './errors.js'

export const BLOCK_SIZE_BYTES = 32_768
export const HEADER_SIZE_BYTES = 7
/** Types of fragments. */
export const FULL = 1
export const FIRST = 2
export const MIDDLE = 3
export const LAST = 4

/** Where a write-ahead file stops being what was written, and where it goes on nevertheless. */
export interface WalDamage {
  readonly damagedAt: number
  readonly goodAgainAt: number
}

/**
 * Checks all write-ahead files of a database folder. Nothing is changed; a folder that is not there is fine.
 * `advice` ends the message: what to do about damage.
 * @throws LogError LOG_DAMAGED naming file and offset; LOG_IO
 */
export async function checkWriteAheadFiles(
  dir: string,
  advice = 'rename the data folder and join anew',
): Promise<void> {
  const names = await readdir(dir).catch(error => {
    if (error.code === 'ENOENT') return []
    throw new LogError('LOG_IO', `cannot read the data folder ${dir}: ${error.message}`, { cause: error })
  })
  for (const name of names.filter(each => /^\d+\.log$/.test(each)).sort()) {
    const path = join(dir, name)
    const bytes = await readFile(path).catch(error => {
      // A process that holds the database may have just replaced it; opening will say that it is locked.
      if (error.code === 'ENOENT') return Buffer.alloc(0)
      throw new LogError('LOG_IO', `cannot read ${path}: ${error.message}`, { cause: error })
    })
    const damage = findWalDamage(bytes)
    if (damage === undefined) continue
    const where = `damaged at offset ${damage.damagedAt}, with good data from offset ${damage.goodAgainAt} on`
    throw new LogError('LOG_DAMAGED', `write-ahead file ${path} is ${where}: ${advice}`)
  }
}

/** A damaged fragment that a good one follows; undefined for a sound file, also with a torn end. */
export function findWalDamage(bytes: Buffer): WalDamage | undefined {
  let damagedAt = -1
  let inWrite = false
  for (let at = 0; at < bytes.length; ) {
    const blockEnd = Math.min(bytes.length, at - (at % BLOCK_SIZE_BYTES) + BLOCK_SIZE_BYTES)
    if (blockEnd - at < HEADER_SIZE_BYTES) {
      at = blockEnd
      continue
    }
    const length = fragmentLength(bytes, at, blockEnd)
    if (length === 0) {
      if (damagedAt < 0) damagedAt = at
      // Its own length cannot be trusted: the next good one may begin at any byte.
      at++
      continue
    }
    if (damagedAt >= 0) return { damagedAt, goodAgainAt: at }
    const type = bytes[at + 6]!
    // A write that ends without having begun, or begins twice: what was between is gone without a trace.
    if (inWrite === (type === FULL || type === FIRST)) return { damagedAt: at, goodAgainAt: at }
    inWrite = type !== FULL && type !== LAST
    at += length
  }
  return undefined
}

/** Size of the sound fragment at this offset, header included; 0 when there is none. */
export function fragmentLength(bytes: Buffer, at: number, blockEnd: number): number {
  const type = bytes[at + 6]!
  if (type < FULL || type > LAST) return 0
  const end = at + HEADER_SIZE_BYTES + bytes.readUInt16LE(at + 4)
  if (end > blockEnd) return 0
  if (maskCrc(crc32c(bytes, at + 6, end)) !== bytes.readUInt32LE(at)) return 0
  return end - at
}
