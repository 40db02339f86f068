/** What every `LogStore` must do with logs that are kept from a base, as tests. */
import type { ExecutionContext, TestFn } from 'ava'
import { LogError, type LogErrorCode } from '../../src/log/errors.js'
import type { Log, LogStore } from '../../src/log/log.js'
import { baseBlobName, describeBase, type LogBase } from '../../src/log/log-base.js'
import { ZERO_HASH } from '../../src/log/record-layout.js'
import { chainOf, collect, EMPTY_END, endOf, recordAfter } from '../log/record-chain.js'
import { livesOf, type StoreFactory } from './log-conformance.js'

function throwsCode(t: ExecutionContext<unknown>, code: LogErrorCode, action: () => void): LogError {
  const error = t.throws(action, { instanceOf: LogError })!
  t.is(error.code, code, error.message)
  return error
}

function firstIndexes(records: { firstIndex: number }[]): number[] {
  return records.map(record => record.firstIndex)
}

/** Three epochs: 1 to 5, 6 to 9, 10 to 14. */
function threeEpochs() {
  const first = chainOf([2, 3], { epoch: 1 })
  const second = chainOf([1, 3], { epoch: 4 }, endOf(first[1]!))
  const third = chainOf([2, 2, 1], { epoch: 6 }, endOf(second[1]!))
  return [...first, ...second, ...third]
}

async function writeBlob(store: LogStore, base: LogBase): Promise<void> {
  await store.blobs.write(baseBlobName(0, base), [Buffer.from('live entries')])
}

/** A log of three epochs, kept from a base at `index`. */
async function trimmed(store: LogStore, index: number): Promise<LogBase> {
  for (const record of threeEpochs()) store.log(0).append(record)
  await store.flush()
  const base = describeBase(store.log(0), index)
  await writeBlob(store, base)
  store.log(0).trim(base)
  return base
}

export function baseConformance(test: TestFn<unknown>, name: string, make: StoreFactory): void {
  trimming(test, name, make)
  installing(test, name, make)
}

function trimming(test: TestFn<unknown>, name: string, make: StoreFactory): void {
  test(`${name}: a log that was never trimmed is kept from index 0`, async t => {
    const { store } = await make(t)
    const log = store.log(0)
    t.is(log.baseIndex, 0)
    t.deepEqual(log.baseHash, ZERO_HASH)
    t.is(log.base, undefined)
    t.is(log.epochStartHash(1), undefined)
    await log.cleared()
  })

  for (const index of [2, 5, 6, 9, 11, 14]) {
    test(`${name}: a log trimmed at ${index} has what is above it, and knows its hash and all epochs`, async t => {
      const subject = await make(t)
      const records = threeEpochs()
      const base = await trimmed(subject.store, index)
      const picture = { epochs: subject.store.log(0).epochs }
      for await (const { log } of livesOf(subject)) {
        t.is(log.baseIndex, index)
        t.deepEqual(log.baseHash, base.hash)
        t.deepEqual(log.base, base)
        t.deepEqual(log.hashAt(index), base.hash)
        t.is(log.lastIndex, 14)
        t.is(log.durableIndex, 14)
        t.true(log.commitIndexHint >= index)
        t.deepEqual(log.lastStamp, endOf(records[6]!).lastStamp)
        t.deepEqual({ epochs: log.epochs }, picture)
        t.deepEqual(
          log.epochs.map(({ epoch, lastIndex }) => [epoch, lastIndex]),
          [
            [1, 5],
            [4, 9],
            [6, 14],
          ],
        )
        for (const [epoch, at] of [
          [1, 0],
          [4, 2],
          [6, 4],
        ] as const) {
          t.deepEqual(log.epochStartHash(epoch), records[at]!.hash)
        }
        const kept = records.filter(record => record.firstIndex > index)
        t.deepEqual(firstIndexes(await collect(log.records(0))), firstIndexes(kept))
        t.deepEqual(firstIndexes(await collect(log.records(index + 1))), firstIndexes(kept))
        for (const record of records) {
          const isKept = record.firstIndex > index
          t.deepEqual(log.read(record.firstIndex)?.bytes, isKept ? record.bytes : undefined)
          t.deepEqual(log.recordAt(record.lastIndex)?.bytes, isKept ? record.bytes : undefined)
          if (record.lastIndex < index) t.is(log.hashAt(record.lastIndex), undefined)
        }
        await log.cleared()
        t.deepEqual(await collect(log.orphans()), [])
      }
    })
  }

  test(`${name}: reading from below the base is refused with the base's index`, async t => {
    const { store } = await make(t)
    await trimmed(store, 6)
    for (const from of [1, 5, 6]) {
      const error = await t.throwsAsync(collect(store.log(0).records(from)), { instanceOf: LogError })
      t.like(error, { code: 'LOG_OUT_OF_RETENTION', index: 6, shard: 0 })
      t.regex(error!.message, /\(index 6\) was dropped by retention/)
    }
  })

  test(`${name}: a base that is not of this log, not durable, or not written down is refused`, async t => {
    const { store } = await make(t)
    const log = store.log(0)
    for (const record of threeEpochs()) log.append(record)
    await store.flush()
    throwsCode(t, 'LOG_GAP', () => describeBase(log, 3))
    throwsCode(t, 'LOG_GAP', () => describeBase(log, 15))
    const base = describeBase(log, 9)
    const error = throwsCode(t, 'LOG_GAP', () => log.trim(base))
    t.regex(error.message, /is not written down/)
    await writeBlob(store, base)
    throwsCode(t, 'LOG_GAP', () => log.trim({ ...base, hash: Buffer.alloc(32, 1) }))
    throwsCode(t, 'LOG_GAP', () => log.trim({ ...base, index: 8 }))
    log.append(recordAfter(log, { epoch: 6 }))
    const early = describeBase(log, 15)
    throwsCode(t, 'LOG_GAP', () => log.trim(early))
    t.is(log.baseIndex, 0)
    t.is(log.read(1)?.count, 2)
    log.trim(base)
    log.trim(base)
    throwsCode(t, 'LOG_OUT_OF_RETENTION', () => describeBase(log, 5))
    throwsCode(t, 'LOG_GAP', () => log.trim({ ...base, index: 5 }))
    t.is(describeBase(log, 9), base)
  })

  test(`${name}: a trimmed log goes on, is cut down to its base, and is trimmed again`, async t => {
    const subject = await make(t)
    await trimmed(subject.store, 9)
    let log = subject.store.log(0)
    log.append(recordAfter(log, { epoch: 6, count: 3 }))
    throwsCode(t, 'LOG_GAP', () => log.cut(5))
    throwsCode(t, 'LOG_GAP', () => log.cut(0))
    log.cut(9)
    t.is(log.lastIndex, 9)
    t.deepEqual(log.lastHash, log.baseHash)
    t.deepEqual(log.lastStamp, log.base!.stamp)
    t.deepEqual(
      log.epochs.map(({ epoch, lastIndex }) => [epoch, lastIndex]),
      [
        [1, 5],
        [4, 9],
      ],
    )
    const next = recordAfter(log, { epoch: 8, count: 2 })
    log.append(next)
    const store = await subject.reopen()
    log = store.log(0)
    t.deepEqual(log.lastHash, next.hash)
    t.deepEqual(firstIndexes(await collect(log.orphans())), [10, 12, 14, 15])
    await store.flush()
    const base = describeBase(log, 11)
    await writeBlob(store, base)
    log.trim(base)
    await log.cleared()
    log = (await subject.reopen()).log(0)
    t.deepEqual(log.base, base)
    t.deepEqual(await collect(log.records(0)), [])
    t.deepEqual(log.lastStamp, endOf(next).lastStamp)
    t.deepEqual(firstIndexes(await collect(log.orphans())), [10, 12, 14, 15])
    log.append(recordAfter(log, { epoch: 8 }))
    t.is((await subject.reopen()).log(0).lastIndex, 12)
  })

  test(`${name}: orphans at and below a base are kept`, async t => {
    const subject = await make(t)
    const { store } = subject
    const log = store.log(0)
    const [a, b] = chainOf([2, 4], { epoch: 1 })
    log.append(a!)
    log.append(b!)
    log.cut(2)
    for (const record of chainOf([3, 3], { epoch: 2 }, endOf(a!))) log.append(record)
    await store.flush()
    const base = describeBase(log, 8)
    await writeBlob(store, base)
    log.trim(base)
    await log.cleared()
    for await (const life of livesOf(subject)) {
      const orphans = await collect(life.log.orphans())
      t.deepEqual(
        orphans.map(record => record.hash),
        [b!.hash],
      )
      await life.log.cleared()
    }
  })

  test(`${name}: a reader that a base overtakes is told, and one above it reads on`, async t => {
    const { store } = await make(t)
    const log = store.log(0)
    const records = chainOf(Array.from({ length: 60 }, () => 1))
    for (const record of records) log.append(record)
    await store.flush()
    const base = describeBase(log, 50)
    await writeBlob(store, base)
    const slow = log.records(1)[Symbol.asyncIterator]()
    const quick = log.records(51)[Symbol.asyncIterator]()
    await slow.next()
    await quick.next()
    log.trim(base)
    await log.cleared()
    const rest = async () => {
      while (!(await slow.next()).done);
    }
    await t.throwsAsync(rest(), { code: 'LOG_OUT_OF_RETENTION' })
    t.is((await quick.next()).value?.firstIndex, 52)
  })

  test(`${name}: appends go on while records are removed`, async t => {
    const subject = await make(t)
    const { store } = subject
    const log = store.log(0)
    for (const record of chainOf(Array.from({ length: 1_500 }, () => 1))) log.append(record)
    await store.flush()
    const base = describeBase(log, 1_400)
    await writeBlob(store, base)
    log.trim(base)
    let isCleared = false
    const cleared = log.cleared().then(() => {
      isCleared = true
    })
    while (!isCleared) {
      log.append(recordAfter(log))
      await store.flush()
    }
    await cleared
    t.is((await collect(log.records(0)))[0]?.firstIndex, 1_401)
    const { lastIndex } = log
    t.is((await subject.reopen()).log(0).lastIndex, lastIndex)
  })
}

function installing(test: TestFn<unknown>, name: string, make: StoreFactory): void {
  /** A base at 11 of the log of three epochs, with its blob in `store`. */
  async function baseAt11(store: LogStore): Promise<LogBase> {
    const stamps = threeEpochs()
    const last = stamps[4]!
    const hash = last.hash
    const epochs = [
      { epoch: 1, startIndex: 1, lastIndex: 5, hash: stamps[1]!.hash, startHash: stamps[0]!.hash },
      { epoch: 4, startIndex: 6, lastIndex: 9, hash: stamps[3]!.hash, startHash: stamps[2]!.hash },
      { epoch: 6, startIndex: 10, lastIndex: 11, hash, startHash: hash },
    ]
    const base = { logId: last.logId, index: 11, hash, stamp: endOf(last).lastStamp, epochs, writtenMs: 5 }
    await writeBlob(store, base)
    return base
  }

  function goesOn(t: ExecutionContext<unknown>, log: Log, base: LogBase): void {
    t.is(log.lastIndex, 11)
    t.is(log.baseIndex, 11)
    t.deepEqual(log.base, base)
    t.deepEqual(log.lastHash, base.hash)
    t.is(log.commitIndexHint, 11)
    t.deepEqual(
      log.epochs.map(({ epoch, lastIndex }) => [epoch, lastIndex]),
      [
        [1, 5],
        [4, 9],
        [6, 11],
      ],
    )
  }

  test(`${name}: a base is installed in an empty log, which goes on from there`, async t => {
    const subject = await make(t)
    const base = await baseAt11(subject.store)
    subject.store.log(0).installBase(base, 0)
    t.is(subject.store.log(0).durableIndex, 0)
    await subject.store.flush()
    t.is(subject.store.log(0).durableIndex, 11)
    for await (const { log } of livesOf(subject)) goesOn(t, log, base)
    const store = await subject.reopen()
    for (const record of threeEpochs().slice(5)) store.log(0).append(record)
    const log = (await subject.reopen()).log(0)
    t.is(log.lastIndex, 14)
    t.is(log.logId, base.logId)
  })

  test(`${name}: what a follower holds above its commit becomes orphans before a base takes its place`, async t => {
    const subject = await make(t)
    const { store } = subject
    const records = threeEpochs()
    for (const record of records.slice(0, 2)) store.log(0).append(record)
    // Epoch 2 was cut off everywhere else.
    const lost = chainOf([2, 8], { epoch: 2 }, endOf(records[1]!))
    for (const record of lost) store.log(0).append(record)
    store.log(0).adoptEpoch(7)
    await store.flush()
    const base = await baseAt11(store)
    throwsCode(t, 'LOG_GAP', () => store.log(0).installBase(base, 12))
    t.is(store.log(0).lastIndex, 15)
    store.log(0).installBase(base, 5)
    for await (const { log } of livesOf(subject)) {
      goesOn(t, log, base)
      t.is(log.adoptedEpoch, 7)
      await log.cleared()
      t.deepEqual(
        (await collect(log.orphans())).map(record => record.hash),
        lost.map(record => record.hash),
      )
    }
  })

  test(`${name}: records of the base's own last epoch above it are not taken in again`, async t => {
    const subject = await make(t)
    const { store } = subject
    for (const record of threeEpochs()) store.log(0).append(record)
    await store.flush()
    const base = await baseAt11(store)
    store.log(0).installBase(base, 9)
    for await (const { log } of livesOf(subject)) {
      goesOn(t, log, base)
      await log.cleared()
      t.deepEqual(firstIndexes(await collect(log.orphans())), [12, 14])
    }
    const again = (await subject.reopen()).log(0)
    for (const record of threeEpochs().slice(5)) again.append(record)
    t.deepEqual(await collect(again.orphans()), [])
    t.is((await subject.reopen()).log(0).lastIndex, 14)
  })

  test(`${name}: a base of another log, or below the present one, is refused`, async t => {
    const { store } = await make(t)
    const base = await baseAt11(store)
    const log = store.log(0)
    log.append(recordAfter(EMPTY_END, { logId: 'a'.repeat(32) }))
    throwsCode(t, 'LOG_FOREIGN', () => log.installBase(base, 0))
    const other = store.log(1)
    throwsCode(t, 'LOG_GAP', () => other.installBase(base, 0))
    t.is(other.logId, '')
  })
}
