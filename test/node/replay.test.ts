/** `replay`, the library call, over a running cluster and its folder. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { connect, type ReplayEvent, replay, startLocalCluster } from '../../src/index.js'

function tempFolder(t: ExecutionContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'varve-replay-'))
  t.teardown(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}

async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = []
  for await (const item of items) all.push(item)
  return all
}

/** What is to be told of an event, without what differs from run to run. */
function told({ entry, before, after }: ReplayEvent): string {
  return `${entry.operation} ${entry.key}: ${before?.value ?? '-'} -> ${after?.value ?? '-'}`
}

test('an incident is told again, entry by entry, by the cluster and by its folder alike', async t => {
  const dataDir = tempFolder(t)
  const cluster = await startLocalCluster({ shards: 2, replicas: 2, dataDir })
  const db = await connect(cluster.endpoints, { actor: 'ada' })
  await db.set('user/1', 'one')
  await db.set('user/2', 'two')
  const before = await db.resolve()
  await db.set('user/1', 'ONE')
  await db.delete('user/2')
  await db.delete('user/2')
  await db.set('user/2', 'again')
  await db.batch([
    { type: 'set', key: '{a}1', value: 'x' },
    { type: 'set', key: '{a}1', value: 'y' },
  ])
  const after = await db.resolve()
  await db.set('user/1', 'too late')
  const incident = [
    'set user/1: one -> ONE',
    'delete user/2: two -> -',
    'delete user/2: - -> -',
    'set user/2: - -> again',
    'set {a}1: - -> x',
    'set {a}1: x -> y',
  ]
  const isData = ({ entry }: ReplayEvent) => entry.key !== undefined
  const endpoints = cluster.endpoints.join(',')
  for (const source of [cluster, cluster.endpoints, endpoints]) {
    const events = await collect(replay({ source, from: before, at: after }))
    t.deepEqual(events.filter(isData).map(told), incident)
    const lamports = events.map(({ entry }) => entry.lamport)
    t.deepEqual(
      lamports,
      lamports.toSorted((a, b) => a - b),
    )
  }
  const live = await collect(replay({ source: endpoints, at: after }))
  t.is(live.filter(isData).length, incident.length + 2)
  t.deepEqual(live.map(({ entry }) => entry.operation).slice(0, 2), ['epoch', 'epoch'])
  t.true(live.every(({ entry }) => entry.committed))
  await db.close()
  await cluster.close()

  const offline = await collect(replay({ source: dataDir, at: after }))
  t.deepEqual(
    offline.map(({ entry: { committed, ...entry } }) => entry),
    live.map(({ entry: { committed, ...entry } }) => entry),
  )
  t.deepEqual(offline.map(told), live.map(told))
  const events = await collect(replay({ source: dataDir, from: before, at: after }))
  t.deepEqual(events.filter(isData).map(told), incident)
  const one = await collect(replay({ source: dataDir, shards: ['shard_1'] }))
  t.true(one.length > 0 && one.every(({ entry }) => entry.shard === 'shard_1'))
})

test('keys and values come in the encodings that are asked for', async t => {
  const dataDir = tempFolder(t)
  const cluster = await startLocalCluster({ dataDir })
  const db = await connect(cluster.endpoints, { valueEncoding: 'json' })
  await db.set('order', { paid: false })
  await db.set('order', { paid: true })
  await db.close()
  await cluster.close()
  const events = await collect(replay({ source: dataDir, keyEncoding: 'buffer', valueEncoding: 'json' }))
  const last = events.findLast(({ entry }) => entry.operation === 'set')!
  t.deepEqual(last.entry.key, Buffer.from('order'))
  t.deepEqual([last.before?.value, last.after?.value], [{ paid: false }, { paid: true }])
})

test('what cannot be told is an error with a code, and nothing stays open', async t => {
  const dataDir = tempFolder(t)
  const cluster = await startLocalCluster({ dataDir })
  const { endpoints } = cluster
  await t.throwsAsync(collect(replay({ source: cluster, at: 'lamport:999999' })), { code: 'OUT_OF_RANGE' })
  await t.throwsAsync(collect(replay({ source: cluster, at: 'half past' })), { code: 'INVALID_ARGUMENT' })
  await t.throwsAsync(collect(replay({ source: cluster, shards: ['shard_9'] })), { code: 'UNKNOWN_SHARD' })
  await cluster.close()
  const missing = join(dataDir, 'missing')
  await t.throwsAsync(collect(replay({ source: missing })), {
    code: 'INVALID_ARGUMENT',
    message: /holds no logs/,
  })
  await t.throwsAsync(collect(replay({ source: tempFolder(t) })), { code: 'INVALID_ARGUMENT' })
  await t.throwsAsync(collect(replay({ source: endpoints, timeoutMs: 300 })), { code: 'UNAVAILABLE' })
  await t.throwsAsync(collect(replay({ source: dataDir, at: 'lamport:999999' })), { code: 'OUT_OF_RANGE' })
  // Whoever stops early leaves the folder as it was, for the next one.
  for await (const { entry } of replay({ source: dataDir })) if (entry.index === 1) break
  t.true((await collect(replay({ source: dataDir }))).length > 0)
})
