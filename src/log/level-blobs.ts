import { type BlobStore, type BlobView, checkBlobName } from './blob-store.js'
import { LogError } from './errors.js'
import type { GroupCommit } from './group-commit.js'
import type { LevelDatabase } from './level-database.js'
import { type LevelFacts, open, seal } from './level-facts.js'
import {
  BLOB_CHUNK,
  BLOB_NAME,
  chunkKey,
  idOfChunkKey,
  namedKey,
  nameOfKey,
  rangeOf,
  versionOfKey,
} from './level-keys.js'

/** Small, so that a piece in the middle of a large blob costs little to read. */
const CHUNK_SIZE_BYTES = 32_768
/** So many travel in one synced batch: an append never waits for more. */
const CHUNKS_AT_ONCE = 8

/** The space of a removed blob is given back at once from this size on; of others when LevelDB comes by. */
const COMPACTED_SIZE_BYTES_MIN = 16_777_216

interface Blob {
  readonly id: number
  readonly chunks: number
  readonly sizeBytes: number
  /** Of every chunk but the last; 0: they differ, as in blobs of older versions. */
  readonly chunkSizeBytes: number
}

/**
 * Blobs in LevelDB. Chunks ride in the group commits of the logs, a few at a time, so that a checkpoint never holds up
 * an append for more than those. The name is written last and makes the blob appear.
 */
export class LevelBlobStore implements BlobStore {
  readonly #database: LevelDatabase
  readonly #commit: GroupCommit
  readonly #facts: LevelFacts
  readonly #blobs = new Map<string, Blob>()
  /** Names on their way to the disk. */
  readonly #taken = new Set<string>()

  constructor(database: LevelDatabase, commit: GroupCommit, facts: LevelFacts) {
    this.#database = database
    this.#commit = commit
    this.#facts = facts
  }

  /**
   * Finds the blobs on disk.
   * @returns keys of chunks whose blob was never finished
   * @throws LogError LOG_DAMAGED, LOG_IO
   */
  async load(): Promise<Buffer[]> {
    for await (const entries of this.#database.entries(rangeOf(BLOB_NAME))) {
      for (const [key, stored] of entries) {
        const value = open(key, stored, this.#database.dir)
        const blob = {
          id: versionOfKey(key),
          chunks: value.readUInt32LE(0),
          sizeBytes: value.readDoubleLE(4),
          chunkSizeBytes: value.length >= 16 ? value.readUInt32LE(12) : 0,
        }
        this.#blobs.set(nameOfKey(key), blob)
      }
    }
    const whole = new Set([...this.#blobs.values()].map(blob => blob.id))
    for (const id of whole) this.#facts.used(id)
    return this.#remains(whole)
  }

  async write(name: string, chunks: Iterable<Buffer> | AsyncIterable<Buffer>): Promise<void> {
    checkBlobName(name)
    if (this.#blobs.has(name) || this.#taken.has(name))
      throw new TypeError(`blob ${name} exists: names are written once`)
    this.#taken.add(name)
    try {
      await this.#publish(name, await this.#writeChunks(chunks))
    } finally {
      this.#taken.delete(name)
    }
  }

  async #writeChunks(chunks: Iterable<Buffer> | AsyncIterable<Buffer>): Promise<Blob> {
    const id = this.#facts.nextVersion()
    const pending = Buffer.allocUnsafe(CHUNK_SIZE_BYTES)
    let used = 0
    let count = 0
    let sizeBytes = 0
    const putChunk = () => {
      const key = chunkKey(id, count)
      this.#commit.put(key, seal(key, pending.subarray(0, used)))
      count++
      used = 0
    }
    try {
      for await (const given of chunks) {
        sizeBytes += given.length
        for (let at = 0; at < given.length; ) {
          const taken = given.copy(pending, used, at, Math.min(given.length, at + CHUNK_SIZE_BYTES - used))
          at += taken
          used += taken
          if (used < CHUNK_SIZE_BYTES) break
          putChunk()
          if (count % CHUNKS_AT_ONCE === 0) await this.#commit.settled()
        }
      }
    } catch (error) {
      await this.#removeChunks(id, count)
      throw error
    }
    if (used > 0) putChunk()
    return { id, chunks: count, sizeBytes, chunkSizeBytes: CHUNK_SIZE_BYTES }
  }

  read(name: string): AsyncIterable<Buffer> | undefined {
    const blob = this.#blobs.get(name)
    return blob === undefined ? undefined : this.#chunks(name, blob)
  }

  open(name: string): BlobView | undefined {
    const blob = this.#blobs.get(name)
    if (blob === undefined) return undefined
    return { sizeBytes: blob.sizeBytes, read: (offset, max) => this.#readAt(name, blob, offset, max) }
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
    const blob = this.#blobs.get(name)
    if (blob === undefined) return
    await this.#database.whileNoIteratorIsOpen(async () => {
      if (this.#blobs.get(name) !== blob) return
      this.#commit.delete(namedKey(BLOB_NAME, name, blob.id))
      for (let number = 0; number < blob.chunks; number++) this.#commit.delete(chunkKey(blob.id, number))
      // Keeps the greatest number ever used on disk: a later blob must not come by the same keys.
      const mark = this.#facts.set('blob-removed', Buffer.alloc(0))
      this.#commit.put(mark.key, mark.value)
      this.#blobs.delete(name)
      await this.#commit.settled()
    })
    if (blob.sizeBytes < COMPACTED_SIZE_BYTES_MIN) return
    await this.#database.compact(chunkKey(blob.id, 0), chunkKey(blob.id, blob.chunks))
  }

  /** Of a blob that will never be whole. Where the store failed they are found at the next open. */
  async #removeChunks(id: number, count: number): Promise<void> {
    if (this.#commit.poisoned !== undefined) return
    await this.#database.whileNoIteratorIsOpen(async () => {
      for (let number = 0; number < count; number++) this.#commit.delete(chunkKey(id, number))
      // As in `remove`: the number must not come again.
      const mark = this.#facts.set('blob-removed', Buffer.alloc(0))
      this.#commit.put(mark.key, mark.value)
      await this.#commit.settled()
    })
  }

  /** One seek from blob to blob: the chunks themselves are not read, except where they are remains. */
  async #remains(whole: Set<number>): Promise<Buffer[]> {
    const { lt } = rangeOf(BLOB_CHUNK)
    const remains: Buffer[] = []
    let first = await this.#database.firstKey({ gte: chunkKey(0, 0), lt })
    while (first !== undefined) {
      const id = idOfChunkKey(first)
      this.#facts.used(id)
      const next = chunkKey(id + 1, 0)
      if (!whole.has(id)) {
        for await (const keys of this.#database.keys({ gte: first, lt: next })) remains.push(...keys)
      }
      first = await this.#database.firstKey({ gte: next, lt })
    }
    return remains
  }

  async #publish(name: string, blob: Blob): Promise<void> {
    const value = Buffer.alloc(16)
    value.writeUInt32LE(blob.chunks, 0)
    value.writeDoubleLE(blob.sizeBytes, 4)
    value.writeUInt32LE(blob.chunkSizeBytes, 12)
    const key = namedKey(BLOB_NAME, name, blob.id)
    this.#commit.put(key, seal(key, value))
    await this.#commit.settled()
    this.#blobs.set(name, blob)
  }

  async *#chunks(name: string, blob: Blob): AsyncGenerator<Buffer, void, undefined> {
    let sizeBytes = 0
    for (let number = 0; number < blob.chunks; number += CHUNKS_AT_ONCE) {
      const count = Math.min(CHUNKS_AT_ONCE, blob.chunks - number)
      const keys = Array.from({ length: count }, (_, i) => chunkKey(blob.id, number + i))
      const found = await this.#database.getMany(keys)
      for (let i = 0; i < count; i++) {
        const chunk = checked(name, blob, keys[i]!, number + i, found[i])
        sizeBytes += chunk.length
        yield chunk
      }
    }
    if (sizeBytes !== blob.sizeBytes) throw damaged(name, `${sizeBytes} bytes, expected ${blob.sizeBytes}`)
  }

  #readAt(name: string, blob: Blob, offset: number, sizeBytesMax: number): Buffer | undefined {
    if (this.#blobs.get(name) !== blob) return undefined
    if (!(offset >= 0 && offset < blob.sizeBytes && sizeBytesMax > 0)) {
      throw new RangeError(`${sizeBytesMax} bytes at ${offset} of blob ${name}, which has ${blob.sizeBytes}`)
    }
    if (blob.chunkSizeBytes === 0) throw damaged(name, 'its chunks are of no known size')
    const number = Math.floor(offset / blob.chunkSizeBytes)
    const within = offset - number * blob.chunkSizeBytes
    const key = chunkKey(blob.id, number)
    const chunk = checked(name, blob, key, number, this.#database.getSync(key))
    if (within >= chunk.length) throw damaged(name, `chunk ${number} of ${blob.chunks} is too short`)
    return chunk.subarray(within, within + sizeBytesMax)
  }
}

function checked(name: string, blob: Blob, key: Buffer, number: number, stored: Buffer | undefined): Buffer {
  if (stored === undefined) throw damaged(name, `chunk ${number} of ${blob.chunks} is missing`)
  return open(key, stored, `blob ${name}`)
}

function damaged(name: string, what: string): LogError {
  return new LogError('LOG_DAMAGED', `blob ${name} is damaged: ${what}`)
}
