/** Ways to harm a data folder on purpose. */
import { open, readdir, readFile, stat, truncate } from 'node:fs/promises'
import { join } from 'node:path'
import { Level } from 'level'
import { LevelLogStore } from '../../src/log/level-log.js'
import { nullLogger } from '../../src/log/logger.js'
import type { LogRecord } from '../../src/log/record-codec.js'

/** Fills a folder with a log of these records; reopened once, unless they are to stay in the write-ahead file. */
export async function fillFolder(dir: string, records: readonly LogRecord[], inTables = true): Promise<void> {
  const store = await LevelLogStore.open({ dir, logger: nullLogger })
  for (const record of records) {
    store.log(record.shard).append(record)
    await store.flush()
  }
  await store.close()
  if (inTables) await (await LevelLogStore.open({ dir, logger: nullLogger })).close()
}

/** Flips one bit of the first file of this kind that holds `text`, just there. Returns the file and the byte. */
export async function flipBit(
  dir: string,
  text: string,
  kind: RegExp,
): Promise<{ file: string; offset: number }> {
  for (const name of await readdir(dir)) {
    if (!kind.test(name)) continue
    const path = join(dir, name)
    const offset = (await readFile(path)).indexOf(text)
    if (offset < 0) continue
    const file = await open(path, 'r+')
    const byte = Buffer.alloc(1)
    await file.read(byte, 0, 1, offset)
    byte[0]! ^= 0x10
    await file.write(byte, 0, 1, offset)
    await file.close()
    return { file: path, offset }
  }
  throw new Error(`'${text}' is in no file of ${dir}`)
}

/** Cuts so many bytes off the newest write-ahead file. Returns it, and its size then. */
export async function tearTail(dir: string, bytes: number): Promise<{ file: string; size: number }> {
  const name = (await readdir(dir))
    .filter(each => /^\d+\.log$/.test(each))
    .sort()
    .at(-1)!
  const file = join(dir, name)
  const size = (await stat(file)).size - bytes
  await truncate(file, size)
  return { file, size }
}

/** The database behind the store's back. */
export async function withLevel<T>(
  dir: string,
  use: (level: Level<Buffer, Buffer>) => Promise<T>,
): Promise<T> {
  const level = new Level<Buffer, Buffer>(dir, { keyEncoding: 'buffer', valueEncoding: 'buffer' })
  await level.open()
  try {
    return await use(level)
  } finally {
    await level.close()
  }
}

/** Removes keys that hold this text, or are of this record. */
export async function removeKeys(dir: string, isMeant: (key: Buffer) => boolean): Promise<void> {
  await withLevel(dir, async level => {
    for (const key of await level.keys().all()) if (isMeant(key)) await level.del(key)
  })
}
