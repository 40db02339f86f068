/**
 * Answer frames of a session stream as the client reads them; the layout is in session-frame-response.ts.
 */
import { errorCodeOf, VarveError } from './errors.js'
import { FRAME_VERSION, RESPONSE_HEADER_SIZE, ResponseKind } from './session-frame.js'
import { READ_RESULT_SIZE, WRITE_RESULT_SIZE } from './session-frame-response.js'

const EMPTY = Buffer.alloc(0)

/**
 * The client's cursor over any answer frame, reused from frame to frame. `reset` checks the whole frame.
 * Header fields hold after `reset`; those of a result after each `next()` that returned true (WRITE_RESULTS and
 * READ_RESULTS only; the others have no results to walk).
 */
export class ResponseFrameReader {
  frame: Buffer = EMPTY
  kind: number = ResponseKind.FAILED
  shard = 0
  count = 0
  /** The answering replica's epoch. */
  replicaEpoch = 0
  firstId = 0
  senderLamport = 0
  /** READ_RESULTS: how far the replica has applied its log. */
  appliedIndex = 0
  /** Of the result (WRITES_DONE: of the first of the run). */
  id = 0
  index = 0
  lamport = 0
  wallMs = 0
  epoch = 0
  previousIndex = 0
  /** WRITES_DONE: 1 if committed. */
  flags = 0
  valueStart = 0
  valueLength = 0
  #view: DataView = new DataView(EMPTY.buffer)
  #at = 0
  #left = 0

  /** Takes a frame. Throws `INTERNAL` on one that does not follow the layout. */
  reset(frame: Buffer): void {
    if (frame.length < RESPONSE_HEADER_SIZE) throw unreadable(`${frame.length} bytes`)
    if (frame[0] !== FRAME_VERSION) throw unreadable(`version ${frame[0]}, expected ${FRAME_VERSION}`)
    const view = new DataView(frame.buffer, frame.byteOffset, frame.length)
    this.frame = frame
    this.#view = view
    this.kind = frame[1]!
    this.shard = view.getUint16(2, true)
    this.count = view.getUint32(4, true)
    this.replicaEpoch = view.getFloat64(8, true)
    this.firstId = view.getFloat64(16, true)
    this.senderLamport = view.getFloat64(24, true)
    this.#at = RESPONSE_HEADER_SIZE
    this.#left = 0
    checkNumbers(this.count, this.replicaEpoch, this.firstId, this.senderLamport)
    if (this.kind === ResponseKind.WRITES_DONE) this.#readRun()
    else if (this.kind === ResponseKind.WRITE_RESULTS) this.#checkResults(WRITE_RESULT_SIZE)
    else if (this.kind === ResponseKind.READ_RESULTS) this.#checkResults(READ_RESULT_SIZE)
    else if (this.kind === ResponseKind.FAILED) this.#checkFailed()
    else throw unreadable(`kind ${this.kind}, expected 1 to 4`)
  }

  /** Moves to the next result; false past the last. */
  next(): boolean {
    if (this.#left === 0) return false
    this.#left--
    const view = this.#view
    let at = this.#at
    if (this.kind === ResponseKind.WRITE_RESULTS) {
      this.id = view.getFloat64(at, true)
      this.previousIndex = view.getFloat64(at + 40, true)
      at += 8
    }
    this.index = view.getFloat64(at, true)
    this.lamport = view.getFloat64(at + 8, true)
    this.wallMs = view.getFloat64(at + 16, true)
    this.epoch = view.getFloat64(at + 24, true)
    if (this.kind === ResponseKind.WRITE_RESULTS) at += 8
    this.flags = view.getUint32(at + 32, true)
    this.valueLength = view.getUint32(at + 36, true)
    this.valueStart = at + READ_RESULT_SIZE
    this.#at = this.valueStart + this.valueLength
    return true
  }

  /** The kind of operations that a FAILED frame answers. */
  get failedOperations(): 'writes' | 'reads' {
    return this.frame[32] === 1 ? 'writes' : 'reads'
  }

  /** What a FAILED frame says. For reads without an outcome. */
  failure(): VarveError {
    const frame = this.frame
    const messageEnd = RESPONSE_HEADER_SIZE + this.#view.getUint16(36, true)
    const hint = frame.toString('utf8', messageEnd, messageEnd + this.#view.getUint16(38, true))
    return new VarveError(errorCodeOf(frame[33]!), frame.toString('utf8', RESPONSE_HEADER_SIZE, messageEnd), {
      retryable: frame[35] === 1,
      outcome: frame[32] === 1 ? (frame[34] === 1 ? 'unknown' : 'failed') : undefined,
      hint: hint === '' ? undefined : hint,
    })
  }

  #readRun(): void {
    if (this.frame.length !== RESPONSE_HEADER_SIZE) throw unreadable('bytes after a run of writes')
    const view = this.#view
    this.id = this.firstId
    this.index = view.getFloat64(32, true)
    this.lamport = view.getFloat64(40, true)
    this.wallMs = view.getFloat64(48, true)
    this.epoch = this.replicaEpoch
    this.flags = this.frame[56]!
  }

  #checkResults(size: number): void {
    this.appliedIndex = this.kind === ResponseKind.READ_RESULTS ? this.#view.getFloat64(32, true) : 0
    const length = this.frame.length
    let at = RESPONSE_HEADER_SIZE
    for (let k = 0; k < this.count; k++) {
      if (at + size > length) throw unreadable(`it ends within result ${k + 1} of ${this.count}`)
      at += size + this.#view.getUint32(at + size - 4, true)
    }
    if (at !== length) throw unreadable(`${length} bytes, its results end at ${at}`)
    this.#left = this.count
  }

  #checkFailed(): void {
    const end = RESPONSE_HEADER_SIZE + this.#view.getUint16(36, true) + this.#view.getUint16(38, true)
    if (end !== this.frame.length) throw unreadable(`${this.frame.length} bytes, its texts end at ${end}`)
  }
}

function checkNumbers(count: number, epoch: number, firstId: number, lamport: number): void {
  const fine =
    Number.isSafeInteger(epoch) && Number.isSafeInteger(lamport) && Number.isSafeInteger(firstId + count)
  if (!fine || epoch < 0 || firstId < 0 || lamport < 0)
    throw unreadable('its header holds impossible numbers')
}

function unreadable(what: string): VarveError {
  return new VarveError(
    'INTERNAL',
    `malformed answer frame: ${what}; client and node may be of different versions`,
  )
}
