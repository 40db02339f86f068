/**
 * The entries of a base, where a log begins above it: found by index, through a directory of its frames that is small
 * enough to be kept in memory. Frames read lately are kept, up to a number of bytes.
 */
import type { BlobView } from '../log/blob-store.js'
import { type Entry, EntryFlag, type Stamp } from '../log/entry.js'
import { LogError } from '../log/errors.js'
import type { BaseName, LogBase } from '../log/log-base.js'
import type { Moment } from '../log/moment.js'
import { type BaseEnd, BaseKind, END_FRAME_SIZE_BYTES, readEnd } from './base-codec.js'
import { readHeader } from './base-header.js'
import { BaseRow } from './base-rows.js'
import { checkedPayload, FRAME_HEADER_SIZE_BYTES, FRAME_SIZE_BYTES_MAX } from './frames.js'
import type { PrefixHorizon } from './kept-prefixes.js'

const CACHE_SIZE_BYTES = 4_194_304
/** Larger than most frames of entries. */
const READ_SIZE_BYTES = 24_576

/** Of each frame of entries, in order: the index of its first entry, and where in the base it begins. */
export interface BaseDirectory {
  readonly firstIndexes: Float64Array
  readonly offsets: Float64Array
}

export class BaseEntries {
  readonly base: LogBase
  /** Keys of which more is in it than their newest entries. */
  readonly kept: readonly PrefixHorizon[]
  readonly shard: number
  readonly #blob: BlobView
  readonly #directory: BaseDirectory
  readonly #entryCount: number
  readonly #row = new BaseRow()
  /** Payloads by frame, least recently used first. */
  readonly #cache = new Map<number, Buffer>()
  #cachedBytes = 0

  /**
   * Opens a base by its end and its directory; the entries are read when they are asked for.
   * @throws LogError LOG_DAMAGED when it is not a whole base, LOG_IO
   */
  constructor(shard: number, blob: BlobView, expected: BaseName) {
    this.shard = shard
    this.#blob = blob
    const fail = (what: string) => baseDamaged(shard, expected.index, what)
    const header = readHeader(this.#frame(0, BaseKind.HEADER, fail))
    if (typeof header === 'string') throw fail(header)
    const { base } = header
    if (header.shard !== shard || base.index !== expected.index || !base.hash.equals(expected.hash)) {
      throw fail(`it is of shard ${header.shard}, index ${base.index}`)
    }
    this.base = base
    this.kept = header.kept
    const endAt = blob.sizeBytes - END_FRAME_SIZE_BYTES
    const end = readEnd(this.#frame(endAt, BaseKind.END, fail))
    this.#entryCount = end.entries
    this.#directory = this.#readDirectory(end, endAt, fail)
  }

  /** Entries in it, with those of which only the request table needs the place. */
  get entryCount(): number {
    return this.#entryCount
  }

  /** Number of frames of entries. */
  get frameCount(): number {
    return this.#directory.offsets.length
  }

  /** Bytes of the directory and the frames at hand. */
  get sizeBytes(): number {
    return this.#directory.offsets.byteLength * 2 + this.#cachedBytes
  }

  /**
   * The row of the entry at `index`, as an object that holds until the next call; undefined where the base has none.
   * @throws LogError LOG_DAMAGED, LOG_IO
   */
  find(index: number): BaseRow | undefined {
    const { firstIndexes } = this.#directory
    let low = 0
    let high = firstIndexes.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if (firstIndexes[middle]! <= index) low = middle + 1
      else high = middle
    }
    if (low === 0) return undefined
    const row = this.#row
    for (let more = row.first(this.#payload(low - 1)); more; more = row.next()) {
      const at = row.index
      if (at === index) return row
      if (at > index) return undefined
    }
    return undefined
  }

  /** The entry at `index`; a stub's key and value are empty. Undefined where the base has none. Throws as `find`. */
  entry(index: number): Entry | undefined {
    return this.find(index)?.entry(this.epochOf(index))
  }

  /**
   * The last entry in the base at or before a moment; one in the middle of a batch only where an index is asked for.
   * Undefined where none is. Throws as `find`.
   */
  lastAt(moment: Moment): { readonly index: number; readonly stamp: Stamp } | undefined {
    const row = this.#row
    const isAfter = () => isRowAfter(row, moment)
    let low = 0
    let high = this.frameCount
    while (low < high) {
      const middle = (low + high) >>> 1
      row.first(this.#payload(middle))
      if (isAfter()) high = middle
      else low = middle + 1
    }
    // A batch may have begun in a frame before.
    for (let number = low - 1; number >= 0; number--) {
      let found: { index: number; stamp: Stamp } | undefined
      for (let more = row.first(this.#payload(number)); more && !isAfter(); more = row.next()) {
        if (moment.kind !== 'index' && (row.flags & EntryFlag.BATCH_CONTINUES) !== 0) continue
        found = { index: row.index, stamp: { lamport: row.lamport, wallMs: row.wallMs } }
      }
      if (found !== undefined) return found
    }
    return undefined
  }

  /** The epoch that holds this index, which must not be above the base. */
  epochOf(index: number): number {
    let epoch = 0
    for (const span of this.base.epochs) {
      if (span.startIndex > index) break
      epoch = span.epoch
    }
    return epoch
  }

  /** Payloads of all frames of entries, in order. Throws as `find`. */
  *payloads(): Generator<Buffer> {
    for (let number = 0; number < this.frameCount; number++) yield this.#read(number)
  }

  #payload(number: number): Buffer {
    const cached = this.#cache.get(number)
    if (cached !== undefined) {
      this.#cache.delete(number)
      this.#cache.set(number, cached)
      return cached
    }
    const payload = this.#read(number)
    this.#cache.set(number, payload)
    this.#cachedBytes += payload.length
    for (const [oldest, { length }] of this.#cache) {
      if (this.#cachedBytes <= CACHE_SIZE_BYTES || oldest === number) break
      this.#cache.delete(oldest)
      this.#cachedBytes -= length
    }
    return payload
  }

  #read(number: number): Buffer {
    const fail = (what: string) => baseDamaged(this.shard, this.base.index, what)
    return this.#frame(this.#directory.offsets[number]!, BaseKind.ENTRIES, fail)
  }

  #readDirectory({ directoryAt }: BaseEnd, endAt: number, fail: (what: string) => LogError): BaseDirectory {
    const payloads: Buffer[] = []
    for (let at = directoryAt; at < endAt; ) {
      const payload = this.#frame(at, BaseKind.DIRECTORY, fail)
      payloads.push(payload)
      at += FRAME_HEADER_SIZE_BYTES + payload.length
    }
    return directoryOf(payloads)
  }

  /** Payload of the frame at `offset`, which must be of this kind. */
  #frame(offset: number, kind: number, fail: (what: string) => LogError): Buffer {
    const left = this.#blob.sizeBytes - offset
    if (!(offset >= 0 && left >= FRAME_HEADER_SIZE_BYTES)) throw fail('it is cut short')
    // Mostly the whole frame: every read of the blob costs a chunk of it.
    const first = this.#bytes(Buffer.alloc(0), offset, FRAME_HEADER_SIZE_BYTES, READ_SIZE_BYTES, fail)
    const size = FRAME_HEADER_SIZE_BYTES + first.readUInt32LE(0)
    if (first[8] !== kind || size > Math.min(left, FRAME_HEADER_SIZE_BYTES + FRAME_SIZE_BYTES_MAX)) {
      throw fail(`no frame of kind ${kind} is at ${offset}`)
    }
    const frame = this.#bytes(first, offset, size, size, fail)
    return checkedPayload(frame.length === size ? frame : frame.subarray(0, size), fail)
  }

  /** `head`, which was read at `offset`, and as much after it as makes at least `sizeMin` bytes. */
  #bytes(
    head: Buffer,
    offset: number,
    sizeMin: number,
    sizeMax: number,
    fail: (what: string) => LogError,
  ): Buffer {
    if (head.length >= sizeMin) return head
    const pieces = [head]
    for (let at = head.length; at < sizeMin; ) {
      const piece = this.#blob.read(offset + at, sizeMax - at)
      if (piece === undefined) throw fail('it was removed')
      pieces.push(piece)
      at += piece.length
    }
    return pieces.length === 2 && head.length === 0 ? pieces[1]! : Buffer.concat(pieces)
  }
}

function isRowAfter(row: BaseRow, moment: Moment): boolean {
  if (moment.kind === 'index') return row.index > moment.index
  return moment.kind === 'wall' ? row.wallMs > moment.wallMs : row.lamport > moment.lamport
}

/** A directory from the payloads of its frames. */
export function directoryOf(payloads: readonly Buffer[]): BaseDirectory {
  const count = payloads.reduce((sum, payload) => sum + payload.length / 16, 0)
  const firstIndexes = new Float64Array(count)
  const offsets = new Float64Array(count)
  let number = 0
  for (const payload of payloads) {
    for (let at = 0; at < payload.length; at += 16) {
      firstIndexes[number] = payload.readDoubleLE(at)
      offsets[number] = payload.readDoubleLE(at + 8)
      number++
    }
  }
  return { firstIndexes, offsets }
}

/** A base cannot be replayed from anything: where it is damaged, the replica must begin anew. */
export function baseDamaged(shard: number, index: number, what: string): LogError {
  const text = `shard ${shard}: the base at index ${index} is damaged: ${what}; rename the data folder and join anew`
  return new LogError('LOG_DAMAGED', text, { shard, index })
}
