import { existsSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { Level } from 'level'
import { LogError, reasonOf } from './errors.js'
import type { BatchOperation } from './group-commit.js'
import { IteratorGate } from './iterator-gate.js'
import { type FolderFaults, type LevelView, viewFolder } from './level-view.js'
import { checkWriteAheadFiles } from './wal-check.js'

/**
 * Measured with synced records of 256 entries (37 kB), one and three shards in turn: smaller or larger buffers and
 * files all cost more CPU or more bytes written. Records are read past LevelDB's block cache (`RecordCache` keeps
 * them, decoded), so it stays small. Compression would cost more CPU than anything else here. Table files are mapped, up
 * to 1,000 of them, and hold no file descriptor then: a read from one that is not open costs twice as much.
 */
const OPTIONS = {
  keyEncoding: 'buffer',
  valueEncoding: 'buffer',
  compression: false,
  cacheSize: 1_048_576,
  writeBufferSize: 4_194_304,
  blockSize: 4_096,
  maxFileSize: 2_097_152,
  maxOpenFiles: 1_000,
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
  /** What the write-ahead files of a database that is opened for reading are, beside sound. */
  readonly faults: FolderFaults | undefined
  readonly #level: Level<Buffer, Buffer>
  readonly #view: LevelView | undefined
  readonly #gate = new IteratorGate()

  private constructor(dir: string, level: Level<Buffer, Buffer>, view?: LevelView) {
    this.dir = dir
    this.faults = view?.faults
    this.#level = level
    this.#view = view
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
    OPEN_HERE.add(resolve(dir))
    return new LevelDatabase(dir, level)
  }

  /**
   * Opens a view of a folder: nothing in the folder changes, whatever is read or written. Damaged write-ahead files
   * do not reject; they are in `faults`, and what is sound in them can be read.
   * @throws LogError LOG_DAMAGED, LOG_LOCKED, LOG_FOREIGN, LOG_IO
   */
  static async openForReading(dir: string): Promise<LevelDatabase> {
    // Closing a view would let go of the lock: the system counts locks by process.
    if (OPEN_HERE.has(resolve(dir))) throw lockedError(dir, undefined)
    const view = await viewFolder(dir)
    const level = new Level<Buffer, Buffer>(view.path, { ...OPTIONS, createIfMissing: false })
    try {
      await level.open()
    } catch (error) {
      await view.remove()
      throw openError(dir, error, view.path)
    }
    return new LevelDatabase(dir, level, view)
  }

  /** Whether this is a view of a folder, for reading. */
  get isView(): boolean {
    return this.#view !== undefined
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

  /** Keys and values of a range, in order, about 1 MiB and at most `countMax` at a time. @throws LogError LOG_IO */
  async *entries(range: KeyRange, countMax = 1_000): AsyncGenerator<[Buffer, Buffer][], void, undefined> {
    await this.#gate.enter()
    const iterator = this.#level.iterator({ ...SCAN, ...range })
    try {
      for (;;) {
        const entries = await iterator.nextv(countMax)
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

  async close(): Promise<void> {
    await this.#level.close()
    if (this.#view === undefined) OPEN_HERE.delete(resolve(this.dir))
    await this.#view?.remove()
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

/** Folders whose databases this process holds. */
const OPEN_HERE = new Set<string>()

/** `view`: where the folder was opened instead, for reading. */
function openError(dir: string, error: unknown, view = dir): LogError {
  const cause = error instanceof Error && error.cause !== undefined ? error.cause : error
  const code = (cause as { code?: unknown } | null)?.code
  if (code === 'LEVEL_LOCKED') return lockedError(dir, cause)
  const reason = reasonOf(cause).replaceAll(view, dir)
  if (code === 'LEVEL_CORRUPTION' || namesNoFile(dir, reason)) {
    const text = `the database ${dir} is damaged (${reason}): rename the data folder and join anew`
    return new LogError('LOG_DAMAGED', text, { cause })
  }
  return new LogError('LOG_IO', `cannot open the database ${dir}: ${reason}`, { cause })
}

function lockedError(dir: string, cause: unknown): LogError {
  const text = `the data folder ${dir} is in use by another process: stop that one first`
  return new LogError('LOG_LOCKED', text, cause === undefined ? {} : { cause })
}

/** LevelDB's CURRENT is there and names a file that is not: one flipped bit does that, and no other start helps. */
function namesNoFile(dir: string, reason: string): boolean {
  const isMissing = /^IO error: [\s\S]*: (No such file or directory|Is a directory|Not a directory)/.test(
    reason,
  )
  return isMissing && existsSync(join(dir, 'CURRENT'))
}
