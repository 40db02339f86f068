/**
 * What checkpoints and bases are written in: frames of (payload length u32, CRC-32 u32, kind u8, payload), all numbers
 * little-endian. The CRC covers kind and payload, so a frame proves itself wherever it is read.
 */
import { crc32 } from 'node:zlib'

export const FRAME_HEADER_SIZE_BYTES = 9
/** No frame is larger: one client with a full window, and as much again. */
export const FRAME_SIZE_BYTES_MAX = 8_388_608

/** Builds frames one after another, in memory that it uses again for each. */
export class FrameWriter {
  /** Write only where `take` said. */
  bytes: Buffer
  readonly #sizeBytesTarget: number
  #used = FRAME_HEADER_SIZE_BYTES

  /** A frame is full at about this size; one row may exceed it. */
  constructor(sizeBytesTarget: number) {
    this.#sizeBytesTarget = sizeBytesTarget
    this.bytes = Buffer.allocUnsafe(sizeBytesTarget + 8_192)
  }

  get isFull(): boolean {
    return this.#used >= this.#sizeBytesTarget
  }

  get isEmpty(): boolean {
    return this.#used === FRAME_HEADER_SIZE_BYTES
  }

  /** Bytes of the payload so far. */
  get payloadSizeBytes(): number {
    return this.#used - FRAME_HEADER_SIZE_BYTES
  }

  /** Makes room for so many bytes and returns where they go. */
  take(size: number): number {
    const at = this.#used
    if (at + size > this.bytes.length) {
      const larger = Buffer.allocUnsafe(Math.max(at + size, this.bytes.length * 2))
      this.bytes.copy(larger, 0, 0, at)
      this.bytes = larger
    }
    this.#used = at + size
    return at
  }

  /** The frame, valid until the next `take`: an empty frame is begun. */
  finish(kind: number): Buffer {
    const frame = this.bytes.subarray(0, this.#used)
    frame[8] = kind
    frame.writeUInt32LE(this.#used - FRAME_HEADER_SIZE_BYTES, 0)
    frame.writeUInt32LE(crc32(frame.subarray(8)), 4)
    this.#used = FRAME_HEADER_SIZE_BYTES
    return frame
  }
}

/** Cuts bytes that come in chunks of any size into frames again. */
export class FrameReader {
  readonly #take: (kind: number, payload: Buffer, offset: number) => void
  readonly #damaged: (what: string) => Error
  #rest: Buffer = Buffer.alloc(0)
  #offset = 0

  /** `take` gets each frame's kind, payload (to be copied if kept) and offset; `damaged` makes the error to throw. */
  constructor(
    take: (kind: number, payload: Buffer, offset: number) => void,
    damaged: (what: string) => Error,
  ) {
    this.#take = take
    this.#damaged = damaged
  }

  /** Reads all frames that are whole by now. Throws what `damaged` makes. */
  add(chunk: Buffer): void {
    const bytes = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk])
    let at = 0
    while (bytes.length - at >= FRAME_HEADER_SIZE_BYTES) {
      const end = at + FRAME_HEADER_SIZE_BYTES + this.#sizeAt(bytes, at)
      if (end > bytes.length) break
      const frame = bytes.subarray(at, end)
      this.#take(frame[8]!, checkedPayload(frame, this.#damaged), this.#offset + at)
      at = end
    }
    this.#rest = bytes.subarray(at)
    this.#offset += at
  }

  /** The bytes are over. Throws what `damaged` makes when they end within a frame. */
  end(): void {
    if (this.#rest.length > 0) throw this.#damaged(`${this.#rest.length} bytes too many at its end`)
  }

  #sizeAt(bytes: Buffer, at: number): number {
    const size = bytes.readUInt32LE(at)
    if (size > FRAME_SIZE_BYTES_MAX) throw this.#damaged(`it has a frame of ${size} bytes`)
    return size
  }
}

/** The payload of a whole frame. Throws what `damaged` makes when its CRC is wrong. */
export function checkedPayload(frame: Buffer, damaged: (what: string) => Error): Buffer {
  if (crc32(frame.subarray(8)) !== frame.readUInt32LE(4)) {
    throw damaged('the CRC of a frame does not match its bytes')
  }
  return frame.subarray(FRAME_HEADER_SIZE_BYTES)
}
