import test, { type ExecutionContext } from 'ava'
import { Level } from 'level'
import { LogError } from '../../src/log/errors.js'
import { recordKey } from '../../src/log/level-keys.js'
import { LevelLogStore } from '../../src/log/level-log.js'
import type { Log } from '../../src/log/log.js'
import { baseBlobName, describeBase } from '../../src/log/log-base.js'
import { nullLogger } from '../../src/log/logger.js'
import { loadStarts, saveStarts } from '../../src/log/record-starts.js'
import { Random } from '../../tools/random.js'
import { chainOf, collect, EMPTY_END, endOf, recordAfter, temporaryFolder } from './record-chain.js'

const PREFIX = 'starts/00000/'

/** A store whose logs are vouched for up to `through`, and how often that was by what was written down. */
async function openStore(t: ExecutionContext, dir: string, through: number) {
  const warnings: string[] = []
  const logger = { ...nullLogger, warn: (_: object, message: string) => void warnings.push(message) }
  const store = await LevelLogStore.open({ dir, logger, verifyFrom: async () => through })
  t.teardown(() => store.close())
  return { store, log: store.log(0), warnings }
}

/** Three epochs with records of 1 to 9 entries, some 300 in all; every 50 records are written down. */
async function folderWithStarts(t: ExecutionContext): Promise<{ dir: string; lastIndex: number }> {
  const dir = await temporaryFolder(t)
  const store = await LevelLogStore.open({ dir, logger: nullLogger })
  const log = store.log(0)
  let end = EMPTY_END
  for (const epoch of [1, 4, 6]) {
    const lengths = Array.from({ length: 100 }, (_, at) => 1 + ((at * 7 + epoch) % 9))
    for (const [at, record] of chainOf(lengths, { epoch }, end).entries()) {
      log.append(record)
      end = endOf(record)
      if (at % 50 !== 49) continue
      await store.flush()
      await saveStarts(log, store.blobs, log.lastIndex, 50)
    }
  }
  t.is((await store.blobs.names(PREFIX)).length, 6)
  await store.close()
  return { dir, lastIndex: end.lastIndex }
}

/** All that tells one log from another. */
async function contentsOf(log: Log) {
  const records = await collect(log.records(0))
  return {
    firstIndexes: [...log.firstIndexes(0, Number.POSITIVE_INFINITY)],
    hashes: records.map(({ firstIndex, hash }) => `${firstIndex} ${hash.toString('hex')}`),
    end: [log.lastIndex, log.baseIndex, log.lastHash.toString('hex'), log.lastStamp],
    epochs: log.epochs,
  }
}

/** Takes a record of epoch 1 off the disk, as no store ever would. */
async function removeRecord(dir: string, firstIndex: number): Promise<void> {
  const level = new Level<Buffer, Buffer>(dir, { keyEncoding: 'buffer', valueEncoding: 'buffer' })
  await level.del(recordKey(0, 1, firstIndex))
  await level.close()
}

/** How many records the parts told of that a store found. */
async function knownCount({ store, log }: { store: LevelLogStore; log: Log }, through: number) {
  const isInLog = (firstIndex: number, end: { index: number; hash: Buffer }) => {
    const record = log.read(firstIndex)
    return record?.lastIndex === end.index && record.hash.equals(end.hash)
  }
  return (await loadStarts(0, store.blobs, log.baseIndex, through, isInLog, nullLogger)).starts.length
}

test('a log opened with what is written down of it is the one that is opened without', async t => {
  const { dir, lastIndex } = await folderWithStarts(t)
  const plain = await openStore(t, dir, 0)
  const expected = await contentsOf(plain.log)
  t.is(expected.firstIndexes.length, 300)
  await plain.store.close()
  const random = new Random(1)
  const throughs = [lastIndex, 1, ...Array.from({ length: 12 }, () => 1 + random.below(lastIndex))]
  for (const through of throughs) {
    const opened = await openStore(t, dir, through)
    t.deepEqual(await contentsOf(opened.log), expected, `vouched for up to ${through}`)
    if (through === lastIndex) t.is(await knownCount(opened, through), 300)
    t.deepEqual(opened.warnings, [])
    await opened.store.close()
  }
})

test('each part is written once, and holds only what no other tells', async t => {
  const { dir, lastIndex } = await folderWithStarts(t)
  const { store, log } = await openStore(t, dir, lastIndex)
  const before = await store.blobs.names(PREFIX)
  await saveStarts(log, store.blobs, lastIndex, 1)
  t.deepEqual(await store.blobs.names(PREFIX), before)
  const record = recordAfter(log, { epoch: 6 })
  log.append(record)
  await saveStarts(log, store.blobs, record.lastIndex, 1)
  t.deepEqual(await store.blobs.names(PREFIX), before, 'nothing of what is not durable')
  await store.flush()
  await saveStarts(log, store.blobs, record.lastIndex, 2)
  t.deepEqual(await store.blobs.names(PREFIX), before, 'too few')
  await saveStarts(log, store.blobs, record.lastIndex, 1)
  t.deepEqual((await store.blobs.names(PREFIX)).slice(0, -1), before)
  t.is(store.blobs.open((await store.blobs.names(PREFIX)).at(-1)!)!.sizeBytes, 92 + 1 + 4)
})

test('a damaged or missing part is done without, and said where it is damaged', async t => {
  const { dir, lastIndex } = await folderWithStarts(t)
  const first = await openStore(t, dir, lastIndex)
  const expected = await contentsOf(first.log)
  const names = await first.store.blobs.names(PREFIX)
  const bytes = Buffer.concat(await collect(first.store.blobs.read(names[2]!)!))
  const replaceBy = async (wrong: Buffer | undefined) => {
    await first.store.blobs.remove(names[2]!)
    if (wrong !== undefined) await first.store.blobs.write(names[2]!, [wrong])
  }
  const flipped = Array.from({ length: 12 }, (_, at) => {
    const wrong = Buffer.from(bytes)
    wrong[Math.floor((at * bytes.length) / 12)]! ^= 0x10
    return wrong
  })
  for (const wrong of [undefined, bytes.subarray(0, 20), bytes.subarray(0, -1), ...flipped]) {
    await replaceBy(wrong)
    // Those above cannot stand without it.
    t.is(await knownCount(first, lastIndex), 100)
  }
  await first.store.close()
  const again = await openStore(t, dir, lastIndex)
  t.deepEqual(await contentsOf(again.log), expected)
  t.true(again.warnings.length > 0)
  t.regex(again.warnings[0]!, /cannot be used/)
})

test('what was written down of records that are cut off is not believed, whatever came in their place', async t => {
  const { dir, lastIndex } = await folderWithStarts(t)
  const first = await openStore(t, dir, 0)
  const ends = (await first.store.blobs.names(PREFIX)).map(name => Number(name.split('/')[2]))
  const cutAt = first.log.firstIndexes(ends[3]!, lastIndex)[20]! - 1
  first.log.cut(cutAt)
  for (const record of chainOf(Array(200).fill(5), { epoch: 9 }, first.log)) first.log.append(record)
  await first.store.flush()
  const expected = await contentsOf(first.log)
  t.is(await knownCount(first, first.log.lastIndex), 200)
  await first.store.close()
  const second = await openStore(t, dir, first.log.lastIndex)
  t.deepEqual(await contentsOf(second.log), expected)
  t.deepEqual(second.warnings, [])
  await saveStarts(second.log, second.store.blobs, second.log.lastIndex, 1)
  t.is((await second.store.blobs.names(PREFIX)).length, 5, 'the two that are of no use are gone')
  t.is(await knownCount(second, second.log.lastIndex), expected.firstIndexes.length)
  await second.store.close()
  const third = await openStore(t, dir, second.log.lastIndex)
  t.deepEqual(await contentsOf(third.log), expected)
})

test('a log that was trimmed goes on with the parts above its base', async t => {
  const { dir, lastIndex } = await folderWithStarts(t)
  const first = await openStore(t, dir, lastIndex)
  const { log, store } = first
  const base = describeBase(log, log.firstIndexes(0, lastIndex)[70]! - 1)
  await store.blobs.write(baseBlobName(0, base), [Buffer.from('live entries')])
  log.trim(base)
  await log.cleared()
  const expected = await contentsOf(log)
  t.is(expected.firstIndexes.length, 230)
  await store.close()
  const second = await openStore(t, dir, lastIndex)
  t.deepEqual(await contentsOf(second.log), expected)
  t.is(await knownCount(second, lastIndex), 230)
  await saveStarts(second.log, second.store.blobs, lastIndex, 1)
  t.is((await second.store.blobs.names(PREFIX)).length, 5)
  await second.store.close()
  const third = await openStore(t, dir, lastIndex)
  t.deepEqual(await contentsOf(third.log), expected)
  t.deepEqual(third.warnings, [])
})

test('a record that is not there any more is found out when it is read', async t => {
  const { dir, lastIndex } = await folderWithStarts(t)
  const { store, log } = await openStore(t, dir, 0)
  const missing = log.firstIndexes(0, lastIndex)[30]!
  await store.close()
  await removeRecord(dir, missing)
  const again = await openStore(t, dir, lastIndex)
  const error = t.throws(() => again.log.read(missing), { instanceOf: LogError, code: 'LOG_DAMAGED' })!
  t.is(error.index, missing)
  t.deepEqual(again.warnings, [])
  await again.store.close()
  const failure = await t.throwsAsync(openStore(t, dir, 0), { instanceOf: LogError, code: 'LOG_DAMAGED' })
  t.is(failure!.index, missing)
})
