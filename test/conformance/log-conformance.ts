/**
 * What every `LogStore` must do, as tests. Run with a factory for each implementation.
 */
import type { ExecutionContext, TestFn } from 'ava'
import { LogError, type LogErrorCode } from '../../src/log/errors.js'
import type { Log, LogStore } from '../../src/log/log.js'
import { ZERO_HASH } from '../../src/log/record-layout.js'
import { chainOf, collect, EMPTY_END, endOf, LOG_ID, recordAfter } from '../log/record-chain.js'

/** A store under test, and how to start it again on what it left behind. */
export interface StoreSubject {
  readonly store: LogStore
  /** Closes the store properly and opens it again. */
  reopen(): Promise<LogStore>
}

/** The store as it is, then as it is after a restart. */
export async function* livesOf(subject: StoreSubject, now: LogStore = subject.store) {
  yield { store: now, log: now.log(0) }
  const store = await subject.reopen()
  yield { store, log: store.log(0) }
}

export type StoreFactory = (t: ExecutionContext<unknown>) => Promise<StoreSubject>

function throwsCode(t: ExecutionContext<unknown>, code: LogErrorCode, action: () => void): LogError {
  const error = t.throws(action, { instanceOf: LogError })!
  t.is(error.code, code, error.message)
  t.notRegex(error.message, /\n/)
  return error
}

function firstIndexes(records: { firstIndex: number }[]): number[] {
  return records.map(record => record.firstIndex)
}

/** Everything that can be asked of a log, for comparing before and after. */
async function pictureOf(log: Log): Promise<object> {
  const { logId, lastIndex, lastHash, lastStamp, epochs, adoptedEpoch } = log
  const records = (await collect(log.records(1))).map(record => record.bytes.toString('hex'))
  const orphans = (await collect(log.orphans())).map(record => record.bytes.toString('hex'))
  return { logId, lastIndex, lastHash, lastStamp, epochs, adoptedEpoch, records, orphans }
}

export function logConformance(test: TestFn<unknown>, name: string, make: StoreFactory): void {
  appending(test, name, make)
  cutting(test, name, make)
  reading(test, name, make)
  persisting(test, name, make)
}

function appending(test: TestFn<unknown>, name: string, make: StoreFactory): void {
  test(`${name}: a new log is empty, and the same object each time`, async t => {
    const { store } = await make(t)
    const log = store.log(3)
    t.is(log, store.log(3))
    t.is(log.shard, 3)
    t.is(log.logId, '')
    t.is(log.lastIndex, 0)
    t.deepEqual(log.lastHash, ZERO_HASH)
    t.deepEqual(log.lastStamp, { lamport: 0, wallMs: 0 })
    t.is(log.durableIndex, 0)
    t.is(log.adoptedEpoch, 0)
    t.is(log.pendingWrites, 0)
    t.deepEqual(log.epochs, [])
    t.is(log.read(1), undefined)
    t.is(log.recordAt(1), undefined)
    t.deepEqual(log.hashAt(0), ZERO_HASH)
    t.is(log.hashAt(1), undefined)
    t.deepEqual(await collect(log.records(1)), [])
    t.deepEqual(await collect(log.orphans()), [])
    t.deepEqual(store.shards(), [])
  })

  test(`${name}: what was appended can be read at once, and is durable after a flush`, async t => {
    const { store } = await make(t)
    const log = store.log(0)
    const [first, second] = chainOf([3, 2], { commitIndex: 0 })
    log.append(first!)
    log.append(second!)
    t.is(log.lastIndex, 5)
    t.is(log.durableIndex, 0)
    t.is(log.pendingWrites, 2)
    t.is(log.logId, LOG_ID)
    t.deepEqual(log.lastHash, second!.hash)
    t.deepEqual(log.lastStamp, { lamport: 5, wallMs: 2 })
    t.deepEqual(log.read(1)?.bytes, first!.bytes)
    t.deepEqual(log.read(4)?.bytes, second!.bytes)
    await store.flush()
    t.is(log.durableIndex, 5)
    t.is(log.pendingWrites, 0)
    t.is(store.oldestUnsyncedMs, 0)
    t.deepEqual(store.shards(), [0])
  })

  test(`${name}: listeners hear of a batch when everything in it is durable, in every log`, async t => {
    const { store } = await make(t)
    const logs = [store.log(0), store.log(1), store.log(2)]
    const heard: number[] = []
    for (const log of logs) {
      log.onDurable(each => {
        t.is(each, log)
        heard.push(log.shard)
        t.is(log.pendingWrites, 0)
        t.is(logs[0]!.durableIndex, 2)
        t.is(logs[1]!.durableIndex, 1)
      })
    }
    logs[0]!.append(recordAfter(EMPTY_END, { shard: 0, count: 2 }))
    logs[1]!.append(recordAfter(EMPTY_END, { shard: 1 }))
    await store.flush()
    t.deepEqual(heard, [0, 1])
    logs[2]!.adoptEpoch(4)
    t.is(logs[2]!.adoptedEpoch, 4)
    t.is(logs[2]!.durableEpoch, 0)
    await store.flush()
    t.is(logs[2]!.durableEpoch, 4)
    t.deepEqual(heard, [0, 1, 2])
  })

  test(`${name}: a record that does not continue the log is refused and changes nothing`, async t => {
    const { store } = await make(t)
    const log = store.log(0)
    const first = recordAfter(EMPTY_END, { epoch: 5, count: 4 })
    log.append(first)
    const end = endOf(first)
    const refuse = (code: LogErrorCode, options: Parameters<typeof recordAfter>[1]) => {
      throwsCode(t, code, () => log.append(recordAfter(end, { epoch: 5, ...options })))
    }
    refuse('LOG_GAP', { firstIndex: 6 })
    refuse('LOG_GAP', { firstIndex: 4 })
    refuse('LOG_GAP', { previousHash: ZERO_HASH })
    refuse('LOG_GAP', { epoch: 4 })
    refuse('LOG_GAP', { lamport: end.lastStamp.lamport })
    refuse('LOG_GAP', { wallMs: end.lastStamp.wallMs - 1 })
    refuse('LOG_FOREIGN', { shard: 1 })
    refuse('LOG_FOREIGN', { logId: 'f'.repeat(32) })
    t.is(log.lastIndex, 4)
    t.is(log.pendingWrites, 1)
    log.append(recordAfter(end, { epoch: 6, wallMs: end.lastStamp.wallMs }))
    t.is(log.lastIndex, 5)
  })

  test(`${name}: epochs are listed with their ends and hashes`, async t => {
    const { store } = await make(t)
    const log = store.log(0)
    const [a, b] = chainOf([2, 3], { epoch: 2 })
    const c = recordAfter(endOf(b!), { epoch: 7 })
    for (const record of [a!, b!, c]) log.append(record)
    t.deepEqual(log.epochs, [
      { epoch: 2, startIndex: 1, lastIndex: 5, hash: b!.hash },
      { epoch: 7, startIndex: 6, lastIndex: 6, hash: c.hash },
    ])
  })

  test(`${name}: the greatest commitIndex of the kept records is known`, async t => {
    const { store } = await make(t)
    const log = store.log(0)
    const first = recordAfter(EMPTY_END, { count: 4 })
    const second = recordAfter(endOf(first), { commitIndex: 4 })
    const third = recordAfter(endOf(second), { epoch: 2, commitIndex: 3 })
    for (const record of [first, second, third]) log.append(record)
    t.is(log.commitIndexHint, 4)
  })

  test(`${name}: adopting goes up only`, async t => {
    const { store } = await make(t)
    const log = store.log(0)
    log.adoptEpoch(3)
    log.adoptEpoch(3)
    t.is(log.pendingWrites, 1)
    throwsCode(t, 'LOG_GAP', () => log.adoptEpoch(2))
    throwsCode(t, 'LOG_GAP', () => log.adoptEpoch(3.5))
    t.is(log.adoptedEpoch, 3)
  })

  test(`${name}: a log has one identity`, async t => {
    const { store } = await make(t)
    const log = store.log(0)
    log.setLogId('a'.repeat(32))
    log.setLogId(LOG_ID)
    t.throws(() => log.setLogId('no id'), { instanceOf: TypeError })
    log.append(recordAfter(EMPTY_END))
    throwsCode(t, 'LOG_FOREIGN', () => log.setLogId('b'.repeat(32)))
    log.cut(0)
    throwsCode(t, 'LOG_FOREIGN', () => log.setLogId('b'.repeat(32)))
    log.setLogId(LOG_ID)
    t.is(log.logId, LOG_ID)
  })
}

function cutting(test: TestFn<unknown>, name: string, make: StoreFactory): void {
  test(`${name}: a cut ends the log at a record's end and keeps the rest as orphans`, async t => {
    const { store } = await make(t)
    const log = store.log(0)
    const records = chainOf([2, 3, 1, 4], { epoch: 2 })
    for (const record of records) log.append(record)
    await store.flush()
    throwsCode(t, 'LOG_GAP', () => log.cut(3))
    throwsCode(t, 'LOG_GAP', () => log.cut(11))
    throwsCode(t, 'LOG_GAP', () => log.cut(-1))
    log.cut(10)
    t.is(log.pendingWrites, 0)
    log.cut(5)
    t.is(log.lastIndex, 5)
    t.is(log.durableIndex, 5)
    t.deepEqual(log.lastHash, records[1]!.hash)
    t.deepEqual(log.lastStamp, { lamport: 5, wallMs: 2 })
    t.is(log.read(6), undefined)
    t.is(log.recordAt(6), undefined)
    t.is(log.hashAt(6), undefined)
    t.is(log.pendingWrites, 1)
    t.deepEqual(firstIndexes(await collect(log.records(1))), [1, 3])
    t.deepEqual(firstIndexes(await collect(log.orphans())), [6, 7])
    t.is(log.pendingWrites, 0)
    t.deepEqual(log.epochs, [{ epoch: 2, startIndex: 1, lastIndex: 5, hash: records[1]!.hash }])
  })

  test(`${name}: a cut takes whole epochs with it, and the log goes on in a newer one`, async t => {
    const subject = await make(t)
    const log = subject.store.log(0)
    const [a, b] = chainOf([2, 2], { epoch: 1 })
    const c = recordAfter(endOf(b!), { epoch: 2, count: 3, commitIndex: 4 })
    for (const record of [a!, b!, c]) log.append(record)
    log.cut(2)
    t.deepEqual(log.epochs, [{ epoch: 1, startIndex: 1, lastIndex: 2, hash: a!.hash }])
    t.is(log.commitIndexHint, 2)
    const d = recordAfter(endOf(a!), { epoch: 3 })
    log.append(d)
    t.deepEqual(firstIndexes(await collect(log.records(1))), [1, 3])
    t.deepEqual(firstIndexes(await collect(log.orphans())), [3, 5])
    const reopened = (await subject.reopen()).log(0)
    t.deepEqual(reopened.lastHash, d.hash)
    t.deepEqual(firstIndexes(await collect(reopened.orphans())), [3, 5])
  })

  test(`${name}: a cut to 0 empties the log`, async t => {
    const subject = await make(t)
    const log = subject.store.log(0)
    for (const record of chainOf([2, 2])) log.append(record)
    log.cut(0)
    t.is(log.lastIndex, 0)
    t.deepEqual(log.lastHash, ZERO_HASH)
    t.deepEqual(log.epochs, [])
    const reopened = (await subject.reopen()).log(0)
    t.is(reopened.lastIndex, 0)
    t.deepEqual(firstIndexes(await collect(reopened.orphans())), [1, 3])
    t.is(reopened.logId, LOG_ID)
  })

  test(`${name}: after a cut the same records may come again, and only as many as came are in the log`, async t => {
    const subject = await make(t)
    const records = chainOf([2, 2, 2, 2], { epoch: 4 })
    for (const record of records) subject.store.log(0).append(record)
    await subject.store.flush()
    subject.store.log(0).cut(2)
    subject.store.log(0).append(records[1]!)
    t.deepEqual(subject.store.log(0).read(3)?.bytes, records[1]!.bytes)
    let log = (await subject.reopen()).log(0)
    t.is(log.lastIndex, 4)
    t.deepEqual(firstIndexes(await collect(log.orphans())), [5, 7])
    log.append(records[2]!)
    log.append(records[3]!)
    t.deepEqual(await collect(log.orphans()), [])
    log.append(recordAfter(endOf(records[3]!), { epoch: 4 }))
    log = (await subject.reopen()).log(0)
    t.is(log.lastIndex, 9)
    t.deepEqual(firstIndexes(await collect(log.records(1))), [1, 3, 5, 7, 9])
  })

  test(`${name}: other bytes under a key that was written are an alarm, not an overwrite`, async t => {
    const { store } = await make(t)
    const log = store.log(0)
    const [first, second] = chainOf([2, 2], { epoch: 4 })
    log.append(first!)
    log.append(second!)
    log.cut(2)
    const other = recordAfter(endOf(first!), { epoch: 4, count: 2, value: 'not the same' })
    const error = throwsCode(t, 'LOG_DAMAGED', () => log.append(other))
    t.is(error.index, 3)
    t.is(log.lastIndex, 2)
    log.append(second!)
    t.is(log.lastIndex, 4)
  })

  test(`${name}: what was cut before it was durable never counts as durable`, async t => {
    const { store } = await make(t)
    const log = store.log(0)
    const records = chainOf([2, 2, 2])
    for (const record of records) log.append(record)
    log.cut(2)
    const seen: number[] = []
    log.onDurable(each => seen.push(each.durableIndex))
    const next = recordAfter(endOf(records[0]!), { epoch: 2, count: 5 })
    log.append(next)
    await store.flush()
    t.is(log.durableIndex, 7)
    t.true(seen.every(index => index === 2 || index === 7))
  })
}

function reading(test: TestFn<unknown>, name: string, make: StoreFactory): void {
  test(`${name}: any index finds its record, and only a first index is read exactly`, async t => {
    const subject = await make(t)
    const records = chainOf([1, 4, 2, 9])
    for (const record of records) subject.store.log(0).append(record)
    for await (const { log } of livesOf(subject)) {
      for (const record of records) {
        for (let index = record.firstIndex; index <= record.lastIndex; index++) {
          t.deepEqual(log.recordAt(index)?.bytes, record.bytes)
          t.is(log.read(index)?.firstIndex, index === record.firstIndex ? index : undefined)
          t.deepEqual(log.hashAt(index), index === record.lastIndex ? record.hash : undefined)
        }
      }
      t.is(log.recordAt(17), undefined)
      t.is(log.recordAt(0), undefined)
    }
  })

  test(`${name}: records are read in order from the one that holds an index to the one that holds another`, async t => {
    const subject = await make(t)
    for (const record of chainOf([1, 4, 2, 9, 1])) subject.store.log(0).append(record)
    for await (const { log } of livesOf(subject)) {
      t.deepEqual(firstIndexes(await collect(log.records(1))), [1, 2, 6, 8, 17])
      t.deepEqual(firstIndexes(await collect(log.records(0))), [1, 2, 6, 8, 17])
      t.deepEqual(firstIndexes(await collect(log.records(5, 6))), [2, 6])
      t.deepEqual(firstIndexes(await collect(log.records(7, 7))), [6])
      t.deepEqual(firstIndexes(await collect(log.records(18))), [])
      t.deepEqual(firstIndexes(await collect(log.records(9, 3))), [])
    }
  })

  test(`${name}: a reader sees what is appended while it reads`, async t => {
    const { store } = await make(t)
    const log = store.log(0)
    const records = chainOf([2, 2, 2])
    log.append(records[0]!)
    log.append(records[1]!)
    const seen: number[] = []
    for await (const record of log.records(1)) {
      seen.push(record.firstIndex)
      if (record.firstIndex === 3) log.append(records[2]!)
    }
    t.deepEqual(seen, [1, 3, 5])
  })

  test(`${name}: a reader ends where what it has read is cut, and reads on where it is not`, async t => {
    const { store } = await make(t)
    const log = store.log(0)
    const records = chainOf([2, 2, 2, 2])
    const again = recordAfter(endOf(records[1]!), { epoch: 2, count: 3 })
    for (const record of records) log.append(record)
    const ended: number[] = []
    for await (const record of log.records(1)) {
      ended.push(record.firstIndex)
      if (record.firstIndex === 5) log.cut(4)
    }
    t.deepEqual(ended, [1, 3, 5])
    log.append(records[2]!)
    const continued: LogRecordLike[] = []
    for await (const record of log.records(1)) {
      continued.push({ epoch: record.epoch, firstIndex: record.firstIndex })
      if (record.firstIndex !== 3) continue
      log.cut(4)
      log.append(again)
    }
    t.deepEqual(continued, [
      { epoch: 1, firstIndex: 1 },
      { epoch: 1, firstIndex: 3 },
      { epoch: 2, firstIndex: 5 },
    ])
  })
}

interface LogRecordLike {
  readonly epoch: number
  readonly firstIndex: number
}

function persisting(test: TestFn<unknown>, name: string, make: StoreFactory): void {
  test(`${name}: a reopened store has the same logs`, async t => {
    const subject = await make(t)
    const one = subject.store.log(1)
    const nine = subject.store.log(9)
    for (const record of chainOf([5, 1, 7], { shard: 1, epoch: 3, commitIndex: 0 })) one.append(record)
    one.append(recordAfter(one, { shard: 1, epoch: 8, commitIndex: 6 }))
    one.cut(6)
    one.append(recordAfter(one, { shard: 1, epoch: 9, commitIndex: 5, count: 2 }))
    one.adoptEpoch(12)
    nine.setLogId('c'.repeat(32))
    const before = [await pictureOf(one), await pictureOf(nine)]
    const store = await subject.reopen()
    t.deepEqual([await pictureOf(store.log(1)), await pictureOf(store.log(9))], before)
    t.is(store.log(1).durableIndex, 8)
    t.is(store.log(1).durableEpoch, 12)
    t.is(store.log(1).commitIndexHint, 5)
    t.deepEqual(store.shards(), [1, 9])
  })

  test(`${name}: facts are kept, and the newest value counts`, async t => {
    const subject = await make(t)
    t.is(subject.store.getMeta('address'), undefined)
    const given = Buffer.from('one')
    subject.store.setMeta('address', given)
    given.fill(0)
    t.deepEqual(subject.store.getMeta('address'), Buffer.from('one'))
    subject.store.setMeta('address', Buffer.from('two'))
    subject.store.setMeta('addresses', Buffer.from('three'))
    let store = await subject.reopen()
    t.deepEqual(store.getMeta('address'), Buffer.from('two'))
    store.setMeta('address', Buffer.alloc(0))
    store = await subject.reopen()
    t.deepEqual(store.getMeta('address'), Buffer.alloc(0))
    t.deepEqual(store.getMeta('addresses'), Buffer.from('three'))
  })

  test(`${name}: a closed store refuses writes`, async t => {
    const { store } = await make(t)
    const log = store.log(0)
    log.append(recordAfter(EMPTY_END))
    await store.close()
    await store.close()
    t.is(log.durableIndex, 1)
    throwsCode(t, 'LOG_POISONED', () => log.append(recordAfter(log)))
    throwsCode(t, 'LOG_POISONED', () => log.adoptEpoch(3))
    throwsCode(t, 'LOG_POISONED', () => log.cut(0))
    throwsCode(t, 'LOG_POISONED', () => store.setMeta('a', Buffer.alloc(1)))
    await t.throwsAsync(store.flush(), { code: 'LOG_POISONED' })
  })
}
