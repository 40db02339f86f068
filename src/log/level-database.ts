import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { Level } from 'level'
import { LogError, reasonOf } from './errors.js'
import type { BatchOperation } from './group-commit.js'
import { IteratorGate } from './iterator-gate.js'
import { checkWriteAheadFiles } from './wal-check.js'

/**
 * Measured with synced records of 256 entries (37 kB), one and three shards in turn: smaller or larger buffers and
 * files all cost more CPU or more bytes written. Records are read past LevelDB's block cache (`RecordCache` keeps
 * them, decoded), so it stays small. Compression would cost more CPU than anything else here.
 */
const OPTIONS = {
  keyEncoding: 'buffer',
  valueEncoding: 'buffer',
  compression: false,
  cacheSize: 1_048_576,
  writeBufferSize: 4_194_304,
  blockSize: 4_096,
  maxFileSize: 2_097_152,
  maxOpenFiles: 256,
} as const

const READ = { fillCache: false } as const
const SCAN = { fillCache: false, highWaterMarkBytes: 1_048_576 } as const

interface Compactable {
  compactRange(start: Buffer, end: Buffer): Promise<void>
}

export interface KeyRange {
  readonly gte: Buffer
  readonly lt?: Buffer
  readonly lte?: Buffer
}

/** LevelDB, with the little of it that is used here and errors that say what to do. */
export class LevelDatabase {
  /** Where the database is. */
  readonly dir: string
  readonly #level: Level<Buffer, Buffer>
  readonly #gate = new IteratorGate()

  private constructor(dir: string, level: Level<Buffer, Buffer>) {
    this.dir = dir
    this.#level = level
  }

  /**
   * Opens a folder, made when it is not there, after a look through its write-ahead files.
   * @throws LogError LOG_DAMAGED, LOG_LOCKED, LOG_IO
   */
  static async open(dir: string): Promise<LevelDatabase> {
    await checkWriteAheadFiles(dir)
    const level = new Level<Buffer, Buffer>(dir, OPTIONS)
    try {
      await level.open()
    } catch (error) {
      throw openError(dir, error)
    }
    return new LevelDatabase(dir, level)
  }

  /** One atomic, synced write. Fails with LevelDB's own error. */
  write(operations: BatchOperation[]): Promise<void> {
    return this.#level.batch(operations, { sync: true })
  }

  /** @throws LogError LOG_IO */
  getSync(key: Buffer): Buffer | undefined {
    try {
      return this.#level.getSync(key)
    } catch (error) {
      throw this.#readError(error)
    }
  }

  /** @throws LogError LOG_IO */
  async getMany(keys: Buffer[]): Promise<(Buffer | undefined)[]> {
    try {
      return await this.#level.getMany(keys, READ)
    } catch (error) {
      throw this.#readError(error)
    }
  }

  /** Keys and values of a range, in order, about 1 MiB at a time. @throws LogError LOG_IO */
  async *entries(range: KeyRange): AsyncGenerator<[Buffer, Buffer][], void, undefined> {
    await this.#gate.enter()
    const iterator = this.#level.iterator({ ...SCAN, ...range })
    try {
      for (;;) {
        const entries = await iterator.nextv(1_000)
        if (entries.length === 0) return
        yield entries
      }
    } catch (error) {
      throw this.#readError(error)
    } finally {
      await iterator.close()
      this.#gate.leave()
    }
  }

  /** Keys of a range, in order. @throws LogError LOG_IO */
  async *keys(range: KeyRange): AsyncGenerator<Buffer[], void, undefined> {
    await this.#gate.enter()
    const iterator = this.#level.keys({ ...SCAN, ...range })
    try {
      for (;;) {
        const keys = await iterator.nextv(1_000)
        if (keys.length === 0) return
        yield keys
      }
    } catch (error) {
      throw this.#readError(error)
    } finally {
      await iterator.close()
      this.#gate.leave()
    }
  }

  async firstKey(range: KeyRange): Promise<Buffer | undefined> {
    return (await this.#someKeys(range, 1, false))[0]
  }

  async lastKey(range: KeyRange): Promise<Buffer | undefined> {
    return (await this.#someKeys(range, 1, true))[0]
  }

  /** At most `limit` keys from the beginning of a range. @throws LogError LOG_IO */
  firstKeys(range: KeyRange, limit: number): Promise<Buffer[]> {
    return this.#someKeys(range, limit, false)
  }

  /** Gives back the space of what was removed in a range, while reads and writes go on. @throws LogError LOG_IO */
  async compact(start: Buffer, end: Buffer): Promise<void> {
    try {
      // Of the LevelDB that `level` stands for in Node.js; its types speak of every platform.
      await (this.#level as unknown as Compactable).compactRange(start, end)
    } catch (error) {
      throw this.#readError(error)
    }
  }

  /** Runs a deletion (until it is durable) while no iterator is open. */
  whileNoIteratorIsOpen(run: () => Promise<void>): Promise<void> {
    return this.#gate.delete(run)
  }

  close(): Promise<void> {
    return this.#level.close()
  }

  async #someKeys(range: KeyRange, limit: number, reverse: boolean): Promise<Buffer[]> {
    await this.#gate.enter()
    const iterator = this.#level.keys({ ...range, fillCache: false, reverse, limit })
    try {
      return await iterator.nextv(limit)
    } catch (error) {
      throw this.#readError(error)
    } finally {
      await iterator.close()
      this.#gate.leave()
    }
  }

  #readError(error: unknown): LogError {
    if (error instanceof LogError) return error
    return new LogError('LOG_IO', `cannot read the database ${this.dir}: ${reasonOf(error)}`, {
      cause: error,
    })
  }
}

function openError(dir: string, error: unknown): LogError {
  const cause = error instanceof Error && error.cause !== undefined ? error.cause : error
  const code = (cause as { code?: unknown } | null)?.code
  if (code === 'LEVEL_LOCKED') {
    return new LogError(
      'LOG_LOCKED',
      `the data folder ${dir} is in use by another process: stop that one first`,
      { cause },
    )
  }
  if (code === 'LEVEL_CORRUPTION' || namesNoFile(dir, reasonOf(cause))) {
    const text = `the database ${dir} is damaged (${reasonOf(cause)}): rename the data folder and join anew`
    return new LogError('LOG_DAMAGED', text, { cause })
  }
  return new LogError('LOG_IO', `cannot open the database ${dir}: ${reasonOf(cause)}`, { cause })
}

/** LevelDB's CURRENT is there and names a file that is not: one flipped bit does that, and no other start helps. */
function namesNoFile(dir: string, reason: string): boolean {
  const isMissing = /^IO error: [\s\S]*: (No such file or directory|Is a directory|Not a directory)/.test(
    reason,
  )
  return isMissing && existsSync(join(dir, 'CURRENT'))
}
