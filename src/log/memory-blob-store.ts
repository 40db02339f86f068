import { type BlobStore, type BlobView, checkBlobName } from './blob-store.js'
import type { LogError } from './errors.js'

/** A change of the blobs, on its way to the disk. */
export interface BlobWrite {
  readonly name: string
  /** The whole blob; undefined: removed. */
  readonly bytes: Buffer | undefined
  readonly done: () => void
  readonly failed: (error: LogError) => void
}

/** Blobs in memory; durable when the store that it belongs to syncs. */
export class MemoryBlobStore implements BlobStore {
  readonly #enqueue: (write: BlobWrite) => void
  readonly #blobs = new Map<string, Buffer>()
  /** Names on their way to the disk. */
  readonly #taken = new Set<string>()
  /** How many processes died here: a write that waits for its chunks ends with its process. */
  #deaths = 0

  constructor(enqueue: (write: BlobWrite) => void) {
    this.#enqueue = enqueue
  }

  async write(name: string, chunks: Iterable<Buffer> | AsyncIterable<Buffer>): Promise<void> {
    checkBlobName(name)
    if (this.#blobs.has(name) || this.#taken.has(name))
      throw new TypeError(`blob ${name} exists: names are written once`)
    const copies: Buffer[] = []
    // Without a turn in between where there is none to wait for: the write then is on its way at once.
    if (Symbol.iterator in chunks) for (const chunk of chunks) copies.push(Buffer.from(chunk))
    this.#taken.add(name)
    const deaths = this.#deaths
    try {
      if (!(Symbol.iterator in chunks)) for await (const chunk of chunks) copies.push(Buffer.from(chunk))
      if (this.#deaths > deaths) await new Promise(() => {})
      await this.#change(name, Buffer.concat(copies))
    } finally {
      this.#taken.delete(name)
    }
  }

  read(name: string): AsyncIterable<Buffer> | undefined {
    const bytes = this.#blobs.get(name)
    if (bytes === undefined) return undefined
    return (async function* () {
      yield bytes
    })()
  }

  open(name: string): BlobView | undefined {
    const bytes = this.#blobs.get(name)
    if (bytes === undefined) return undefined
    const read = (offset: number, sizeBytesMax: number) => {
      if (this.#blobs.get(name) !== bytes) return undefined
      if (!(offset >= 0 && offset < bytes.length && sizeBytesMax > 0)) {
        throw new RangeError(`${sizeBytesMax} bytes at ${offset} of blob ${name}, which has ${bytes.length}`)
      }
      return bytes.subarray(offset, offset + sizeBytesMax)
    }
    return { sizeBytes: bytes.length, read }
  }

  /** Whether the blob is there and durable. */
  has(name: string): boolean {
    return this.#blobs.has(name)
  }

  async names(prefix: string): Promise<string[]> {
    const names = [...this.#blobs.keys()].filter(name => name.startsWith(prefix))
    return names.sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)))
  }

  async remove(name: string): Promise<void> {
    if (this.#blobs.has(name)) await this.#change(name, undefined)
  }

  /** The store has synced this change. */
  apply(write: BlobWrite): void {
    if (write.bytes === undefined) this.#blobs.delete(write.name)
    else this.#blobs.set(write.name, write.bytes)
  }

  /** Nothing is under way any more. */
  crash(): void {
    this.#taken.clear()
    this.#deaths++
  }

  #change(name: string, bytes: Buffer | undefined): Promise<void> {
    return new Promise((done, failed) => this.#enqueue({ name, bytes, done, failed }))
  }
}
