import { mkdir, open, readdir, readFile, writeFile } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { Level } from 'level'
import { LogError } from '../../src/log/errors.js'
import { seal } from '../../src/log/level-facts.js'
import { META, namedKey } from '../../src/log/level-keys.js'
import { LevelLogStore } from '../../src/log/level-log.js'
import { nullLogger } from '../../src/log/logger.js'
import { DAMAGED_COPIES_MAX, noteDamage, openLogStore } from '../../src/node/damaged-folder.js'
import { chainOf, temporaryFolder } from '../log/record-chain.js'

const WALL_MS = Date.UTC(2026, 10, 20, 13, 45, 30, 500)

/** A node's folder with a log and the cluster's id. In table files, or in the write-ahead file. */
async function nodeFolder(t: ExecutionContext, inTables: boolean): Promise<string> {
  const dir = join(await temporaryFolder(t), 'node')
  await fill(dir, inTables)
  return dir
}

async function fill(dir: string, inTables: boolean): Promise<void> {
  const store = await LevelLogStore.open({ dir, logger: nullLogger })
  store.setMeta('clusterId', Buffer.from('the-cluster'))
  await store.flush()
  for (const record of chainOf([2, 3, 4])) {
    store.log(0).append(record)
    await store.flush()
  }
  await store.close()
  if (inTables) await (await LevelLogStore.open({ dir, logger: nullLogger })).close()
}

async function flipBit(dir: string, text: string): Promise<void> {
  for (const name of await readdir(dir)) {
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

async function contents(dir: string): Promise<Map<string, string>> {
  const names = (await readdir(dir)).filter(name => /\.(ldb|log)$|^MANIFEST|^CURRENT/.test(name)).sort()
  return new Map(await Promise.all(names.map(async name => [name, await hexOf(join(dir, name))] as const)))
}

const hexOf = (file: string) => readFile(file, 'hex')

interface Opened {
  readonly store: LevelLogStore
  readonly errors: string[]
}

async function openAgain(t: ExecutionContext, dir: string): Promise<Opened> {
  const errors: string[] = []
  const logger = { ...nullLogger, error: (_fields: object, message: string) => void errors.push(message) }
  const store = await openLogStore({ dir, logger, carried: ['clusterId'], wallMs: () => WALL_MS })
  t.teardown(() => store.close())
  return { store, errors }
}

const asideOf = async (dir: string) =>
  (await readdir(dirname(dir))).filter(name => name !== basename(dir)).sort()

for (const inTables of [true, false]) {
  const where = inTables ? 'a table file' : 'the write-ahead file'
  test(`a folder damaged in ${where} is renamed as it is, and an empty one opened that knows its cluster`, async t => {
    const dir = await nodeFolder(t, inTables)
    await flipBit(dir, 'value-4')
    const before = await contents(dir)
    const { store, errors } = await openAgain(t, dir)
    t.is(store.log(0).lastIndex, 0)
    t.deepEqual(store.shards(), [])
    t.is(store.getMeta('clusterId')?.toString(), 'the-cluster')
    t.deepEqual(await asideOf(dir), ['node.damaged-20261120T134530Z'])
    const aside = `${dir}.damaged-20261120T134530Z`
    // Verification has opened sound write-ahead files already; a damaged one is not touched by anybody.
    if (!inTables) t.deepEqual(await contents(aside), before)
    t.is(errors.length, 1)
    t.notRegex(errors[0]!, /\n|join anew/)
    t.regex(errors[0]!, inTables ? /shard 0, index 3 is damaged/ : /write-ahead file .* is damaged at offset/)
    t.true(errors[0]!.includes(`renamed to ${aside}, with all that it holds`))
  })
}

test('what was carried over is durable, and the empty folder opens as any other', async t => {
  const dir = await nodeFolder(t, true)
  await flipBit(dir, 'value-4')
  await (await openAgain(t, dir)).store.close()
  const { store, errors } = await openAgain(t, dir)
  t.is(store.getMeta('clusterId')?.toString(), 'the-cluster')
  t.deepEqual(errors, [])
})

test('a folder too damaged to be read at all leaves the cluster open', async t => {
  const dir = await nodeFolder(t, true)
  for (const name of await readdir(dir)) {
    if (/\.ldb$|^MANIFEST/.test(name)) await writeFile(join(dir, name), 'nothing of use')
  }
  const { store, errors } = await openAgain(t, dir)
  t.is(store.getMeta('clusterId'), undefined)
  t.is(store.log(0).lastIndex, 0)
  t.is(errors.length, 1)
})

test('no damaged folder overwrites another, and after a few of them the disk is to blame', async t => {
  const dir = await nodeFolder(t, true)
  for (let copies = 1; copies <= DAMAGED_COPIES_MAX; copies += 1) {
    await flipBit(dir, 'value-4')
    await (await openAgain(t, dir)).store.close()
    t.is((await asideOf(dir)).length, copies)
    await refill(dir)
  }
  t.deepEqual(await asideOf(dir), [
    'node.damaged-20261120T134530Z',
    'node.damaged-20261120T134530Z-2',
    'node.damaged-20261120T134530Z-3',
  ])
  await flipBit(dir, 'value-4')
  const error = await t.throwsAsync(openAgain(t, dir), { instanceOf: LogError, code: 'LOG_DAMAGED' })
  t.regex(error!.message, /3 damaged copies of it are there already .*replace the disk/)
  t.is((await asideOf(dir)).length, DAMAGED_COPIES_MAX)
  t.true((await readdir(dir)).includes('CURRENT'))
})

/** The log that other replicas brought back, into table files. */
async function refill(dir: string): Promise<void> {
  const store = await LevelLogStore.open({ dir, logger: nullLogger })
  for (const record of chainOf([2, 3, 4])) store.log(0).append(record)
  await store.close()
  await (await LevelLogStore.open({ dir, logger: nullLogger })).close()
}

test('a folder in use, of a newer format, of another program or unreadable is not damaged, and stays', async t => {
  const locked = await nodeFolder(t, true)
  const holder = await LevelLogStore.open({ dir: locked, logger: nullLogger })
  t.teardown(() => holder.close())
  await t.throwsAsync(openAgain(t, locked), { code: 'LOG_LOCKED' })

  const newer = await nodeFolder(t, true)
  const level = new Level<Buffer, Buffer>(newer, { keyEncoding: 'buffer', valueEncoding: 'buffer' })
  const key = namedKey(META, 'format', 1_000_000)
  await level.put(key, seal(key, Buffer.of(200)))
  await level.close()
  await t.throwsAsync(openAgain(t, newer), { code: 'LOG_NEWER_FORMAT' })

  const foreign = join(await temporaryFolder(t), 'node')
  const other = new Level<string, string>(foreign)
  await other.put('some', 'thing')
  await other.close()
  await t.throwsAsync(openAgain(t, foreign), { code: 'LOG_FOREIGN' })

  const file = join(await temporaryFolder(t), 'node')
  await writeFile(file, '')
  await t.throwsAsync(openAgain(t, file), { code: 'LOG_IO' })

  for (const dir of [locked, newer, foreign, file]) t.deepEqual(await asideOf(dir), [])
})

test('damage that a running node came upon is found at the next start, also below a checkpoint', async t => {
  const dir = await nodeFolder(t, true)
  await flipBit(dir, 'value-4')
  const openTrusting = () =>
    openLogStore({ dir, logger: nullLogger, carried: [], verifyFrom: async () => 9, wallMs: () => WALL_MS })
  const trusting = await openTrusting()
  const error = t.throws(() => trusting.log(0).read(3), { code: 'LOG_DAMAGED' })
  await trusting.close()
  noteDamage(dir, new LogError('LOG_IO', 'something else'))
  await (await openTrusting()).close()
  t.deepEqual(await asideOf(dir), [])
  noteDamage(dir, error)
  const store = await openTrusting()
  t.teardown(() => store.close())
  t.is(store.log(0).lastIndex, 0)
  t.deepEqual(await asideOf(dir), ['node.damaged-20261120T134530Z'])
})

test('a folder that was verified as a whole and found sound is trusted again', async t => {
  const dir = await nodeFolder(t, true)
  noteDamage(dir, new LogError('LOG_DAMAGED', 'it seemed so'))
  t.true((await readdir(dir)).includes('verify-all'))
  const { store } = await openAgain(t, dir)
  t.is(store.log(0).lastIndex, 9)
  t.false((await readdir(dir)).includes('verify-all'))
})

test('a new folder is simply made', async t => {
  const dir = join(await temporaryFolder(t), 'deep', 'node')
  await mkdir(dirname(dir))
  const { store, errors } = await openAgain(t, dir)
  t.is(store.log(0).lastIndex, 0)
  t.deepEqual(errors, [])
})
