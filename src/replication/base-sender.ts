/**
 * The upstream's side of transferring a base (Following): when the log no longer holds what a follower needs, the base
 * goes ahead of it, in chunks. The follower says how much of it it has written down; so much may be on its way beyond
 * that. What is not heard of for some ticks is sent again. Pure: bytes are read and chunks sent through what is handed in.
 */
import type { BaseChunk, BaseReceipt } from '../generated/varve/v1/replication.js'

/** At most so many bytes are on their way, so the follower has no more than that in memory. */
export const BASE_WINDOW_SIZE_BYTES = 4_194_304
/** A chunk has about so many bytes: far below what one message may have. */
export const BASE_CHUNK_SIZE_BYTES = 262_144
/** Ticks without news after which what was sent is sent again. */
export const BASE_RESEND_TICKS = 20

/** The bytes of a base, wherever they are. */
export interface BaseContent {
  /** Record end that the base stands for, and its hash: they name it. */
  readonly index: number
  readonly hash: Buffer
  readonly totalBytes: number
  /** At least one and at most `sizeBytesMax` bytes from `offset` on; undefined once another base took its place. */
  read(offset: number, sizeBytesMax: number): Buffer | undefined
}

export class BaseSender {
  readonly #content: BaseContent
  readonly #send: (chunk: BaseChunk) => void
  /** What the follower has written down, and what was sent. Invariant: acknowledged <= sent <= total. */
  #acknowledgedBytes = 0
  #sentBytes = 0
  #ticksWithoutNews = 0
  #hasRewoundThisTick = false
  #isGone = false

  constructor(content: BaseContent, send: (chunk: BaseChunk) => void) {
    this.#content = content
    this.#send = send
  }

  get index(): number {
    return this.#content.index
  }

  get hash(): Buffer {
    return this.#content.hash
  }

  /** What the follower has written down, as far as it said. */
  get acknowledgedBytes(): number {
    return this.#acknowledgedBytes
  }

  get totalBytes(): number {
    return this.#content.totalBytes
  }

  /** The follower has all of it. It installs it and asks to follow anew. */
  get isDone(): boolean {
    return this.#acknowledgedBytes === this.totalBytes
  }

  /** The base was replaced by another: send that one instead, with a sender of its own. */
  get isGone(): boolean {
    return this.#isGone
  }

  /** Sends the first chunks. */
  begin(): void {
    this.#pump()
  }

  /** The follower says what it has. Less than before: it began anew, and so does this; or the message is old. */
  receipt({ index, receivedBytes }: BaseReceipt): void {
    if (index !== this.index || !(receivedBytes >= 0 && receivedBytes <= this.totalBytes)) return
    if (receivedBytes > this.#acknowledgedBytes) {
      this.#acknowledgedBytes = receivedBytes
      this.#sentBytes = Math.max(this.#sentBytes, receivedBytes)
      this.#ticksWithoutNews = 0
    } else if (receivedBytes < this.#acknowledgedBytes && !this.#hasRewoundThisTick) {
      this.#acknowledgedBytes = receivedBytes
      this.#rewind()
    }
    this.#pump()
  }

  /** A chunk was not taken by the link: what is on its way is sent again at the next tick. */
  dropped(): void {
    this.#rewind()
  }

  /** The link broke. */
  linkDown(): void {
    this.#rewind()
  }

  tick(): void {
    this.#hasRewoundThisTick = false
    if (this.#sentBytes > this.#acknowledgedBytes && ++this.#ticksWithoutNews >= BASE_RESEND_TICKS)
      this.#rewind()
    this.#pump()
  }

  #rewind(): void {
    this.#sentBytes = this.#acknowledgedBytes
    this.#ticksWithoutNews = 0
    this.#hasRewoundThisTick = true
  }

  #pump(): void {
    const { index, hash, totalBytes } = this.#content
    while (
      this.#sentBytes < totalBytes &&
      this.#sentBytes - this.#acknowledgedBytes < BASE_WINDOW_SIZE_BYTES
    ) {
      const bytes = this.#chunkAt(this.#sentBytes)
      if (bytes === undefined) return
      const chunk = { index, hash, offsetBytes: this.#sentBytes, totalBytes, bytes }
      // Counted first: the link may refuse it within the call.
      this.#sentBytes += bytes.length
      const before = this.#sentBytes
      this.#send(chunk)
      if (this.#sentBytes < before) return
    }
  }

  #chunkAt(offset: number): Buffer | undefined {
    const pieces: Buffer[] = []
    const size = Math.min(BASE_CHUNK_SIZE_BYTES, this.totalBytes - offset)
    for (let at = 0; at < size; ) {
      const piece = this.#content.read(offset + at, size - at)
      if (piece === undefined) {
        this.#isGone = true
        return undefined
      }
      pieces.push(piece)
      at += piece.length
    }
    return pieces.length === 1 ? pieces[0]! : Buffer.concat(pieces)
  }
}
