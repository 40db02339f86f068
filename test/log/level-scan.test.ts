import { spawnSync } from 'node:child_process'
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { hostname, tmpdir } from 'node:os'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { recordKey } from '../../src/log/level-keys.js'
import { LevelLogStore } from '../../src/log/level-log.js'
import { FolderScan } from '../../src/log/level-scan.js'
import { LogDamage } from '../../src/log/log-damage.js'
import { nullLogger } from '../../src/log/logger.js'
import type { LogRecord } from '../../src/log/record-codec.js'
import { fillFolder, flipBit, removeKeys, tearTail, withLevel } from './damage.js'
import { chainOf, endOf, recordAfter, temporaryFolder } from './record-chain.js'

async function folderWith(t: ExecutionContext, records: LogRecord[], inTables = true): Promise<string> {
  const dir = await temporaryFolder(t)
  await fillFolder(dir, records, inTables)
  return dir
}

/** What a scan gives: records as `first-last`, damage as `!first-last what`. */
async function scanned(folder: FolderScan, from = 0, to?: number, shard = 0): Promise<string[]> {
  const found: string[] = []
  for await (const item of folder.log(shard)!.scan(from, to)) {
    if (item instanceof LogDamage) {
      const { index, lastIndex, what } = item.place
      found.push(`!${index}-${lastIndex} ${what}`)
    } else found.push(`${item.firstIndex}-${item.lastIndex}`)
  }
  return found
}

async function scanOf(t: ExecutionContext, dir: string): Promise<FolderScan> {
  const folder = await FolderScan.open(dir)
  t.teardown(() => folder.close())
  return folder
}

/** All files of a folder, with their bytes and times. */
function contentsOf(dir: string): Record<string, string> {
  return Object.fromEntries(
    readdirSync(dir).map(name => {
      const { mtimeMs, size } = statSync(join(dir, name))
      return [name, `${mtimeMs} ${size} ${readFileSync(join(dir, name)).toString('base64')}`]
    }),
  )
}

test('a sound folder is read from anywhere to anywhere, and nothing in it changes', async t => {
  for (const inTables of [true, false]) {
    const dir = await folderWith(t, chainOf([2, 3, 4]), inTables)
    const before = contentsOf(dir)
    const folder = await FolderScan.open(dir)
    t.deepEqual(folder.shards(), [0])
    t.is(folder.log(0)!.lastIndex, 9)
    t.deepEqual(await scanned(folder), ['1-2', '3-5', '6-9'])
    t.deepEqual(await scanned(folder, 4), ['3-5', '6-9'])
    t.deepEqual(await scanned(folder, 4, 4), ['3-5'])
    t.deepEqual(await scanned(folder, 10), [])
    t.deepEqual([folder.faults.damages, folder.faults.torn, folder.problems], [[], undefined, []])
    await folder.close()
    const store = await LevelLogStore.open({ dir, logger: nullLogger, readOnly: true })
    t.is(store.log(0).lastIndex, 9)
    store.setMeta('by', Buffer.from('a reader'))
    await store.close()
    t.deepEqual(contentsOf(dir), before)
  }
})

test('what a process that was killed left of reading goes when the next one reads', async t => {
  const dir = await folderWith(t, chainOf([2]))
  const killed = spawnSync(process.execPath, ['-e', ''])
  const left = join(tmpdir(), `varve-view-${hostname().replace(/[^A-Za-z0-9.]/g, '_')}-${killed.pid}-abcdef`)
  mkdirSync(left)
  t.teardown(() => rmSync(left, { recursive: true, force: true }))
  const folder = await scanOf(t, dir)
  t.false(existsSync(left))
  t.deepEqual(await scanned(folder), ['1-2'])
})

test('a folder on a disk that is for reading only can be read', async t => {
  const dir = await folderWith(t, chainOf([2, 3]))
  for (const name of readdirSync(dir)) chmodSync(join(dir, name), 0o444)
  chmodSync(dir, 0o555)
  t.teardown(() => chmodSync(dir, 0o755))
  t.deepEqual(await scanned(await scanOf(t, dir)), ['1-2', '3-5'])
})

test('a flipped bit in a record is placed at the record, and the others are read', async t => {
  const dir = await folderWith(t, chainOf([2, 3, 4]))
  await flipBit(dir, 'value-4', /\.ldb$/)
  const folder = await scanOf(t, dir)
  t.deepEqual(await scanned(folder), [
    '1-2',
    '!3-5 the record is damaged: its CRC does not match its bytes',
    '6-9',
  ])
  t.deepEqual(await scanned(folder, 4, 4), ['!3-5 the record is damaged: its CRC does not match its bytes'])
  t.deepEqual(await scanned(folder, 1, 2), ['1-2'])
  t.deepEqual(await scanned(folder, 6, 9), ['6-9'])
})

test('a flipped bit in the last record is damage that nothing tells the end of', async t => {
  const dir = await folderWith(t, chainOf([2, 3]))
  await flipBit(dir, 'value-4', /\.ldb$/)
  const found = await scanned(await scanOf(t, dir))
  t.deepEqual(found, ['1-2', '!3-0 the record is damaged: its CRC does not match its bytes'])
})

test('a missing record is placed from its first to its last index', async t => {
  const dir = await folderWith(t, chainOf([2, 3, 4]))
  await removeKeys(dir, key => key.equals(recordKey(0, 1, 3)))
  const folder = await scanOf(t, dir)
  t.deepEqual(await scanned(folder), ['1-2', '!3-5 missing: the next record begins at index 6', '6-9'])
  t.deepEqual(await scanned(folder, 1, 4), ['1-2', '!3-5 missing: the next record begins at index 6'])
})

test('the first record of a log, and of an epoch, is missed as well', async t => {
  const records = chainOf([2, 3])
  records.push(recordAfter(endOf(records[1]!), { epoch: 4, count: 2 }))
  records.push(recordAfter(endOf(records[2]!), { epoch: 4, count: 2 }))
  const dir = await folderWith(t, records)
  await removeKeys(dir, key => key.equals(recordKey(0, 1, 1)) || key.equals(recordKey(0, 4, 6)))
  t.deepEqual(await scanned(await scanOf(t, dir)), [
    '!1-2 missing: the next record begins at index 3',
    '3-5',
    '!6-7 missing: the next record begins at index 8',
    '8-9',
  ])
  await removeKeys(dir, key => key.equals(recordKey(0, 1, 3)))
  t.deepEqual((await scanned(await scanOf(t, dir)))[0], '!1-5 missing: epoch 1 ends at index 5')
})

test('a whole record of another place is told as what it is', async t => {
  const records = chainOf([2, 2, 2])
  const dir = await folderWith(t, records)
  await withLevel(dir, level => level.put(recordKey(0, 1, 3), records[2]!.bytes))
  const found = await scanned(await scanOf(t, dir))
  t.is(found[0], '1-2')
  t.regex(found[1]!, /^!3-4 a record of shard 0, epoch 1, index 5, log [0-9a-f]{32} is stored there$/)
  t.is(found[2], '5-6')
})

test('a record that does not continue the one before it is told, and read', async t => {
  const [first] = chainOf([2])
  const other = chainOf([2, 3], { value: 'another' })
  const dir = await folderWith(t, [first!])
  await withLevel(dir, level => level.put(recordKey(0, 1, 3), other[1]!.bytes))
  t.deepEqual(await scanned(await scanOf(t, dir)), [
    '1-2',
    '!3-5 it does not continue the record before it',
    '3-5',
  ])
})

test('a flipped bit in the write-ahead file is placed by file and byte, and costs that one write', async t => {
  const dir = await folderWith(t, chainOf([2, 3, 4, 5]), false)
  const { file, offset } = await flipBit(dir, 'value-4', /\.log$/)
  const before = contentsOf(dir)
  const folder = await scanOf(t, dir)
  const [damage] = folder.faults.damages
  t.is(folder.faults.damages.length, 1)
  t.is(damage!.file, file)
  t.true(damage!.offset < offset && offset < damage!.endOffset)
  t.deepEqual(await scanned(folder), [
    '1-2',
    '!3-5 missing: the next record begins at index 6',
    '6-9',
    '10-14',
  ])
  t.deepEqual(contentsOf(dir), before)
  // LevelDB alone would have lost what follows in the same block, too, and whoever writes must not open it.
  await t.throwsAsync(LevelLogStore.open({ dir, logger: nullLogger }), { code: 'LOG_DAMAGED' })
  await t.throwsAsync(LevelLogStore.open({ dir, logger: nullLogger, readOnly: true }), {
    code: 'LOG_DAMAGED',
    message: /write-ahead file .* damaged at offset \d+/,
  })
})

test('a torn tail is no damage: the log ends before it, and where it is torn is told', async t => {
  const dir = await folderWith(t, chainOf([2, 3, 4]), false)
  const { file, size } = await tearTail(dir, 10)
  const folder = await scanOf(t, dir)
  t.deepEqual(await scanned(folder), ['1-2', '3-5'])
  t.deepEqual(folder.faults.damages, [])
  t.is(folder.faults.torn!.file, file)
  t.is(folder.faults.torn!.endOffset, size)
  t.true(folder.faults.torn!.offset > 0 && folder.faults.torn!.offset < size)
})

test('without an epoch table the records tell the epochs, and that is said', async t => {
  const records = chainOf([2, 3, 4])
  // What was cut off: another epoch went on at index 6.
  const after = chainOf([1, 2], { epoch: 3 }, endOf(records[1]!))
  const dir = await temporaryFolder(t)
  const store = await LevelLogStore.open({ dir, logger: nullLogger })
  for (const record of records) store.log(0).append(record)
  store.log(0).cut(5)
  for (const record of after) store.log(0).append(record)
  await store.close()
  const whole = await FolderScan.open(dir)
  t.deepEqual(await scanned(whole), ['1-2', '3-5', '6-6', '7-8'])
  await whole.close()
  await removeKeys(dir, key => key.includes('log/0'))
  const folder = await scanOf(t, dir)
  t.regex(folder.problems.join(), /epoch table of shard 0 cannot be read/)
  t.deepEqual(await scanned(folder), ['1-2', '3-5', '6-6', '7-8'])
  const orphans: number[] = []
  for await (const item of folder.log(0)!.orphans())
    if (!(item instanceof LogDamage)) orphans.push(item.firstIndex)
  t.deepEqual(orphans, [6])
})

test('what is no database of ours is refused, and so is one that this process holds', async t => {
  const dir = await temporaryFolder(t)
  await t.throwsAsync(FolderScan.open(dir), { code: 'LOG_FOREIGN', message: /no database/ })
  writeFileSync(join(dir, 'file'), '')
  await t.throwsAsync(FolderScan.open(join(dir, 'file')), { code: 'LOG_IO' })
  const foreign = join(dir, 'foreign')
  mkdirSync(foreign)
  await withLevel(foreign, level => level.put(Buffer.from('some'), Buffer.from('thing')))
  await t.throwsAsync(FolderScan.open(foreign), { code: 'LOG_FOREIGN', message: /some other database/ })
  const own = await folderWith(t, chainOf([1]))
  const store = await LevelLogStore.open({ dir: own, logger: nullLogger })
  await t.throwsAsync(FolderScan.open(own), { code: 'LOG_LOCKED', message: new RegExp(own) })
  await store.close()
})

test('a missing table file is damage that names the folder', async t => {
  const dir = await folderWith(t, chainOf([2, 3]))
  const table = readdirSync(dir).find(name => name.endsWith('.ldb'))!
  rmSync(join(dir, table))
  const error = await t.throwsAsync(FolderScan.open(dir), { code: 'LOG_DAMAGED' })
  t.true(error!.message.includes(dir), error!.message)
  t.notRegex(error!.message, /varve-view/)
})
