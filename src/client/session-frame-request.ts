/**
 * Request frames of a session stream: the node's readers (the client's encoders are in frame-encoder.ts).
 *
 * Header, 48 bytes: 0 u8 version | 1 u8 kind | 2 u16 shard ordinal | 4 u32 count | 8 f64 observed Lamport |
 * 16 f64 first id (WRITES: the client's request sequence in this shard, from 1; READS: read id of the session)
 * | 24 f64 WRITES: every lower sequence of this shard is answered, READS: token index | 32 f64 READS: token
 * epoch | 40 u8 consistency | 7 zero bytes. The ids of a frame's operations are consecutive.
 *
 * A write: u8 operation | u8 flags | u16 key length | u32 value length | f64 ifIndex, if flagged | key | value.
 * A read: u16 key length | key.
 */
import { Limits, Operation } from '../log/entry.js'
import {
  checkInteger,
  FRAME_VERSION,
  FrameConsistency,
  frameKind,
  garbled,
  REQUEST_HEADER_SIZE,
  RequestKind,
  WriteFlag,
} from './session-frame.js'

/** Size in bytes of a write before its ifIndex, key and value. */
export const WRITE_HEAD_SIZE = 8
/** Size in bytes of a read before its key. */
export const READ_HEAD_SIZE = 2
const ALL_WRITE_FLAGS = 15
const EMPTY = Buffer.alloc(0)

/**
 * A cursor over a WRITES frame, reused from frame to frame. `reset` checks everything up front, so a frame is
 * taken whole or not at all: lengths, limits, flags, and that no atomic batch is left open at the end. The
 * fields of an operation hold what the last `next()` that returned true found; offsets are into `frame`.
 */
export class WriteFrameReader {
  frame: Buffer = EMPTY
  /** Of the frame. */
  shard = 0
  count = 0
  firstId = 0
  acknowledgedBelow = 0
  observedLamport = 0
  consistency: FrameConsistency = FrameConsistency.STRONG
  /** Of the operation that `next` moved to. */
  operation: typeof Operation.SET | typeof Operation.DELETE = Operation.SET
  flags = 0
  keyStart = 0
  keyLength = 0
  valueStart = 0
  valueLength = 0
  /** Only where flag IF_INDEX is set. */
  ifIndex = 0
  #at = 0
  #left = 0

  /** Takes a frame. Throws `INVALID_ARGUMENT` on one that does not follow the layout or breaks a limit. */
  reset(frame: Buffer): void {
    if (frameKind(frame) !== RequestKind.WRITES) throw garbled('reads where writes were expected')
    this.frame = frame
    this.shard = frame.readUInt16LE(2)
    this.count = frame.readUInt32LE(4)
    this.observedLamport = frame.readDoubleLE(8)
    this.firstId = frame.readDoubleLE(16)
    this.acknowledgedBelow = frame.readDoubleLE(24)
    checkInteger(this.observedLamport, 0, 'observed Lamport time')
    checkInteger(this.firstId, 1, 'first sequence')
    checkInteger(this.firstId + this.count, 1, 'last sequence')
    checkInteger(this.acknowledgedBelow, 0, 'acknowledged sequence')
    const consistency = frame[40]
    if (consistency !== FrameConsistency.STRONG && consistency !== FrameConsistency.WEAK) {
      throw garbled(`consistency of a write is ${consistency}, expected 1 (strong) or 2 (weak)`)
    }
    this.consistency = consistency
    this.#check(frame)
    this.rewind()
  }

  /** Before the first operation again. */
  rewind(): void {
    this.#at = REQUEST_HEADER_SIZE
    this.#left = this.count
  }

  /** Moves to the next operation; false past the last. */
  next(): boolean {
    if (this.#left === 0) return false
    this.#left--
    const frame = this.frame
    let at = this.#at
    this.operation = frame[at] as typeof Operation.SET | typeof Operation.DELETE
    const flags = frame[at + 1]!
    this.flags = flags
    this.keyLength = frame[at + 2]! | (frame[at + 3]! << 8)
    this.valueLength =
      frame[at + 4]! | (frame[at + 5]! << 8) | (frame[at + 6]! << 16) | (frame[at + 7]! << 24)
    at += WRITE_HEAD_SIZE
    if ((flags & WriteFlag.IF_INDEX) !== 0) {
      this.ifIndex = frame.readDoubleLE(at)
      at += 8
    }
    this.keyStart = at
    this.valueStart = at + this.keyLength
    this.#at = this.valueStart + this.valueLength
    return true
  }

  #check(frame: Buffer): void {
    const count = this.count
    if (count < 1) throw garbled('no operation in it')
    let at = REQUEST_HEADER_SIZE
    let flags = 0
    let batchSize = 0
    let batchCount = 0
    for (let k = 0; k < count; k++) {
      if (at + WRITE_HEAD_SIZE > frame.length) throw truncated(k, count)
      const operation = frame[at]!
      flags = frame[at + 1]!
      const keyLength = frame[at + 2]! | (frame[at + 3]! << 8)
      const valueLength =
        frame[at + 4]! + (frame[at + 5]! << 8) + (frame[at + 6]! << 16) + frame[at + 7]! * 0x1000000
      checkWrite(k, operation, flags, keyLength, valueLength)
      at += WRITE_HEAD_SIZE
      if ((flags & WriteFlag.IF_INDEX) !== 0) {
        if (at + 8 > frame.length) throw truncated(k, count)
        checkInteger(frame.readDoubleLE(at), 0, 'ifIndex')
        at += 8
      }
      at += keyLength + valueLength
      if (at > frame.length) throw truncated(k, count)
      batchSize += keyLength + valueLength
      batchCount++
      if (batchCount > 1) checkBatch(batchSize, batchCount)
      if ((flags & WriteFlag.BATCH_CONTINUES) === 0) batchSize = batchCount = 0
    }
    if (at !== frame.length) throw garbled(`${frame.length - at} bytes after its last operation`)
    if ((flags & WriteFlag.BATCH_CONTINUES) !== 0) throw garbled('an atomic batch does not end within it')
  }
}

function truncated(k: number, count: number): Error {
  return garbled(`it ends within operation ${k + 1} of ${count}`)
}

function checkWrite(
  k: number,
  operation: number,
  flags: number,
  keyLength: number,
  valueLength: number,
): void {
  if (operation !== Operation.SET && operation !== Operation.DELETE) {
    throw garbled(`operation ${k + 1} is ${operation}, expected 1 (set) or 2 (delete)`)
  }
  if ((flags & ~ALL_WRITE_FLAGS) !== 0) throw garbled(`flags ${flags} of operation ${k + 1} are unknown`)
  const both = WriteFlag.IF_INDEX | WriteFlag.IF_ABSENT
  if ((flags & both) === both) throw garbled(`operation ${k + 1} has both ifIndex and ifAbsent`)
  checkKeyLength(k, keyLength)
  if (valueLength > Limits.valueSizeBytesMax) {
    throw garbled(`value ${k + 1} has ${valueLength} bytes, at most ${Limits.valueSizeBytesMax} are allowed`)
  }
  if (operation === Operation.DELETE && valueLength !== 0) throw garbled(`delete ${k + 1} carries a value`)
}

function checkKeyLength(k: number, keyLength: number): void {
  if (keyLength < 1 || keyLength > Limits.keySizeBytesMax) {
    throw garbled(`key ${k + 1} has ${keyLength} bytes, 1 to ${Limits.keySizeBytesMax} are allowed`)
  }
}

function checkBatch(sizeBytes: number, count: number): void {
  if (sizeBytes > Limits.batchSizeBytesMax) {
    throw garbled(`an atomic batch has over ${Limits.batchSizeBytesMax} bytes of keys and values`)
  }
  if (count > Limits.recordEntriesMax) {
    throw garbled(`an atomic batch has over ${Limits.recordEntriesMax} operations`)
  }
}

/** A cursor over a READS frame, reused from frame to frame; used as {@link WriteFrameReader}. */
export class ReadFrameReader {
  frame: Buffer = EMPTY
  /** Of the frame. */
  shard = 0
  count = 0
  firstId = 0
  /** For SESSION: the answer must not be older. Both 0: nothing seen yet. */
  tokenIndex = 0
  tokenEpoch = 0
  observedLamport = 0
  consistency: FrameConsistency = FrameConsistency.STRONG
  /** Of the read that `next` moved to. */
  keyStart = 0
  keyLength = 0
  #at = 0
  #left = 0

  /** Takes a frame. Throws `INVALID_ARGUMENT` on one that does not follow the layout or breaks a limit. */
  reset(frame: Buffer): void {
    if (frameKind(frame) !== RequestKind.READS) throw garbled('writes where reads were expected')
    this.frame = frame
    this.shard = frame.readUInt16LE(2)
    this.count = frame.readUInt32LE(4)
    this.observedLamport = frame.readDoubleLE(8)
    this.firstId = frame.readDoubleLE(16)
    this.tokenIndex = frame.readDoubleLE(24)
    this.tokenEpoch = frame.readDoubleLE(32)
    checkInteger(this.observedLamport, 0, 'observed Lamport time')
    checkInteger(this.firstId, 0, 'first read id')
    checkInteger(this.firstId + this.count, 0, 'last read id')
    checkInteger(this.tokenIndex, 0, 'token index')
    checkInteger(this.tokenEpoch, 0, 'token epoch')
    const consistency = frame[40]!
    if (consistency < FrameConsistency.STRONG || consistency > FrameConsistency.SESSION) {
      throw garbled(`consistency ${consistency}, expected 1 (strong), 2 (weak) or 3 (session)`)
    }
    this.consistency = consistency as FrameConsistency
    this.#check(frame)
    this.rewind()
  }

  /** Before the first read again. */
  rewind(): void {
    this.#at = REQUEST_HEADER_SIZE
    this.#left = this.count
  }

  /** Moves to the next read; false past the last. */
  next(): boolean {
    if (this.#left === 0) return false
    this.#left--
    const at = this.#at
    this.keyLength = this.frame[at]! | (this.frame[at + 1]! << 8)
    this.keyStart = at + READ_HEAD_SIZE
    this.#at = this.keyStart + this.keyLength
    return true
  }

  #check(frame: Buffer): void {
    const count = this.count
    if (count < 1) throw garbled('no operation in it')
    let at = REQUEST_HEADER_SIZE
    for (let k = 0; k < count; k++) {
      if (at + READ_HEAD_SIZE > frame.length) throw truncated(k, count)
      const keyLength = frame[at]! | (frame[at + 1]! << 8)
      checkKeyLength(k, keyLength)
      at += READ_HEAD_SIZE + keyLength
      if (at > frame.length) throw truncated(k, count)
    }
    if (at !== frame.length) throw garbled(`${frame.length - at} bytes after its last operation`)
  }
}

/** What the header of a request frame says besides its kind. */
export interface RequestHeader {
  readonly shard: number
  readonly count: number
  readonly firstId: number
  readonly observedLamport: number
  readonly consistency: FrameConsistency
  /** WRITES: every lower sequence of this shard is answered. READS: index of the token. */
  readonly acknowledgedBelowOrTokenIndex: number
  /** READS: epoch of the token. WRITES: 0. */
  readonly tokenEpoch: number
}

/** Writes the header of a request frame into `target` at `at`, where it needs 48 bytes. */
export function writeRequestHeader(target: Buffer, at: number, kind: 1 | 2, header: RequestHeader): void {
  target.fill(0, at, at + REQUEST_HEADER_SIZE)
  target[at] = FRAME_VERSION
  target[at + 1] = kind
  target.writeUInt16LE(header.shard, at + 2)
  target.writeUInt32LE(header.count, at + 4)
  target.writeDoubleLE(header.observedLamport, at + 8)
  target.writeDoubleLE(header.firstId, at + 16)
  target.writeDoubleLE(header.acknowledgedBelowOrTokenIndex, at + 24)
  target.writeDoubleLE(header.tokenEpoch, at + 32)
  target[at + 40] = header.consistency
}
