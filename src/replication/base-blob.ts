/**
 * A base between its blob and the link: where the sender's bytes come from and where the receiver's go. This is the
 * driver's side of a transfer; `BaseSender` and `BaseReceiver` are the pure one.
 */
import type { BlobStore } from '../log/blob-store.js'
import type { Log } from '../log/log.js'
import { type BaseName, baseBlobName } from '../log/log-base.js'
import type { BaseSink } from './base-receiver.js'
import type { BaseContent } from './base-sender.js'

/** The bytes of the base that the log is kept from; undefined where it is kept from its beginning. */
export function baseContentOf(log: Log, blobs: BlobStore): BaseContent | undefined {
  if (log.base === undefined) return undefined
  const { index, hash } = log.base
  const blob = blobs.open(baseBlobName(log.shard, log.base))
  if (blob === undefined) return undefined
  const read = (offset: number, sizeBytesMax: number) => blob.read(offset, sizeBytesMax)
  return { index, hash, totalBytes: blob.sizeBytes, read }
}

export interface BaseIntakeOptions {
  readonly shard: number
  readonly blobs: BlobStore
  /** So many more bytes are on their way to the disk and out of memory: tell `BaseReceiver.written`. */
  readonly onWritten: (sizeBytes: number) => void
  /** The blob is durable under `baseBlobName`: restore, check and install it. */
  readonly onArrived: (base: BaseName) => void
  /** The store failed: the process is about to end. */
  readonly onFailed: (error: unknown) => void
}

/** Writes what comes in as a blob, which appears when it is whole. */
export class BaseIntake implements BaseSink {
  readonly #options: BaseIntakeOptions
  #current: Arriving | undefined
  /** One blob after another: an abandoned one must have let go of its name. */
  #work: Promise<void> = Promise.resolve()

  constructor(options: BaseIntakeOptions) {
    this.#options = options
  }

  begin(base: BaseName): void {
    this.abandon()
    const arriving = new Arriving(this.#options.onWritten)
    this.#current = arriving
    this.#work = this.#work.then(() => this.#take(base, arriving))
  }

  write(bytes: Buffer): void {
    this.#current?.add(bytes)
  }

  finish(): void {
    this.#current?.end()
  }

  /** Gives up what is coming in. */
  abandon(): void {
    this.#current?.abandon()
    this.#current = undefined
  }

  /** Resolves when nothing is being written any more; only after `finish` or `abandon`. */
  settled(): Promise<void> {
    return this.#work
  }

  async #take(base: BaseName, arriving: Arriving): Promise<void> {
    const { shard, blobs, onArrived, onFailed } = this.#options
    const name = baseBlobName(shard, base)
    try {
      // One that arrived before and was not installed.
      await blobs.remove(name)
      await blobs.write(name, arriving.chunks())
    } catch (error) {
      if (!arriving.isAbandoned) onFailed(error)
      return
    }
    if (arriving.isAbandoned) await blobs.remove(name).catch(onFailed)
    else onArrived(base)
  }
}

/** Bytes that came in and are not taken yet. */
class Arriving {
  readonly #onWritten: (sizeBytes: number) => void
  readonly #queue: Buffer[] = []
  #isEnded = false
  #wake: (() => void) | undefined
  isAbandoned = false

  constructor(onWritten: (sizeBytes: number) => void) {
    this.#onWritten = onWritten
  }

  add(bytes: Buffer): void {
    this.#queue.push(bytes)
    this.#wake?.()
  }

  end(): void {
    this.#isEnded = true
    this.#wake?.()
  }

  abandon(): void {
    this.isAbandoned = true
    this.#wake?.()
  }

  async *chunks(): AsyncGenerator<Buffer, void, undefined> {
    for (;;) {
      if (this.isAbandoned) throw new Error('another base, or none, is wanted')
      const bytes = this.#queue.shift()
      if (bytes !== undefined) {
        yield bytes
        // The store asks for the next: this one is copied, and what it takes ahead is bounded.
        if (!this.isAbandoned) this.#onWritten(bytes.length)
      } else if (this.#isEnded) {
        return
      } else {
        await new Promise<void>(resolve => {
          this.#wake = resolve
        })
        this.#wake = undefined
      }
    }
  }
}
