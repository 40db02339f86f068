/**
 * Where the records of a log begin, written down beside its checkpoints, so that opening a log need not look at every
 * record that a checkpoint vouches for. It is a convenience and never trusted: a part counts only if the record that it
 * ends with is in the log, by hash; that hash stands for all records before it. Whether they are still on the disk
 * is found out when they are read, as ever below a checkpoint.
 *
 * Each part is a blob `starts/SHARD/INDEX/HASH` of the record that ends at INDEX, and names the part before it:
 *
 * magic u32, version u16, shard u16, count u32, index before f64, hash before 32 bytes, index f64, hash 32 bytes; then
 * the first index of each record as its distance to the one before (of the first: to the index before), seven bits in a
 * byte and the eighth set where more follow, then CRC-32 u32 of everything before.
 */
import { crc32 } from 'node:zlib'
import type { BlobStore } from './blob-store.js'
import { LogError, reasonOf } from './errors.js'
import type { Log } from './log.js'
import type { Logger } from './logger.js'
import { HASH_SIZE_BYTES } from './record-layout.js'

const VERSION = 1
/** "VRST" read as a little-endian u32. */
const MAGIC = 0x54535256
const HEADER_SIZE_BYTES = 92
const CRC_SIZE_BYTES = 4
/** An index has 40 bits: six bytes of seven. */
const DELTA_SIZE_BYTES_MAX = 6

/** So many records are worth a part of their own: to find out where fewer begin takes some 10 ms. */
export const STARTS_COUNT_MIN = 1_024

/** What is needed of a log to write down where its records begin. */
export type StartsLog = Pick<
  Log,
  'shard' | 'baseIndex' | 'baseHash' | 'lastIndex' | 'durableIndex' | 'hashAt' | 'firstIndexes'
>

interface RecordEnd {
  readonly index: number
  /** Of the record that ends there. */
  readonly hash: Buffer
}

interface Part extends RecordEnd {
  readonly shard: number
  readonly before: RecordEnd
  /** First indexes, ascending. */
  readonly starts: Float64Array
}

/** Records that are known to be in a log, without a gap from where it is kept: what `loadStarts` found. */
export interface KnownStarts {
  /** First indexes, ascending. */
  readonly starts: Float64Array
  /** Where the last of them ends; where the log is kept from if there are none. */
  readonly lastIndex: number
}

/**
 * Writes down where the records up to `index` begin that no part tells yet, and removes parts that are of no use any
 * more. Nothing where they are fewer than `countMin`, or no durable record ends there. Not twice at a time for one shard.
 * @throws LogError when the store failed
 */
export async function saveStarts(
  log: StartsLog,
  blobs: BlobStore,
  index: number,
  countMin = STARTS_COUNT_MIN,
): Promise<void> {
  const isUsable = (end: RecordEnd) => {
    return end.index > log.baseIndex && end.index <= log.lastIndex && log.hashAt(end.index)?.equals(end.hash)
  }
  const names = await blobs.names(prefixOf(log.shard))
  const ends = names.map(endOfName)
  const stale = names.filter((_, at) => !isUsable(ends[at]!))
  const last = ends.findLast(end => isUsable(end))
  const before = last ?? { index: log.baseIndex, hash: Buffer.from(log.baseHash) }
  const hash = index <= log.durableIndex ? log.hashAt(index) : undefined
  if (hash !== undefined && index > before.index) {
    const starts = log.firstIndexes(before.index + 1, index)
    const part = { shard: log.shard, index, hash: Buffer.from(hash), before, starts }
    if (starts.length >= countMin) await blobs.write(nameOf(part), [encode(part)])
  }
  for (const name of stale) await blobs.remove(name)
}

/**
 * What is written down of the records from just above `baseIndex` to at most `throughIndex`. `isInLog` tells whether
 * the record that begins there is on the disk, whole, ends at that index and has that hash.
 */
export async function loadStarts(
  shard: number,
  blobs: BlobStore,
  baseIndex: number,
  throughIndex: number,
  isInLog: (firstIndex: number, end: { readonly index: number; readonly hash: Buffer }) => boolean,
  logger: Logger,
): Promise<KnownStarts> {
  const nothing = { starts: new Float64Array(0), lastIndex: baseIndex }
  const ends = (await blobs.names(prefixOf(shard))).map(endOfName)
  for (const end of ends.reverse()) {
    if (end.index <= baseIndex || end.index > throughIndex) continue
    try {
      const newest = await readPart(shard, blobs, end)
      if (!isInLog(newest.starts.at(-1)!, newest)) continue
      const parts = [newest]
      while (parts[0]!.before.index > baseIndex) parts.unshift(await readPart(shard, blobs, parts[0]!.before))
      return { starts: joined(parts, baseIndex), lastIndex: newest.index }
    } catch (error) {
      const where = { shard, index: end.index, reason: reasonOf(error) }
      logger.warn(where, 'what was written down of the log cannot be used: looking at its records')
    }
  }
  return nothing
}

/** All first indexes above `baseIndex`, which must be a record's end. */
function joined(parts: readonly Part[], baseIndex: number): Float64Array {
  const all = new Float64Array(parts.reduce((sum, part) => sum + part.starts.length, 0))
  let length = 0
  for (const { starts } of parts) {
    all.set(starts, length)
    length += starts.length
  }
  const from = all.indexOf(baseIndex + 1)
  if (from < 0) throw damaged(parts[0]!.shard, `no record begins at index ${baseIndex + 1}`)
  return all.subarray(from)
}

async function readPart(shard: number, blobs: BlobStore, end: RecordEnd): Promise<Part> {
  const name = nameOf({ shard, ...end })
  const chunks: Buffer[] = []
  const source = blobs.read(name)
  if (source === undefined) throw damaged(shard, `${name} is missing`)
  for await (const chunk of source) chunks.push(Buffer.from(chunk))
  const part = decode(Buffer.concat(chunks), shard)
  if (part.shard === shard && part.index === end.index && part.hash.equals(end.hash)) return part
  throw damaged(shard, `${name} is not what its name says`)
}

function encode({ shard, index, hash, before, starts }: Part): Buffer {
  const bytes = Buffer.allocUnsafe(HEADER_SIZE_BYTES + starts.length * DELTA_SIZE_BYTES_MAX + CRC_SIZE_BYTES)
  bytes.writeUInt32LE(MAGIC, 0)
  bytes.writeUInt16LE(VERSION, 4)
  bytes.writeUInt16LE(shard, 6)
  bytes.writeUInt32LE(starts.length, 8)
  bytes.writeDoubleLE(before.index, 12)
  before.hash.copy(bytes, 20)
  bytes.writeDoubleLE(index, 52)
  hash.copy(bytes, 60)
  let at = HEADER_SIZE_BYTES
  let last = before.index
  for (const start of starts) {
    let delta = start - last
    for (; delta >= 0x80; delta = Math.floor(delta / 0x80)) bytes[at++] = (delta % 0x80) | 0x80
    bytes[at++] = delta
    last = start
  }
  bytes.writeUInt32LE(crc32(bytes.subarray(0, at)), at)
  return bytes.subarray(0, at + CRC_SIZE_BYTES)
}

function decode(bytes: Buffer, shard: number): Part {
  const end = bytes.length - CRC_SIZE_BYTES
  if (end < HEADER_SIZE_BYTES || bytes.readUInt32LE(end) !== crc32(bytes.subarray(0, end))) {
    throw damaged(shard, 'its CRC does not match its bytes')
  }
  const version = bytes.readUInt16LE(4)
  if (bytes.readUInt32LE(0) !== MAGIC || version !== VERSION) {
    throw damaged(shard, `version ${version}, expected ${VERSION}`)
  }
  const before = { index: bytes.readDoubleLE(12), hash: bytes.subarray(20, 20 + HASH_SIZE_BYTES) }
  const index = bytes.readDoubleLE(52)
  const starts = new Float64Array(bytes.readUInt32LE(8))
  let last = before.index
  let at = HEADER_SIZE_BYTES
  for (let place = 0; place < starts.length; place++) {
    let scale = 1
    for (; bytes[at]! >= 0x80 && at < end; scale *= 0x80) last += (bytes[at++]! - 0x80) * scale
    last += bytes[at++]! * scale
    starts[place] = last
  }
  if (at !== end || starts.length === 0 || last > index) throw damaged(shard, 'it does not fill its bytes')
  return { shard: bytes.readUInt16LE(6), index, hash: bytes.subarray(60, HEADER_SIZE_BYTES), before, starts }
}

function prefixOf(shard: number): string {
  return `starts/${String(shard).padStart(5, '0')}/`
}

function nameOf({ shard, index, hash }: { readonly shard: number } & RecordEnd): string {
  return `${prefixOf(shard)}${String(index).padStart(13, '0')}/${hash.toString('hex')}`
}

function endOfName(name: string): RecordEnd {
  const [, , index, hash] = name.split('/')
  return { index: Number(index), hash: Buffer.from(hash ?? '', 'hex') }
}

function damaged(shard: number, what: string): LogError {
  return new LogError('LOG_DAMAGED', `where the records of shard ${shard} begin is damaged: ${what}`, {
    shard,
  })
}
