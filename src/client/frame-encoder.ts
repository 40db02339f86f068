/**
 * Request frames of a session stream: the client's side of session-frame-request.ts. Strings go straight into
 * the bytes that travel, and what was encoded once is kept until it is answered, so that a repeat is a copy.
 */
import { Limits, type Operation } from '../log/entry.js'
import { VarveError } from './errors.js'
import { copyBytes, FrameBuffer, REQUEST_HEADER_SIZE, RequestKind, WriteFlag } from './session-frame.js'
import {
  READ_HEAD_SIZE,
  type RequestHeader,
  WRITE_HEAD_SIZE,
  writeRequestHeader,
} from './session-frame-request.js'

const EMPTY = Buffer.alloc(0)
const LOOP_LENGTH_MAX = 40
const UTF8_BYTES_PER_UNIT_MAX = 3

/** Writes `text` as UTF-8 at `at` and returns how many bytes that took. Short ASCII beats the native call. */
function writeText(text: string, target: Buffer, at: number): number {
  const length = text.length
  if (length > LOOP_LENGTH_MAX) return target.write(text, at)
  for (let k = 0; k < length; k++) {
    const unit = text.charCodeAt(k)
    if (unit > 0x7f) return target.write(text, at)
    target[at + k] = unit
  }
  return length
}

/** One key as bytes, for the moment: to find its shard and to copy it. */
export class KeyScratch {
  bytes: Uint8Array = EMPTY
  length = 0
  readonly #own = Buffer.allocUnsafeSlow(Limits.keySizeBytesMax * UTF8_BYTES_PER_UNIT_MAX)

  /** Takes a key. A byte array is not copied. Throws INVALID_ARGUMENT unless it has 1 to 4,096 bytes. */
  load(key: string | Uint8Array): void {
    if (typeof key === 'string' && key.length <= Limits.keySizeBytesMax) {
      this.bytes = this.#own
      this.length = writeText(key, this.#own, 0)
    } else {
      if (typeof key !== 'string') this.bytes = key
      this.length = Buffer.byteLength(key)
    }
    if (this.length < 1 || this.length > Limits.keySizeBytesMax) {
      throw new VarveError(
        'INVALID_ARGUMENT',
        `a key has ${this.length} bytes, 1 to ${Limits.keySizeBytesMax} are allowed (keySizeBytesMax)`,
        { outcome: 'failed' },
      )
    }
  }
}

/** Size in bytes of a value. Throws INVALID_ARGUMENT over the limit. */
export function checkValue(value: string | Uint8Array): void {
  // A UTF-16 unit is at most three bytes, so most strings need no count.
  if (typeof value === 'string' && value.length * UTF8_BYTES_PER_UNIT_MAX <= Limits.valueSizeBytesMax) return
  const size = typeof value === 'string' ? Buffer.byteLength(value) : value.length
  if (size <= Limits.valueSizeBytesMax) return
  throw new VarveError(
    'INVALID_ARGUMENT',
    `a value has ${size} bytes, at most ${Limits.valueSizeBytesMax} are allowed (valueSizeBytesMax)`,
    { outcome: 'failed' },
  )
}

const SLAB_SIZE = 65_536
const COUNTED_FROM = 1_024

/**
 * Where the writes of one shard are encoded, one behind the other. A slab of memory is only ever appended to
 * and lives as long as a write in it is in flight. After `append`, `bytes`, `start` and `end` say where it is.
 */
export class WriteSlab {
  bytes: Buffer = EMPTY
  start = 0
  end = 0

  /** `flags` of WriteFlag; `ifIndex` counts where its flag is set. The value was checked. */
  append(
    operation: typeof Operation.SET | typeof Operation.DELETE,
    flags: number,
    ifIndex: number,
    key: KeyScratch,
    value: string | Uint8Array,
  ): void {
    const keyLength = key.length
    const room = WRITE_HEAD_SIZE + 8 + keyLength + roomFor(value)
    if (this.end + room > this.bytes.length) {
      this.bytes = Buffer.allocUnsafeSlow(Math.max(SLAB_SIZE, room))
      this.end = 0
    }
    const bytes = this.bytes
    const start = this.end
    let at = start + WRITE_HEAD_SIZE
    if ((flags & WriteFlag.IF_INDEX) !== 0) at = bytes.writeDoubleLE(ifIndex, at)
    copyBytes(key.bytes, 0, keyLength, bytes, at)
    at += keyLength
    let valueLength = value.length
    if (typeof value === 'string') valueLength = writeText(value, bytes, at)
    else copyBytes(value, 0, valueLength, bytes, at)
    bytes[start] = operation
    bytes[start + 1] = flags
    bytes[start + 2] = keyLength & 0xff
    bytes[start + 3] = keyLength >>> 8
    bytes[start + 4] = valueLength & 0xff
    bytes[start + 5] = (valueLength >>> 8) & 0xff
    bytes[start + 6] = (valueLength >>> 16) & 0xff
    bytes[start + 7] = valueLength >>> 24
    this.start = start
    this.end = at + valueLength
  }
}

function roomFor(value: string | Uint8Array): number {
  if (typeof value !== 'string') return value.length
  return value.length < COUNTED_FROM ? value.length * UTF8_BYTES_PER_UNIT_MAX : Buffer.byteLength(value)
}

/** A write taken apart again, for the rare one that travels as a unary call. Views, no copies. */
export interface DecodedWrite {
  readonly operation: number
  readonly flags: number
  readonly ifIndex: number
  readonly key: Buffer
  readonly value: Buffer
}

/** Undoes {@link WriteSlab.append}. */
export function decodeWrite(bytes: Buffer, start: number): DecodedWrite {
  const flags = bytes[start + 1]!
  const conditional = (flags & WriteFlag.IF_INDEX) !== 0
  const keyStart = start + WRITE_HEAD_SIZE + (conditional ? 8 : 0)
  const valueStart = keyStart + bytes.readUInt16LE(start + 2)
  return {
    operation: bytes[start]!,
    flags,
    ifIndex: conditional ? bytes.readDoubleLE(start + WRITE_HEAD_SIZE) : 0,
    key: bytes.subarray(keyStart, valueStart),
    value: bytes.subarray(valueStart, valueStart + bytes.readUInt32LE(start + 4)),
  }
}

/**
 * Builds WRITES frames out of writes encoded before, one at a time: `begin`, `add`, `finish`. Neighbours in a
 * slab are copied together.
 */
export class WriteFrameBuilder {
  readonly #buffer = new FrameBuffer()
  count = 0
  #bytes: Buffer = EMPTY
  #start = 0
  #end = 0

  get sizeBytes(): number {
    return this.#buffer.length + this.#end - this.#start
  }

  begin(): void {
    this.#buffer.length = 0
    this.#buffer.reserve(REQUEST_HEADER_SIZE)
    this.count = 0
    this.#start = this.#end = 0
  }

  /** Adds the write at `start` to `end`; it takes the next id. */
  add(bytes: Buffer, start: number, end: number): void {
    this.count++
    if (bytes === this.#bytes && start === this.#end) {
      this.#end = end
      return
    }
    this.#copy()
    this.#bytes = bytes
    this.#start = start
    this.#end = end
  }

  /** The frame, a copy of its own; `count` of the header is the number of writes added. */
  finish(header: Omit<RequestHeader, 'count'>): Buffer {
    this.#copy()
    this.#bytes = EMPTY
    writeRequestHeader(this.#buffer.bytes, 0, RequestKind.WRITES, { ...header, count: this.count })
    return this.#buffer.take()
  }

  #copy(): void {
    const length = this.#end - this.#start
    const at = this.#buffer.reserve(length)
    copyBytes(this.#bytes, this.#start, length, this.#buffer.bytes, at)
    this.#start = this.#end = 0
  }
}

/** Builds READS frames. One at a time: `begin`, `add` for each key, `finish`. */
export class ReadFrameEncoder {
  readonly #buffer = new FrameBuffer()
  count = 0

  get sizeBytes(): number {
    return this.#buffer.length
  }

  begin(): void {
    this.#buffer.length = 0
    this.#buffer.reserve(REQUEST_HEADER_SIZE)
    this.count = 0
  }

  /** Adds a read of the key, which has 1 to 4,096 bytes. */
  add(key: string | Uint8Array): void {
    const room = typeof key === 'string' ? key.length * UTF8_BYTES_PER_UNIT_MAX : key.length
    const at = this.#buffer.reserve(READ_HEAD_SIZE + room)
    const bytes = this.#buffer.bytes
    let length = key.length
    if (typeof key === 'string') length = writeText(key, bytes, at + READ_HEAD_SIZE)
    else copyBytes(key, 0, length, bytes, at + READ_HEAD_SIZE)
    bytes[at] = length & 0xff
    bytes[at + 1] = length >>> 8
    this.#buffer.length = at + READ_HEAD_SIZE + length
    this.count++
  }

  /** The frame, a copy of its own; `count` of the header is the number of keys added. */
  finish(header: Omit<RequestHeader, 'count'>): Buffer {
    writeRequestHeader(this.#buffer.bytes, 0, RequestKind.READS, { ...header, count: this.count })
    return this.#buffer.take()
  }
}
