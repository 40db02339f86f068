import { open, readdir, readFile, stat, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { Level } from 'level'
import type { BlobStore } from '../../src/log/blob-store.js'
import type { LogErrorCode } from '../../src/log/errors.js'
import { LogError } from '../../src/log/errors.js'
import { seal } from '../../src/log/level-facts.js'
import { META, namedKey, recordKey } from '../../src/log/level-keys.js'
import { LevelLogStore, type LevelLogStoreOptions } from '../../src/log/level-log.js'
import { baseBlobName, describeBase, type LogBase } from '../../src/log/log-base.js'
import { nullLogger } from '../../src/log/logger.js'
import type { LogRecord } from '../../src/log/record-codec.js'
import { chainOf, collect, EMPTY_END, endOf, recordAfter, temporaryFolder } from './record-chain.js'

function openStore(dir: string, options: Partial<LevelLogStoreOptions> = {}): Promise<LevelLogStore> {
  return LevelLogStore.open({ dir, logger: nullLogger, ...options })
}

async function failsToOpen(
  t: ExecutionContext,
  dir: string,
  code: LogErrorCode,
  options: Partial<LevelLogStoreOptions> = {},
): Promise<LogError> {
  const error = (await t.throwsAsync(openStore(dir, options), { instanceOf: LogError }))!
  t.is(error.code, code, error.message)
  t.notRegex(error.message, /\n/)
  return error
}

/** A folder with a log of these records; reopened once, so that they are in table files, not in a write-ahead file. */
async function folderWith(t: ExecutionContext, records: LogRecord[], inTables = true): Promise<string> {
  const dir = await temporaryFolder(t)
  const store = await openStore(dir)
  for (const record of records) {
    store.log(record.shard).append(record)
    await store.flush()
  }
  await store.close()
  if (inTables) await (await openStore(dir)).close()
  return dir
}

/** Flips one bit of the first file of this kind that holds `text`, just there. */
async function flipBit(dir: string, text: string, kind: RegExp): Promise<void> {
  for (const name of await readdir(dir)) {
    if (!kind.test(name)) continue
    const at = (await readFile(join(dir, name))).indexOf(text)
    if (at < 0) continue
    const file = await open(join(dir, name), 'r+')
    const byte = Buffer.alloc(1)
    await file.read(byte, 0, 1, at)
    byte[0]! ^= 0x10
    await file.write(byte, 0, 1, at)
    await file.close()
    return
  }
  throw new Error(`'${text}' is in no file of ${dir}`)
}

test('a flipped bit in a table file is found at open, and named', async t => {
  const dir = await folderWith(t, chainOf([2, 3, 4]))
  await flipBit(dir, 'value-4', /\.ldb$/)
  const error = await failsToOpen(t, dir, 'LOG_DAMAGED')
  t.is(error.shard, 0)
  t.is(error.index, 3)
  t.regex(error.message, /shard 0, index 3 is damaged/)
})

test('a flipped bit that appears while the store is open is found at read, and never served', async t => {
  const dir = await folderWith(t, chainOf([2, 3, 4]))
  const store = await openStore(dir)
  t.teardown(() => store.close())
  const log = store.log(0)
  await flipBit(dir, 'value-4', /\.ldb$/)
  for (const read of [() => log.read(3), () => log.recordAt(4), () => log.hashAt(5)]) {
    const error = t.throws(read, { instanceOf: LogError, code: 'LOG_DAMAGED' })!
    t.is(error.shard, 0)
    t.is(error.index, 3)
  }
  const seen: number[] = []
  const error = await t.throwsAsync(
    async () => {
      for await (const record of log.records(1)) seen.push(record.firstIndex)
    },
    { instanceOf: LogError, code: 'LOG_DAMAGED' },
  )
  t.is(error!.index, 3)
  t.deepEqual(seen, [1])
  t.is(log.read(6)?.count, 4)
})

test('a flipped bit in the write-ahead file, with synced writes behind it, is found before LevelDB drops them', async t => {
  const dir = await folderWith(t, chainOf([2, 3, 4]), false)
  await flipBit(dir, 'value-4', /\.log$/)
  const error = await failsToOpen(t, dir, 'LOG_DAMAGED')
  t.regex(error.message, /write-ahead file .*\.log is damaged at offset \d+/)
})

test('a flipped bit in the file that names the newest table of files is damage, not a disk that may come back', async t => {
  const dir = await folderWith(t, chainOf([3, 2, 4]))
  const path = join(dir, 'CURRENT')
  for (const flipped of [1, 9, 12]) {
    const bytes = await readFile(path)
    bytes[flipped]! ^= 2
    await writeFile(path, bytes)
    t.regex((await failsToOpen(t, dir, 'LOG_DAMAGED')).message, /is damaged .*rename the data folder/)
    bytes[flipped]! ^= 2
    await writeFile(path, bytes)
  }
  await (await openStore(dir)).close()
})

test('a log whose format version is gone is damage, not some other database', async t => {
  const dir = await folderWith(t, chainOf([3, 2, 4]))
  const level = new Level<Buffer, Buffer>(dir, { keyEncoding: 'buffer', valueEncoding: 'buffer' })
  await level.open()
  for await (const key of level.keys({ gte: Buffer.from('mformat'), lt: Buffer.from('mformau') }))
    await level.del(key)
  await level.close()
  t.regex((await failsToOpen(t, dir, 'LOG_DAMAGED')).message, /holds a log and no format version/)
})

test('a write-ahead file that a crash cut short is fine: the log ends where it was whole', async t => {
  const dir = await folderWith(t, chainOf([2, 3, 4]), false)
  const name = (await readdir(dir)).find(each => /\.log$/.test(each))!
  const { size } = await stat(join(dir, name))
  await truncate(join(dir, name), size - 10)
  const store = await openStore(dir)
  t.teardown(() => store.close())
  t.is(store.log(0).lastIndex, 5)
  store.log(0).append(recordAfter(store.log(0), { count: 2 }))
  await store.flush()
  t.is(store.log(0).durableIndex, 7)
})

test('a record that is gone from the middle is found at open', async t => {
  const records = chainOf([2, 3, 4])
  const dir = await folderWith(t, records)
  const level = new Level<Buffer, Buffer>(dir, { keyEncoding: 'buffer', valueEncoding: 'buffer' })
  const [key] = (await level.iterator({ gte: Buffer.from('r'), lt: Buffer.from('s') }).all())[1]!
  await level.del(key)
  await level.close()
  const error = await failsToOpen(t, dir, 'LOG_DAMAGED')
  t.is(error.index, 3)
  t.regex(error.message, /shard 0, index 3 .*missing/)
})

test('a whole record under the key of another is found at open', async t => {
  const records = chainOf([2, 2, 2])
  const dir = await folderWith(t, records)
  const level = new Level<Buffer, Buffer>(dir, { keyEncoding: 'buffer', valueEncoding: 'buffer' })
  const entries = await level.iterator({ gte: Buffer.from('r'), lt: Buffer.from('s') }).all()
  await level.put(entries[1]![0], entries[2]![1])
  await level.close()
  const error = await failsToOpen(t, dir, 'LOG_DAMAGED')
  t.is(error.index, 3)
})

test('records without an epoch table are found at open', async t => {
  const dir = await folderWith(t, chainOf([2]))
  const level = new Level<Buffer, Buffer>(dir, { keyEncoding: 'buffer', valueEncoding: 'buffer' })
  for await (const key of level.keys()) if (key.includes('log/0')) await level.del(key)
  await level.close()
  const error = await failsToOpen(t, dir, 'LOG_DAMAGED')
  t.regex(error.message, /shard 0 has records and no epoch table/)
})

test('a damaged epoch table is found at open', async t => {
  const dir = await folderWith(t, chainOf([2]))
  const level = new Level<Buffer, Buffer>(dir, { keyEncoding: 'buffer', valueEncoding: 'buffer' })
  for await (const [key, value] of level.iterator()) {
    if (!key.includes('log/0')) continue
    value[20]! ^= 1
    await level.put(key, value)
  }
  await level.close()
  const error = await failsToOpen(t, dir, 'LOG_DAMAGED')
  t.regex(error.message, /log\/0.* is damaged/)
})

test('what a checkpoint vouches for is not verified at open, but still never served damaged', async t => {
  const records = [...chainOf([2, 3, 4])]
  records.push(recordAfter(endOf(records[2]!), { epoch: 2, count: 2 }))
  records.push(recordAfter(endOf(records[3]!), { epoch: 2, count: 2 }))
  const dir = await folderWith(t, records)
  await flipBit(dir, 'value-4', /\.ldb$/)
  for (const boundary of [9, 11, 13]) {
    const asked: number[] = []
    const verifyFrom = async (shard: number, blobs: BlobStore) => {
      asked.push(shard)
      t.deepEqual(await blobs.names(''), [])
      return boundary
    }
    const store = await openStore(dir, { verifyFrom })
    const log = store.log(0)
    t.deepEqual(asked, [0])
    t.is(log.lastIndex, 13)
    t.deepEqual(log.lastHash, records[4]!.hash)
    t.deepEqual(log.hashAt(boundary), records.find(record => record.lastIndex === boundary)!.hash)
    t.is(log.read(1)?.count, 2)
    t.throws(() => log.read(3), { code: 'LOG_DAMAGED' })
    await store.close()
  }
  await failsToOpen(t, dir, 'LOG_DAMAGED', { verifyFrom: async () => 2 })
})

test('a folder in use is refused in one line', async t => {
  const dir = await temporaryFolder(t)
  const store = await openStore(dir)
  t.teardown(() => store.close())
  const error = await failsToOpen(t, dir, 'LOG_LOCKED')
  t.regex(error.message, /in use by another process/)
})

test('a folder of another cluster is refused, and nothing of it is changed', async t => {
  const dir = await temporaryFolder(t)
  let store = await openStore(dir, { clusterId: 'one' })
  store.log(0).append(recordAfter(EMPTY_END))
  await store.close()
  const error = await failsToOpen(t, dir, 'LOG_FOREIGN', { clusterId: 'two' })
  t.regex(error.message, /belongs to cluster one, this is cluster two/)
  store = await openStore(dir)
  t.is(store.clusterId, 'one')
  t.is(store.log(0).lastIndex, 1)
  await store.close()
})

test('a folder of a newer format is refused before anything else is read', async t => {
  const dir = await folderWith(t, chainOf([2]))
  const level = new Level<Buffer, Buffer>(dir, { keyEncoding: 'buffer', valueEncoding: 'buffer' })
  const key = namedKey(META, 'format', 1_000_000)
  await level.put(key, seal(key, Buffer.of(99)))
  await level.put(namedKey(META, 'a fact of the future', 1_000_001), Buffer.from('laid out in another way'))
  await level.close()
  const error = await failsToOpen(t, dir, 'LOG_NEWER_FORMAT')
  t.regex(error.message, /format version 99, this software reads up to 3: upgrade/)
})

test('a database of something else is refused', async t => {
  const dir = await temporaryFolder(t)
  const level = new Level<string, string>(dir)
  await level.put('some', 'thing')
  await level.close()
  const error = await failsToOpen(t, dir, 'LOG_FOREIGN')
  t.regex(error.message, /some other database/)
})

test('a file where the folder should be is an error of one line', async t => {
  const dir = await temporaryFolder(t)
  const path = join(dir, 'file')
  await (await open(path, 'w')).close()
  const error = await failsToOpen(t, path, 'LOG_IO')
  t.regex(error.message, /file/)
})

test('a blob with a flipped bit is damaged, and chunks without a blob are cleared away', async t => {
  const dir = await temporaryFolder(t)
  let store = await openStore(dir)
  await store.blobs.write('good', [Buffer.from('the good blob')])
  await store.blobs.write('bad', [Buffer.from('the bad blob')])
  const writing = store.blobs.write(
    'unfinished',
    (function* () {
      yield Buffer.from('an unfinished blob')
      throw new Error('stopped')
    })(),
  )
  await t.throwsAsync(writing, { message: 'stopped' })
  await store.close()
  await (await openStore(dir)).close()
  await flipBit(dir, 'the bad blob', /\.ldb$/)
  store = await openStore(dir)
  t.is(Buffer.concat(await collect(store.blobs.read('good')!)).toString(), 'the good blob')
  await t.throwsAsync(collect(store.blobs.read('bad')!), { code: 'LOG_DAMAGED', message: /blob bad/ })
  await store.close()
  const level = new Level<Buffer, Buffer>(dir, { keyEncoding: 'buffer', valueEncoding: 'buffer' })
  const values = await level.values().all()
  t.false(values.some(value => value.includes('an unfinished blob')))
  await level.close()
})

test('only the logs that are asked for are opened', async t => {
  const dir = await folderWith(t, [...chainOf([2], { shard: 1 }), ...chainOf([3], { shard: 2 })])
  const store = await openStore(dir, { shards: [2, 5] })
  t.teardown(() => store.close())
  t.deepEqual(store.shards(), [1, 2])
  t.is(store.log(2).lastIndex, 3)
  t.is(store.log(5).lastIndex, 0)
  t.throws(() => store.log(1), { instanceOf: TypeError })
  t.throws(() => store.log(-1), { instanceOf: TypeError })
})

/** A folder with a log that is kept from a base at the end of `records[at]`. */
async function trimmedFolder(
  t: ExecutionContext,
  records: LogRecord[],
  at: number,
): Promise<{ dir: string; base: LogBase }> {
  const dir = await folderWith(t, records)
  const store = await openStore(dir)
  const log = store.log(0)
  const base = describeBase(log, records[at]!.lastIndex)
  await store.blobs.write(baseBlobName(0, base), [Buffer.from('live entries')])
  log.trim(base)
  await log.cleared()
  await store.close()
  return { dir, base }
}

function openLevel(dir: string): Level<Buffer, Buffer> {
  return new Level<Buffer, Buffer>(dir, { keyEncoding: 'buffer', valueEncoding: 'buffer' })
}

test('records at and below a base are gone from the disk, and what a crash left of them goes at the next open', async t => {
  const records = chainOf([2, 3, 4, 1])
  const { dir, base } = await trimmedFolder(t, records, 1)
  const recordKeys = async () => {
    const level = openLevel(dir)
    const keys = await level.keys({ gte: Buffer.from('r'), lt: Buffer.from('s') }).all()
    await level.close()
    return keys.map(key => key.readUIntBE(9, 6))
  }
  t.deepEqual(await recordKeys(), [6, 10])
  const level = openLevel(dir)
  // Its bytes do not matter any more: nobody reads them.
  await level.put(recordKey(0, 1, 3), Buffer.from('not even whole'))
  await level.close()
  const store = await openStore(dir)
  t.deepEqual(store.log(0).base, base)
  t.is(store.log(0).lastIndex, 10)
  t.is(store.log(0).read(3), undefined)
  await store.log(0).cleared()
  await store.close()
  t.deepEqual(await recordKeys(), [6, 10])
})

test('a folder with a base has a format that older software refuses', async t => {
  const { dir } = await trimmedFolder(t, chainOf([2, 3]), 0)
  const level = openLevel(dir)
  const formats: number[] = []
  for await (const [key, value] of level.iterator()) if (key.includes('format')) formats.push(value.at(-1)!)
  await level.close()
  t.is(formats.at(-1), 3)
})

test('a base whose blob is missing is found at open', async t => {
  const { dir } = await trimmedFolder(t, chainOf([2, 3]), 0)
  const level = openLevel(dir)
  for await (const key of level.keys()) if (key.includes('base/0/')) await level.del(key)
  await level.close()
  const error = await failsToOpen(t, dir, 'LOG_DAMAGED')
  t.is(error.index, 2)
  t.regex(error.message, /the base at index 2 is missing/)
})

test('the first record above a base must continue it', async t => {
  const records = chainOf([2, 3, 4])
  const { dir } = await trimmedFolder(t, records, 0)
  const level = openLevel(dir)
  await level.del(recordKey(0, 1, 3))
  await level.close()
  const error = await failsToOpen(t, dir, 'LOG_DAMAGED')
  t.is(error.index, 3)
  const again = openLevel(dir)
  const other = recordAfter(endOf(records[0]!), { count: 3, previousHash: Buffer.alloc(32, 7) })
  await again.put(recordKey(0, 1, 3), other.bytes)
  await again.close()
  t.regex((await failsToOpen(t, dir, 'LOG_DAMAGED')).message, /does not continue the record before it/)
})

test('a checkpoint above a base vouches for what is between them', async t => {
  const records = chainOf([2, 3, 4, 5, 6])
  const { dir } = await trimmedFolder(t, records, 0)
  for (const boundary of [1, 2, 9, 14, 20]) {
    const store = await openStore(dir, { verifyFrom: async () => boundary })
    const log = store.log(0)
    t.is(log.lastIndex, 20)
    t.deepEqual(log.lastHash, records[4]!.hash)
    t.deepEqual((await collect(log.records(0))).length, 4)
    await store.close()
  }
})

test('a damaged epoch table with a base is found at open', async t => {
  const { dir } = await trimmedFolder(t, chainOf([2, 3]), 0)
  const level = openLevel(dir)
  let newest: [Buffer, Buffer] | undefined
  for await (const entry of level.iterator()) if (entry[0].includes('log/0')) newest = entry
  const [key, value] = newest!
  const short = seal(key, value.subarray(4, value.length - 32))
  await level.put(key, short)
  await level.close()
  t.regex((await failsToOpen(t, dir, 'LOG_DAMAGED')).message, /epoch table of shard 0 is damaged/)
})

test('a flipped bit in a base is found at open, unless a checkpoint vouches for it', async t => {
  const { dir } = await trimmedFolder(t, chainOf([2, 3]), 0)
  await (await openStore(dir)).close()
  await flipBit(dir, 'live entries', /\.ldb$/)
  t.regex((await failsToOpen(t, dir, 'LOG_DAMAGED')).message, /blob base\/0\/.* is damaged/)
  const store = await openStore(dir, { verifyFrom: async () => 2 })
  t.is(store.log(0).baseIndex, 2)
  await store.close()
})
