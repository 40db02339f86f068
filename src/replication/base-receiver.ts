/**
 * The follower's side of transferring a base (Following): puts the chunks together in their order and says how much is
 * written down. Lost, doubled and late chunks do no harm: only the bytes that come next are taken, and the sender hears
 * where that is. Pure: bytes go to a sink that is handed in.
 */
import type { BaseChunk, BaseReceipt } from '../generated/varve/v1/replication.js'
import { BASE_WINDOW_SIZE_BYTES } from './base-sender.js'

/** The sender is told after so many bytes: its window never closes while all goes well. */
const RECEIPT_SIZE_BYTES = BASE_WINDOW_SIZE_BYTES / 4
/** Ticks after which the last receipt is said again, should it have been lost. */
const REPEAT_TICKS = 5

/** Where a base's bytes go. One base at a time; calls come in order. */
export interface BaseSink {
  /** A base begins; one that was not finished is abandoned by it, with all its bytes. */
  begin(base: { readonly index: number; readonly hash: Buffer; readonly totalBytes: number }): void
  /** The next bytes, in order; the sink owns them. It says `BaseReceiver.written` when they are out of memory. */
  write(bytes: Buffer): void
  /** All bytes were handed over: make the blob durable, check it, install it. */
  finish(): void
}

export class BaseReceiver {
  readonly #sink: BaseSink
  readonly #send: (receipt: BaseReceipt) => void
  #base: { readonly index: number; readonly hash: Buffer; readonly totalBytes: number } | undefined
  /** Bytes handed to the sink, and those of them that it has written. Invariant: written <= received <= total. */
  #receivedBytes = 0
  #writtenBytes = 0
  #saidBytes = -1
  #ticksSinceSaid = 0
  #hasComplainedThisTick = false

  constructor(sink: BaseSink, send: (receipt: BaseReceipt) => void) {
    this.#sink = sink
    this.#send = send
  }

  /** Index of the base that is coming in, or came in last; 0 where none ever did. */
  get index(): number {
    return this.#base?.index ?? 0
  }

  get receivedBytes(): number {
    return this.#receivedBytes
  }

  /** Size of the base that is coming in; 0 where none is. */
  get totalBytes(): number {
    return this.#base?.totalBytes ?? 0
  }

  /** Some of a base has come in, and some has not. */
  get isReceiving(): boolean {
    return this.#base !== undefined && this.#receivedBytes < this.totalBytes
  }

  /** A chunk came. A base at a higher index, or another one at the same, takes the place of the one that was coming in. */
  chunk({ index, hash, offsetBytes, totalBytes, bytes }: BaseChunk): void {
    if (!(totalBytes > 0 && offsetBytes >= 0 && offsetBytes + bytes.length <= totalBytes)) return
    // An upstream's bases only rise within an epoch: a lower one is late.
    if (index < this.index) return
    if (
      index !== this.#base?.index ||
      !hash.equals(this.#base.hash) ||
      totalBytes !== this.#base.totalBytes
    ) {
      this.#begin(index, hash, totalBytes)
    }
    const end = offsetBytes + bytes.length
    const isNext = offsetBytes <= this.#receivedBytes && end > this.#receivedBytes
    if (!isNext) return this.#complain()
    // What is new in it: a chunk may begin within what is here, when it is cut otherwise than before.
    const fresh = bytes.subarray(this.#receivedBytes - offsetBytes)
    this.#receivedBytes = end
    this.#sink.write(fresh)
    if (this.#receivedBytes === totalBytes) this.#sink.finish()
  }

  /** The sink has written so many more bytes: they take no memory any more. */
  written(sizeBytes: number): void {
    this.#writtenBytes = Math.min(this.#writtenBytes + sizeBytes, this.#receivedBytes)
    const isAll = this.#writtenBytes === this.totalBytes
    if (isAll || this.#writtenBytes - this.#saidBytes >= RECEIPT_SIZE_BYTES) this.#say()
  }

  /** What came in is no good, or could not be installed: the next chunk begins anew. */
  reset(): void {
    this.#base = undefined
    this.#receivedBytes = 0
    this.#writtenBytes = 0
    this.#saidBytes = -1
  }

  tick(): void {
    this.#hasComplainedThisTick = false
    if (this.#base === undefined) return
    const isNews = this.#writtenBytes > this.#saidBytes
    if (isNews || (this.isReceiving && ++this.#ticksSinceSaid >= REPEAT_TICKS)) this.#say()
  }

  #begin(index: number, hash: Buffer, totalBytes: number): void {
    this.reset()
    this.#base = { index, hash: Buffer.from(hash), totalBytes }
    this.#sink.begin(this.#base)
  }

  /** A chunk that cannot be used: the sender is told at once what is wanted, but not for each of many. */
  #complain(): void {
    if (this.#hasComplainedThisTick) return
    this.#hasComplainedThisTick = true
    this.#say()
  }

  #say(): void {
    if (this.#base === undefined) return
    this.#saidBytes = this.#writtenBytes
    this.#ticksSinceSaid = 0
    this.#send({ index: this.#base.index, receivedBytes: this.#writtenBytes })
  }
}
