import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import test from 'ava'
import { RecordCache } from '../../src/log/record-cache.js'
import { LogRecord } from '../../src/log/record-codec.js'
import { chainOf } from './record-chain.js'

const records = chainOf(
  Array.from({ length: 100 }, () => 1),
  { value: Buffer.alloc(1_000) },
)

test('the cache stays within its bytes, and what is read survives longer', t => {
  const cache = new RecordCache(30_000)
  const shard = cache.shard()
  for (const record of records) {
    shard.add(record)
    t.true(cache.sizeBytes <= 30_000)
    t.is(shard.get(1)?.firstIndex, 1)
  }
  const kept = records.filter(record => shard.get(record.firstIndex) !== undefined)
  t.true(kept.length > 5 && kept.length < 20)
  t.is(kept.at(-1), records.at(-1))
})

test('a record on its way to disk is kept whatever comes, and counts from when it is released', t => {
  const cache = new RecordCache(3_000)
  const shard = cache.shard()
  for (const record of records) shard.pin(record)
  t.is(cache.sizeBytes, 0)
  t.true(records.every(record => shard.get(record.firstIndex) === record))
  for (const record of records) shard.release(record)
  t.true(cache.sizeBytes > 0 && cache.sizeBytes <= 3_000)
  t.is(shard.get(1), undefined)
})

test('what is cut off is forgotten, on its way to disk or not', t => {
  const cache = new RecordCache(100_000)
  const shard = cache.shard()
  shard.pin(records[0]!)
  shard.add(records[1]!)
  shard.forget(1)
  shard.forget(2)
  shard.forget(3)
  t.is(cache.sizeBytes, 0)
  shard.release(records[0]!)
  t.is(cache.sizeBytes, 0)
  t.is(shard.get(1), undefined)
  t.is(shard.get(2), undefined)
})

test('a record that replaces one on its way to disk is not released by the first one', t => {
  const cache = new RecordCache(1)
  const shard = cache.shard()
  shard.pin(records[0]!)
  shard.forget(1)
  const other = LogRecord.decode(Buffer.from(records[0]!.bytes))
  shard.pin(other)
  shard.release(records[0]!)
  t.is(shard.get(1), other)
  shard.release(other)
  t.is(shard.get(1), undefined)
})

test('logs share the bytes but not the records', t => {
  const cache = new RecordCache(2 * (records[0]!.sizeBytes + 1_200))
  const [one, two] = [cache.shard(), cache.shard()]
  one.add(records[0]!)
  two.add(records[1]!)
  t.is(one.get(2), undefined)
  two.add(records[2]!)
  two.add(records[3]!)
  t.is(one.get(1), undefined)
})

test('what was evicted is not kept alive', async t => {
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc') as () => void
  const shard = new RecordCache(30_000).shard()
  const references = records.map(({ bytes }) => {
    const record = LogRecord.decode(Buffer.from(bytes))
    shard.add(record)
    return new WeakRef(record)
  })
  // A WeakRef holds its target until the turn in which it was made is over.
  await new Promise(resolve => setImmediate(resolve))
  collect()
  const alive = references.filter(reference => reference.deref() !== undefined)
  t.true(alive.length > 5 && alive.length < 25, `${alive.length} of ${records.length} are alive`)
})
