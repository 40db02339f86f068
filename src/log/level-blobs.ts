import { type BlobStore, checkBlobName } from './blob-store.js'
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

const CHUNK_SIZE_BYTES = 262_144

interface Blob {
  readonly id: number
  readonly chunks: number
  readonly sizeBytes: number
}

/**
 * Blobs in LevelDB. Chunks ride in the group commits of the logs, one at a time, so that a checkpoint never holds up
 * an append for more than a chunk. The name is written last and makes the blob appear.
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
        }
        this.#blobs.set(nameOfKey(key), blob)
      }
    }
    const whole = new Set([...this.#blobs.values()].map(blob => blob.id))
    for (const id of whole) this.#facts.used(id)
    return this.#remains(whole)
  }

  async write(name: string, chunks: Iterable<Buffer>): Promise<void> {
    checkBlobName(name)
    if (this.#blobs.has(name) || this.#taken.has(name))
      throw new TypeError(`blob ${name} exists: names are written once`)
    this.#taken.add(name)
    try {
      const id = this.#facts.nextVersion()
      let count = 0
      let sizeBytes = 0
      for (const given of chunks) {
        for (let at = 0; at < given.length; at += CHUNK_SIZE_BYTES) {
          const chunk = given.subarray(at, at + CHUNK_SIZE_BYTES)
          const key = chunkKey(id, count)
          this.#commit.put(key, seal(key, chunk))
          count++
          sizeBytes += chunk.length
          await this.#commit.settled()
        }
      }
      await this.#publish(name, { id, chunks: count, sizeBytes })
    } finally {
      this.#taken.delete(name)
    }
  }

  read(name: string): AsyncIterable<Buffer> | undefined {
    const blob = this.#blobs.get(name)
    return blob === undefined ? undefined : this.#chunks(name, blob)
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
    const value = Buffer.alloc(12)
    value.writeUInt32LE(blob.chunks, 0)
    value.writeDoubleLE(blob.sizeBytes, 4)
    const key = namedKey(BLOB_NAME, name, blob.id)
    this.#commit.put(key, seal(key, value))
    await this.#commit.settled()
    this.#blobs.set(name, blob)
  }

  async *#chunks(name: string, blob: Blob): AsyncGenerator<Buffer, void, undefined> {
    let sizeBytes = 0
    for (let number = 0; number < blob.chunks; number++) {
      const key = chunkKey(blob.id, number)
      const [stored] = await this.#database.getMany([key])
      if (stored === undefined) throw damaged(name, `chunk ${number} of ${blob.chunks} is missing`)
      const chunk = open(key, stored, `blob ${name}`)
      sizeBytes += chunk.length
      yield chunk
    }
    if (sizeBytes !== blob.sizeBytes) throw damaged(name, `${sizeBytes} bytes, expected ${blob.sizeBytes}`)
  }
}

function damaged(name: string, what: string): LogError {
  return new LogError('LOG_DAMAGED', `blob ${name} is damaged: ${what}`)
}
