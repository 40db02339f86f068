import test from 'ava'
import { baseBlobName, describeBase } from '../../src/log/log-base.js'
import { MemoryLogStore } from '../../src/log/memory-log.js'
import { baseConformance } from '../conformance/base-conformance.js'
import { blobConformance } from '../conformance/blob-conformance.js'
import { logConformance, type StoreFactory } from '../conformance/log-conformance.js'
import { logModelConformance } from '../conformance/log-model-conformance.js'
import { chainOf, EMPTY_END, recordAfter } from './record-chain.js'

const make: StoreFactory = async () => {
  const store = new MemoryLogStore({ autoSync: true })
  const reopen = async () => {
    await store.flush()
    store.crash()
    return store
  }
  return { store, reopen }
}

logConformance(test, 'memory', make)
logModelConformance(test, 'memory', make, 300)
blobConformance(test, 'memory', make)
baseConformance(test, 'memory', make)

test('without autoSync nothing becomes durable until sync', async t => {
  const store = new MemoryLogStore()
  const log = store.log(0)
  log.append(recordAfter(EMPTY_END))
  await Promise.resolve()
  t.is(log.durableIndex, 0)
  t.is(store.unsyncedWrites, 1)
  store.sync()
  t.is(log.durableIndex, 1)
})

test('a crash loses unsynced appends, adoptions, cuts, facts and blobs', async t => {
  const store = new MemoryLogStore()
  const records = chainOf([2, 2, 2])
  store.log(0).append(records[0]!)
  store.log(0).append(records[1]!)
  store.log(0).adoptEpoch(2)
  store.setMeta('name', Buffer.from('kept'))
  store.sync()
  store.log(0).append(records[2]!)
  store.log(0).cut(2)
  store.log(0).adoptEpoch(5)
  store.log(4).setLogId('d'.repeat(32))
  store.setMeta('name', Buffer.from('lost'))
  void store.blobs.write('blob', [Buffer.from('lost')])
  const before = store.log(0)
  store.crash()
  t.not(store.log(0), before)
  t.is(store.log(0).lastIndex, 4)
  t.is(store.log(0).durableIndex, 4)
  t.is(store.log(0).adoptedEpoch, 2)
  t.is(store.log(4).logId, '')
  t.deepEqual(store.getMeta('name'), Buffer.from('kept'))
  t.deepEqual(await store.blobs.names(''), [])
  t.throws(() => before.append(records[2]!), { code: 'LOG_POISONED' })
  store.log(0).append(records[2]!)
  t.is(store.log(0).lastIndex, 6)
})

test('a crash may keep the first of the unsynced writes', t => {
  for (let kept = 0; kept <= 4; kept++) {
    const store = new MemoryLogStore()
    const log = store.log(0)
    for (const record of chainOf([2, 2])) log.append(record)
    log.cut(2)
    log.append(recordAfter(log, { epoch: 3, count: 5 }))
    store.crash(kept)
    t.is(store.log(0).lastIndex, [0, 2, 4, 2, 7][kept]!)
  }
})

test('a failing sync refuses everything from then on, and says so once', async t => {
  const store = new MemoryLogStore()
  const heard: string[] = []
  store.onPoison(error => heard.push(error.code))
  const log = store.log(0)
  log.append(recordAfter(EMPTY_END))
  const flushed = store.flush()
  store.failSync('no space left')
  store.failSync('again')
  await t.throwsAsync(flushed, { code: 'LOG_POISONED', message: /no space left/ })
  t.is(store.poisoned?.code, 'LOG_POISONED')
  t.throws(() => log.append(recordAfter(log)), { code: 'LOG_POISONED' })
  store.sync()
  t.is(log.durableIndex, 0)
  t.deepEqual(heard, ['LOG_POISONED'])
  store.crash()
  t.is(store.poisoned, undefined)
  t.is(store.log(0).lastIndex, 0)
})

test('a crash at any point of a trim leaves the old log, or the base and the log above it', async t => {
  for (let kept = 0; kept <= 3; kept++) {
    const store = new MemoryLogStore()
    let log = store.log(0)
    const records = chainOf([2, 2, 2])
    for (const record of records) log.append(record)
    store.sync()
    const base = describeBase(log, 4)
    const written = store.blobs.write(baseBlobName(0, base), [Buffer.from('live entries')])
    if (kept === 0) {
      store.crash()
      t.is(store.log(0).baseIndex, 0)
      continue
    }
    store.sync()
    await written
    log.trim(base)
    t.is(log.baseIndex, 4)
    store.crash(kept - 1)
    log = store.log(0)
    t.is(log.baseIndex, kept === 1 ? 0 : 4)
    t.is(log.lastIndex, 6)
    t.is(log.read(1)?.count, kept === 1 ? 2 : undefined)
    t.deepEqual(log.read(5)?.bytes, records[2]!.bytes)
  }
})
