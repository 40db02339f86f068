/**
 * Answer frames of a session stream: the node's writers (the client's reader is in session-frame-reader.ts).
 *
 * Header, 64 bytes: 0 u8 version | 1 u8 kind | 2 u16 shard | 4 u32 count | 8 f64 epoch | 16 f64 first id |
 * 24 f64 the sender's Lamport time | 32 to 63 by kind:
 * - WRITES_DONE: 32 f64 first index | 40 f64 first Lamport | 48 f64 wallMs | 56 u8 committed. Operation k of the
 *   run has index + k and Lamport + k. Nothing follows the header: 64 bytes answer thousands of writes.
 * - WRITE_RESULTS, for what a run cannot say: each f64 id | f64 index | f64 lamport | f64 wallMs | f64 epoch |
 *   f64 index of the previous entry | u8 flags | 3 zero | u32 value length | value (the previous one).
 * - READ_RESULTS: 32 f64 appliedIndex | 40 u8 1 if strong; each f64 index | f64 lamport | f64 wallMs | f64 epoch |
 *   u8 flags | 3 zero | u32 value length | value.
 * - FAILED: 32 u8 kind of the operations | 33 u8 code | 34 u8 outcome, 1 if unknown | 35 u8 retryable | 36 u16 message
 *   length | 38 u16 hint length | message | hint.
 */
import { type ErrorCode, errorCodeNumber, type WriteOutcome } from './errors.js'
import { copyBytes, FRAME_VERSION, FrameBuffer, RESPONSE_HEADER_SIZE, ResponseKind } from './session-frame.js'

/** Size in bytes of a result in a WRITE_RESULTS frame, before its value. */
export const WRITE_RESULT_SIZE = 56
/** Size in bytes of a result in a READ_RESULTS frame, before its value. */
export const READ_RESULT_SIZE = 40
const TEXT_SIZE_BYTES_MAX = 4_096

function writeHeader(
  view: DataView,
  kind: number,
  shard: number,
  count: number,
  epoch: number,
  firstId: number,
  lamport: number,
): void {
  view.setUint8(0, FRAME_VERSION)
  view.setUint8(1, kind)
  view.setUint16(2, shard, true)
  view.setUint32(4, count, true)
  view.setFloat64(8, epoch, true)
  view.setFloat64(16, firstId, true)
  view.setFloat64(24, lamport, true)
}

/** A run of writes that all went through, with nothing more to say of each. */
export interface WritesDone {
  readonly shard: number
  readonly count: number
  readonly epoch: number
  readonly firstId: number
  /** The sender's Lamport time. */
  readonly lamport: number
  readonly firstIndex: number
  readonly firstLamport: number
  readonly wallMs: number
  readonly committed: boolean
}

/** A WRITES_DONE frame. */
export function encodeWritesDone(done: WritesDone): Buffer {
  const frame = Buffer.alloc(RESPONSE_HEADER_SIZE)
  const view = new DataView(frame.buffer, frame.byteOffset, RESPONSE_HEADER_SIZE)
  writeHeader(view, ResponseKind.WRITES_DONE, done.shard, done.count, done.epoch, done.firstId, done.lamport)
  view.setFloat64(32, done.firstIndex, true)
  view.setFloat64(40, done.firstLamport, true)
  view.setFloat64(48, done.wallMs, true)
  frame[56] = done.committed ? 1 : 0
  return frame
}

/** Operations with consecutive ids that all failed for the same reason. */
export interface FailedRun {
  readonly shard: number
  readonly count: number
  readonly epoch: number
  readonly firstId: number
  /** The sender's Lamport time. */
  readonly lamport: number
  readonly operations: 'writes' | 'reads'
  readonly code: ErrorCode
  readonly outcome: WriteOutcome
  readonly retryable: boolean
  readonly message: string
  /** Address of the head, where known; else empty. */
  readonly hint: string
}

/** A FAILED frame. The message is cut at 4 KiB. */
export function encodeFailed(failed: FailedRun): Buffer {
  const message = Buffer.from(failed.message).subarray(0, TEXT_SIZE_BYTES_MAX)
  const hint = Buffer.from(failed.hint).subarray(0, TEXT_SIZE_BYTES_MAX)
  const frame = Buffer.alloc(RESPONSE_HEADER_SIZE + message.length + hint.length)
  const view = new DataView(frame.buffer, frame.byteOffset, RESPONSE_HEADER_SIZE)
  writeHeader(
    view,
    ResponseKind.FAILED,
    failed.shard,
    failed.count,
    failed.epoch,
    failed.firstId,
    failed.lamport,
  )
  frame[32] = failed.operations === 'writes' ? 1 : 2
  frame[33] = errorCodeNumber(failed.code)
  frame[34] = failed.outcome === 'unknown' ? 1 : 0
  frame[35] = failed.retryable ? 1 : 0
  view.setUint16(36, message.length, true)
  view.setUint16(38, hint.length, true)
  message.copy(frame, RESPONSE_HEADER_SIZE)
  hint.copy(frame, RESPONSE_HEADER_SIZE + message.length)
  return frame
}

/** Builds WRITE_RESULTS frames, one at a time: `begin`, `add` for each result, `finish`. Reuses its memory. */
export class WriteResultsWriter {
  readonly #buffer = new FrameBuffer()
  #shard = 0
  #epoch = 0
  /** Results added since `begin`. */
  count = 0

  /** Size of the frame so far: close it near 1 MiB. */
  get sizeBytes(): number {
    return this.#buffer.length
  }

  begin(shard: number, epoch: number): void {
    this.#buffer.length = 0
    this.#buffer.reserve(RESPONSE_HEADER_SIZE)
    this.#shard = shard
    this.#epoch = epoch
    this.count = 0
  }

  /**
   * The result of the write `id`. `flags` are of WriteResultFlag. `value` is the previous value, copied from
   * `valueStart` on; length 0 where there is none.
   */
  add(
    id: number,
    index: number,
    lamport: number,
    wallMs: number,
    epoch: number,
    previousIndex: number,
    flags: number,
    value: Uint8Array,
    valueStart: number,
    valueLength: number,
  ): void {
    const at = this.#buffer.reserve(WRITE_RESULT_SIZE + valueLength)
    const view = this.#buffer.view
    view.setFloat64(at, id, true)
    view.setFloat64(at + 8, index, true)
    view.setFloat64(at + 16, lamport, true)
    view.setFloat64(at + 24, wallMs, true)
    view.setFloat64(at + 32, epoch, true)
    view.setFloat64(at + 40, previousIndex, true)
    view.setUint32(at + 48, flags, true)
    view.setUint32(at + 52, valueLength, true)
    copyBytes(value, valueStart, valueLength, this.#buffer.bytes, at + WRITE_RESULT_SIZE)
    this.count++
  }

  /** The frame, right-sized and not touched again. `lamport` is the sender's. */
  finish(lamport: number): Buffer {
    this.#buffer.bytes.fill(0, 0, RESPONSE_HEADER_SIZE)
    writeHeader(
      this.#buffer.view,
      ResponseKind.WRITE_RESULTS,
      this.#shard,
      this.count,
      this.#epoch,
      0,
      lamport,
    )
    return this.#buffer.take()
  }
}

/** Builds READ_RESULTS frames, one at a time: `begin`, `add` in the order of the ids, `finish`. Reuses its memory. */
export class ReadResultsWriter {
  readonly #buffer = new FrameBuffer()
  #shard = 0
  #epoch = 0
  #firstId = 0
  #appliedIndex = 0
  #strong = false
  /** Results added since `begin`: they answer the reads firstId to firstId + count - 1. */
  count = 0

  /** Size of the frame so far: close it near 1 MiB and begin another one at firstId + count. */
  get sizeBytes(): number {
    return this.#buffer.length
  }

  begin(shard: number, epoch: number, firstId: number, appliedIndex: number, strong: boolean): void {
    this.#buffer.length = 0
    this.#buffer.reserve(RESPONSE_HEADER_SIZE)
    this.#shard = shard
    this.#epoch = epoch
    this.#firstId = firstId
    this.#appliedIndex = appliedIndex
    this.#strong = strong
    this.count = 0
  }

  /**
   * The next read's answer: position of the key's newest entry (a DELETE's too; all 0 if it was never written),
   * `flags` of ReadResultFlag, and the value, copied from `valueStart` on.
   */
  add(
    index: number,
    lamport: number,
    wallMs: number,
    epoch: number,
    flags: number,
    value: Uint8Array,
    valueStart: number,
    valueLength: number,
  ): void {
    const at = this.#buffer.reserve(READ_RESULT_SIZE + valueLength)
    const view = this.#buffer.view
    view.setFloat64(at, index, true)
    view.setFloat64(at + 8, lamport, true)
    view.setFloat64(at + 16, wallMs, true)
    view.setFloat64(at + 24, epoch, true)
    view.setUint32(at + 32, flags, true)
    view.setUint32(at + 36, valueLength, true)
    copyBytes(value, valueStart, valueLength, this.#buffer.bytes, at + READ_RESULT_SIZE)
    this.count++
  }

  /** The frame, right-sized and not touched again. `lamport` is the sender's. */
  finish(lamport: number): Buffer {
    const view = this.#buffer.view
    this.#buffer.bytes.fill(0, 0, RESPONSE_HEADER_SIZE)
    writeHeader(view, ResponseKind.READ_RESULTS, this.#shard, this.count, this.#epoch, this.#firstId, lamport)
    view.setFloat64(32, this.#appliedIndex, true)
    view.setUint8(40, this.#strong ? 1 : 0)
    return this.#buffer.take()
  }
}
