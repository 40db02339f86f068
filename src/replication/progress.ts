/**
 * What an upstream knows of one downstream in one epoch: whether their logs were matched, what it has sent, what
 * arrived, and what the downstream's whole subtree holds (I3). The window bounds what is in flight to it.
 */
import type { Follow } from '../generated/varve/v1/replication.js'
import type { LogRecord } from '../log/record-codec.js'

/** At most so many bytes of records are sent to a downstream before it says that they arrived. */
export const WINDOW_SIZE_BYTES = 16 * 1024 * 1024

/**
 * The window at the beginning, and again after a loss; it grows by what arrives. A downstream that is slow to answer, or
 * asks several times meanwhile, is not sent whole windows of the same records over and over.
 */
export const WINDOW_SIZE_BYTES_FIRST = 512 * 1024

/** A downstream says what it received after so much: no less often than the smallest window needs. */
export const RECEIPT_SIZE_BYTES = WINDOW_SIZE_BYTES_FIRST

/** Ticks without any arrival after which what is in flight is sent again. */
export const RESEND_AFTER_TICKS = 20

export class Progress {
  readonly address: string
  readonly incarnation: number
  /** A Follow that could not be answered yet: this replica had not matched itself. */
  parkedFollow: Follow | undefined
  /** False until the downstream's Follow was answered in this epoch: nothing is sent before. */
  streaming = false
  /** Next index to send. Invariant: receivedIndex < nextIndex. */
  nextIndex = 0
  /** Last index that the downstream said it received. Never falls. */
  receivedIndex = 0
  /** What the downstream's subtree reported (I3); undefined until it has matched. Never falls. */
  reportedIndex: number | undefined
  /** The commitIndex that was last sent. */
  commitIndexSent = 0
  #inFlight: { lastIndex: number; sizeBytes: number }[] = []
  #inFlightBytes = 0
  #hasSent = false
  #windowBytes = WINDOW_SIZE_BYTES_FIRST
  #allowanceBytes = Number.POSITIVE_INFINITY
  #idleTicks = 0
  /** Ticks for which nothing is sent, and for how many the next pause will last. */
  #pauseTicks = 0
  #pauseNext = 1

  constructor(address: string, incarnation: number) {
    this.address = address
    this.incarnation = incarnation
  }

  /** The logs agree up to `index`: streaming begins, or begins again, behind it. */
  matched(index: number): void {
    this.streaming = true
    this.receivedIndex = Math.max(this.receivedIndex, index)
    this.parkedFollow = undefined
    this.#resume()
    this.#rewindTo(this.receivedIndex + 1)
  }

  /** True while one more record may be sent. */
  get hasRoom(): boolean {
    return this.streaming && this.#pauseTicks === 0 && this.#inFlightBytes < this.#windowBytes
  }

  /** From now until the next time, so many bytes may be read for it from the log. Without it: any number. */
  allow(sizeBytes: number): void {
    this.#allowanceBytes = sizeBytes
  }

  /** True while one more record may be read for it from the log. What was just appended is not read, and needs none. */
  get mayRead(): boolean {
    return this.hasRoom && this.#allowanceBytes > 0
  }

  sent(record: LogRecord): void {
    this.#inFlight.push({ lastIndex: record.lastIndex, sizeBytes: record.bytes.length })
    this.#inFlightBytes += record.bytes.length
    this.#allowanceBytes -= record.bytes.length
    this.nextIndex = record.lastIndex + 1
    this.#hasSent = true
  }

  /** Whether a record was sent since this was asked last. */
  takeSent(): boolean {
    const hasSent = this.#hasSent
    this.#hasSent = false
    return hasSent
  }

  /** Takes a report in; late and repeated ones change nothing. */
  report(receivedIndex: number, subtreeIndex: number | undefined): void {
    if (receivedIndex > this.receivedIndex) {
      this.receivedIndex = receivedIndex
      this.#idleTicks = 0
      this.#resume()
      this.#arrived()
    }
    if (subtreeIndex !== undefined) {
      this.reportedIndex = Math.max(this.reportedIndex ?? 0, subtreeIndex)
    }
  }

  /** What was in flight may be lost: send it again. The downstream drops what it has. */
  rewind(): void {
    if (this.streaming) this.#rewindTo(this.receivedIndex + 1)
  }

  /**
   * The transport did not take what was sent: the link is down, or its queue is full. Sends it again after a pause that
   * doubles from time to time up to RESEND_AFTER_TICKS: a whole window at each tick would be work for nothing.
   */
  dropped(): void {
    if (this.#pauseTicks > 0) return
    this.#pauseTicks = this.#pauseNext
    this.#pauseNext = Math.min(RESEND_AFTER_TICKS, this.#pauseNext * 2)
    this.rewind()
  }

  /** True when what is in flight must be sent again (it was rewound). */
  tick(): boolean {
    if (this.#pauseTicks > 0) this.#pauseTicks -= 1
    if (!this.streaming || this.#inFlight.length === 0) return false
    this.#idleTicks += 1
    if (this.#idleTicks < RESEND_AFTER_TICKS) return false
    this.rewind()
    return true
  }

  #resume(): void {
    this.#pauseTicks = 0
    this.#pauseNext = 1
  }

  #rewindTo(index: number): void {
    this.nextIndex = index
    this.#inFlight = []
    this.#inFlightBytes = 0
    this.#windowBytes = WINDOW_SIZE_BYTES_FIRST
    this.#idleTicks = 0
  }

  #arrived(): void {
    let gone = 0
    let goneBytes = 0
    for (const { lastIndex, sizeBytes } of this.#inFlight) {
      if (lastIndex > this.receivedIndex) break
      goneBytes += sizeBytes
      gone += 1
    }
    this.#inFlightBytes -= goneBytes
    this.#windowBytes = Math.min(WINDOW_SIZE_BYTES, this.#windowBytes + goneBytes)
    if (gone > 0) this.#inFlight.splice(0, gone)
    if (this.nextIndex <= this.receivedIndex) this.nextIndex = this.receivedIndex + 1
  }
}
