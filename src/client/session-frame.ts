/**
 * The packed operations and answers of a session stream (`Kv.Session`): what both sides share. Requests are
 * in session-frame-request.ts, answers in session-frame-response.ts.
 *
 * A protobuf message an operation costs more than the operation. So one `SessionRequest` carries a few
 * frames, one for each shard, and a frame carries many operations with consecutive ids in plain bytes. All
 * numbers are little-endian; integers that may pass 2^32 are doubles, exact below 2^53.
 */
import { VarveError } from './errors.js'

/** First byte of every frame. */
export const FRAME_VERSION = 1

/** Size in bytes of the header of a request frame. */
export const REQUEST_HEADER_SIZE = 48

/** Size in bytes of the header of an answer frame. */
export const RESPONSE_HEADER_SIZE = 64

/** A frame is closed at about this size; one larger operation or atomic batch may exceed it. */
export const FRAME_SIZE_BYTES_TARGET = 262_144

/** Second byte of a request frame. */
export const RequestKind = { WRITES: 1, READS: 2 } as const

/** Second byte of an answer frame. */
export const ResponseKind = { WRITES_DONE: 1, WRITE_RESULTS: 2, READ_RESULTS: 3, FAILED: 4 } as const

/** Flags of an operation in a WRITES frame. */
export const WriteFlag = { RETURN_PREVIOUS: 1, IF_INDEX: 2, IF_ABSENT: 4, BATCH_CONTINUES: 8 } as const

/** Flags of a result in a WRITE_RESULTS frame. */
export const WriteResultFlag = { APPLIED: 1, COMMITTED: 2, PREVIOUS_FOUND: 4, PREVIOUS_REQUESTED: 8 } as const

/** Flags of a result in a READ_RESULTS frame. */
export const ReadResultFlag = { FOUND: 1, COMMITTED: 2 } as const

/** How fresh a read is, or when a write is acknowledged. Writes are STRONG or WEAK. */
export const FrameConsistency = { STRONG: 1, WEAK: 2, SESSION: 3 } as const
export type FrameConsistency = (typeof FrameConsistency)[keyof typeof FrameConsistency]

/** WRITES or READS, from a frame's second byte. Throws `INVALID_ARGUMENT` on anything else. */
export function frameKind(frame: Buffer): 1 | 2 {
  if (frame.length < REQUEST_HEADER_SIZE) {
    throw garbled(`a frame of ${frame.length} bytes is shorter than its header of ${REQUEST_HEADER_SIZE}`)
  }
  if (frame[0] !== FRAME_VERSION) {
    throw garbled(
      `frame version ${frame[0]}, expected ${FRAME_VERSION}: client and node are of different versions`,
    )
  }
  const kind = frame[1]
  if (kind !== RequestKind.WRITES && kind !== RequestKind.READS) {
    throw garbled(`frame kind ${kind}, expected 1 (writes) or 2 (reads)`)
  }
  return kind
}

/** The error for a request frame that does not follow the layout. */
export function garbled(what: string): VarveError {
  return new VarveError('INVALID_ARGUMENT', `malformed session frame: ${what}`, { outcome: 'failed' })
}

/** Throws unless `value` is an integer from `least` up that a double holds exactly. */
export function checkInteger(value: number, least: number, name: string): void {
  if (!(value >= least && Number.isSafeInteger(value))) {
    throw garbled(`${name} is ${value}, expected an integer from ${least} up`)
  }
}

const GROWN_SIZE_BYTES_KEPT = 2_097_152

/**
 * Bytes that grow as they are written, reused from frame to frame. `bytes` and `view` are the same memory and
 * are replaced when it grows: take them again after each `reserve`.
 */
export class FrameBuffer {
  bytes: Buffer
  view: DataView
  length = 0
  readonly #initialSize: number

  constructor(initialSize = 16_384) {
    this.#initialSize = initialSize
    this.bytes = Buffer.allocUnsafeSlow(initialSize)
    this.view = new DataView(this.bytes.buffer, 0, initialSize)
  }

  /** Makes room for `size` more bytes, moves `length` past them and returns where they begin. */
  reserve(size: number): number {
    const start = this.length
    this.length = start + size
    if (this.length > this.bytes.length) this.#grow()
    return start
  }

  /** A copy of what was written, and an empty buffer again. */
  take(): Buffer {
    const taken = Buffer.allocUnsafe(this.length)
    this.bytes.copy(taken, 0, 0, this.length)
    this.length = 0
    if (this.bytes.length > GROWN_SIZE_BYTES_KEPT) this.#resize(this.#initialSize)
    return taken
  }

  #grow(): void {
    const old = this.bytes
    let size = old.length * 2
    while (size < this.length) size *= 2
    this.#resize(size)
    old.copy(this.bytes)
  }

  #resize(size: number): void {
    this.bytes = Buffer.allocUnsafeSlow(size)
    this.view = new DataView(this.bytes.buffer, 0, size)
  }
}

const NATIVE_COPY_FROM = 32

/** Copies bytes between buffers; short runs in a loop, which is cheaper than a native call. */
export function copyBytes(
  source: Uint8Array,
  start: number,
  length: number,
  target: Buffer,
  at: number,
): void {
  if (length < NATIVE_COPY_FROM) {
    for (let k = 0; k < length; k++) target[at + k] = source[start + k]!
  } else if (start === 0 && length === source.length) {
    target.set(source, at)
  } else {
    target.set(source.subarray(start, start + length), at)
  }
}
