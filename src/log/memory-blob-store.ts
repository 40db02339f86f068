import { type BlobStore, checkBlobName } from './blob-store.js'
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

  constructor(enqueue: (write: BlobWrite) => void) {
    this.#enqueue = enqueue
  }

  async write(name: string, chunks: Iterable<Buffer>): Promise<void> {
    checkBlobName(name)
    if (this.#blobs.has(name) || this.#taken.has(name))
      throw new TypeError(`blob ${name} exists: names are written once`)
    const copies: Buffer[] = []
    for (const chunk of chunks) copies.push(Buffer.from(chunk))
    const bytes = Buffer.concat(copies)
    this.#taken.add(name)
    await this.#change(name, bytes).finally(() => this.#taken.delete(name))
  }

  read(name: string): AsyncIterable<Buffer> | undefined {
    const bytes = this.#blobs.get(name)
    if (bytes === undefined) return undefined
    return (async function* () {
      yield bytes
    })()
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
  }

  #change(name: string, bytes: Buffer | undefined): Promise<void> {
    return new Promise((done, failed) => this.#enqueue({ name, bytes, done, failed }))
  }
}
