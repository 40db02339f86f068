import { crc32 } from 'node:zlib'
import { LogError } from './errors.js'
import type { BatchOperation } from './group-commit.js'
import type { LevelDatabase } from './level-database.js'
import { META, namedKey, nameOfKey, rangeOf, versionOfKey } from './level-keys.js'

/**
 * Small facts beside the records: format, cluster, each log's epoch table. No key is ever written twice, so a new value
 * goes under a new version, and the highest version counts. Old versions are removed at the next open.
 */
export class LevelFacts {
  readonly #values = new Map<string, Buffer>()
  #version = 0

  /**
   * Reads all facts. A damaged one is handed to `onDamage`, where that is given, and counts as not there: then the
   * version before it does, if the disk still has it.
   * @returns the facts, and the keys that newer versions have replaced
   * @throws LogError LOG_DAMAGED, LOG_IO
   */
  static async load(
    database: LevelDatabase,
    onDamage?: (error: LogError) => void,
  ): Promise<{ facts: LevelFacts; replaced: Buffer[] }> {
    const facts = new LevelFacts()
    const replaced: Buffer[] = []
    let before: Buffer | undefined
    for await (const entries of database.entries(rangeOf(META))) {
      for (const [key, stored] of entries) {
        const name = nameOfKey(key)
        if (before !== undefined && nameOfKey(before) === name) replaced.push(before)
        try {
          facts.#values.set(name, open(key, stored, database.dir))
        } catch (error) {
          if (onDamage === undefined) throw error
          onDamage(error as LogError)
        }
        facts.used(versionOfKey(key))
        before = key
      }
    }
    return { facts, replaced }
  }

  get isEmpty(): boolean {
    return this.#values.size === 0
  }

  get(name: string): Buffer | undefined {
    return this.#values.get(name)
  }

  names(prefix: string): string[] {
    return [...this.#values.keys()].filter(name => name.startsWith(prefix))
  }

  /** The newest value of one fact, read from the database when nothing else is known. */
  static async read(database: LevelDatabase, name: string): Promise<Buffer | undefined> {
    const range = { gte: namedKey(META, name, 0), lte: namedKey(META, name, 2 ** 48 - 1) }
    const key = await database.lastKey(range)
    return key === undefined ? undefined : open(key, database.getSync(key)!, database.dir)
  }

  /** A number that no key of this database ever had: of a fact's version, or of a blob. */
  nextVersion(): number {
    this.#version++
    return this.#version
  }

  /** What to write so that the fact has this value (not copied); it has it at once. */
  set(name: string, value: Buffer): BatchOperation & { type: 'put' } {
    this.#values.set(name, value)
    const key = namedKey(META, name, this.nextVersion())
    return { type: 'put', key, value: seal(key, value) }
  }

  /** A number that a key has which was not loaded here. */
  used(version: number): void {
    if (version > this.#version) this.#version = version
  }
}

const CRC_SIZE_BYTES = 4

/** CRC-32 of key and value, then the value: a value that turns up under another key is found out too. */
export function seal(key: Buffer, value: Buffer): Buffer {
  const stored = Buffer.allocUnsafe(CRC_SIZE_BYTES + value.length)
  value.copy(stored, CRC_SIZE_BYTES)
  stored.writeUInt32LE(crc32(value, crc32(key)), 0)
  return stored
}

/** @throws LogError LOG_DAMAGED */
export function open(key: Buffer, stored: Buffer, where: string): Buffer {
  const value = stored.subarray(CRC_SIZE_BYTES)
  if (stored.length >= CRC_SIZE_BYTES && stored.readUInt32LE(0) === crc32(value, crc32(key))) return value
  const name = JSON.stringify(key.toString('latin1'))
  throw new LogError(
    'LOG_DAMAGED',
    `${where}: the value under ${name} is damaged: rename the data folder and join anew`,
  )
}
