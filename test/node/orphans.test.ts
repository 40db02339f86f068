import test from 'ava'
import type { ReadOrphansResponse } from '../../src/generated/varve/v1/cluster.js'
import { MemoryLogStore } from '../../src/log/memory-log.js'
import type { LogRecord } from '../../src/log/record-codec.js'
import { readOrphans } from '../../src/node/orphans.js'
import { chainOf, collect, endOf, recordAfter } from '../log/record-chain.js'

/** A log of these records that was cut behind the first, and went on in the next epoch. */
function cutLog(records: readonly LogRecord[]): MemoryLogStore {
  const store = new MemoryLogStore({ autoSync: true })
  const log = store.log(0)
  for (const record of records) log.append(record)
  log.cut(records[0]!.lastIndex)
  log.append(recordAfter(endOf(records[0]!), { epoch: 2, lamport: 1_000 }))
  return store
}

const signal = new AbortController().signal

test('what was cut off is listed by epoch and index, with the epoch that it was cut off from, as not committed', async t => {
  const store = cutLog(chainOf([2, 3, 1]))
  const parts = await collect(readOrphans('shard_0', store.log(0), signal))
  t.deepEqual(
    parts.map(({ entries }) => entries.length),
    [3, 1],
  )
  const places = parts.flatMap(({ entries }) => entries.map(({ position }) => position!))
  t.deepEqual(
    places.map(({ epoch, index, committed }) => [epoch, index, committed]),
    [3, 4, 5, 6].map(index => [1, index, false]),
  )
  t.is(places[0]!.shard, 'shard_0')
  t.is(parts[0]!.entries[1]!.key.toString(), 'key-4')
  t.is(parts[0]!.entries[1]!.record, 3)
})

test('a log that was never cut has no orphans', async t => {
  const store = new MemoryLogStore({ autoSync: true })
  for (const record of chainOf([2, 3])) store.log(0).append(record)
  t.deepEqual(await collect(readOrphans('shard_0', store.log(0), signal)), [])
})

test('a large record goes out in several messages of bounded size', async t => {
  const records = chainOf([1])
  records.push(recordAfter(endOf(records[0]!), { count: 7, value: 'v'.repeat(400_000) }))
  const parts = await collect(readOrphans('shard_0', cutLog(records).log(0), signal))
  t.deepEqual(
    parts.map(({ entries }) => entries.length),
    [2, 2, 2, 1],
  )
})

test('a reader that stands still is sent away, and lets go of the database', async t => {
  const store = cutLog(chainOf([1, 1, 1]))
  const log = store.log(0)
  let isClosed = false
  const list = log.orphans.bind(log)
  log.orphans = async function* () {
    try {
      yield* list()
    } finally {
      isClosed = true
    }
  }
  const reader = readOrphans('shard_0', log, signal, 1)
  t.is(((await reader.next()).value as ReadOrphansResponse).entries.length, 1)
  while (!isClosed) await new Promise(resolve => setImmediate(resolve))
  await t.throwsAsync(reader.next(), { code: 'DEADLINE_EXCEEDED' })
})

test('a reader that leaves lets go of the database at once', async t => {
  const store = cutLog(chainOf([1, 1, 1]))
  const log = store.log(0)
  let isClosed = false
  const list = log.orphans.bind(log)
  log.orphans = async function* () {
    try {
      yield* list()
    } finally {
      isClosed = true
    }
  }
  for await (const _ of readOrphans('shard_0', log, signal)) break
  t.true(isClosed)
})
