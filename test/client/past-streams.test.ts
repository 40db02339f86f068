import test, { type ExecutionContext } from 'ava'
import { connect, VarveError } from '../../src/index.js'
import { FakeCluster } from './fake-cluster.js'

async function start(t: ExecutionContext, shape: { shards?: number; nodes?: number }) {
  const cluster = await FakeCluster.start(shape)
  const db = await connect(cluster.addresses)
  t.teardown(async () => {
    await db.close()
    cluster.stop()
  })
  return { cluster, db }
}

async function all<T>(items: AsyncIterable<T>): Promise<T[]> {
  const found: T[] = []
  for await (const item of items) found.push(item)
  return found
}

const keys = Array.from({ length: 40 }, (_, k) => `key${String(k).padStart(2, '0')}`)

/** Streams break after one part at every node, again and again. */
function breakStreams(cluster: FakeCluster): void {
  for (const { past } of cluster.nodes) past.partsMax = 1
}

test('a history goes on below the last entry when its stream breaks, however often', async t => {
  const { cluster, db } = await start(t, { nodes: 3 })
  for (let k = 0; k < 25; k++) {
    await db.set('key', `value ${k}`)
    await db.set('other', '')
  }
  breakStreams(cluster)
  const entries = await all(db.history('key'))
  t.deepEqual(
    entries.map(({ value }) => value),
    Array.from({ length: 25 }, (_, k) => `value ${24 - k}`),
  )
  t.deepEqual(
    (await all(db.history('key', { limit: 7 }))).map(({ index }) => index),
    [49, 47, 45, 43, 41, 39, 37],
  )
})

test('a diff and a blame over all shards go on behind the last key when their streams break', async t => {
  const { cluster, db } = await start(t, { shards: 3, nodes: 2 })
  await Promise.all(keys.map(key => db.set(key, 'old')))
  const from = await db.resolve()
  await Promise.all(keys.slice(0, 30).map(key => db.set(key, 'new')))
  await db.delete('key35')
  breakStreams(cluster)
  const differences = await all(db.diff({ from }))
  t.deepEqual(
    differences.map(({ key, change }) => `${key} ${change}`),
    [...keys.slice(0, 30).map(key => `${key} changed`), 'key35 removed'],
  )
  t.true(
    differences.slice(0, 30).every(({ before, after }) => before?.value === 'old' && after?.value === 'new'),
  )
  const blamed = await all(db.blame())
  t.deepEqual(
    blamed.map(({ key, value }) => `${key} ${value}`),
    keys.filter(key => key !== 'key35').map(key => `${key} ${key < 'key30' ? 'new' : 'old'}`),
  )
})

test('who reads a part of a diff only has no more of it read', async t => {
  const { cluster, db } = await start(t, { shards: 3 })
  const from = await db.resolve()
  await Promise.all(keys.map(key => db.set(key, '')))
  const { past } = cluster.nodes[0]!
  const diff = db.diff({ from })
  const { to } = await diff.moment()
  t.deepEqual(Object.keys(to.cuts), ['shard_0', 'shard_1', 'shard_2'])
  for await (const { key } of diff) {
    t.is(key, 'key00')
    break
  }
  const { calls } = past
  t.true((await diff.next()).done)
  t.is(past.calls, calls)
})

test('a stream that no member can give fails with what stood in the way, or at once where that will not pass', async t => {
  const { cluster, db } = await start(t, { nodes: 2 })
  const at = await db.resolve()
  await db.set('key', '')
  for (const { past } of cluster.nodes) past.error = new VarveError('UNAVAILABLE', 'not now')
  await t.throwsAsync(
    all(
      db.diff({
        from: at,
        to: { ...at, cuts: { shard_0: { ...at.cuts.shard_0!, index: 1 } } },
        timeoutMs: 500,
      }),
    ),
    {
      code: 'DEADLINE_EXCEEDED',
      message: 'a diff of shard_0 was not answered within 500 ms; last: UNAVAILABLE: not now',
    },
  )
  for (const { past } of cluster.nodes) past.error = new VarveError('DATA_LOSS', 'damaged')
  await t.throwsAsync(all(db.history('key')), { code: 'DATA_LOSS', message: 'damaged' })
  await t.throwsAsync(all(db.history('key', { signal: AbortSignal.abort() })), { code: 'CANCELLED' })
  t.throws(() => db.history('key', { at: 'two words' }), { code: 'INVALID_ARGUMENT' })
  t.throws(() => db.diff({ from: at, prefix: 'a', start: 'b' }), { code: 'INVALID_ARGUMENT' })
  t.throws(() => db.history('key', { limit: -1 }), { code: 'INVALID_ARGUMENT' })
})

test('a history says where it ends: at the first entry of all, or at the horizon', async t => {
  const { cluster, db } = await start(t, {})
  for (let k = 1; k <= 20; k++) await db.set('key', String(k))
  const whole = db.history('key')
  t.is((await all(whole)).length, 20)
  t.is(whole.horizon, undefined)
  cluster.shards[0]!.horizon = 12
  const horizon = { index: 12, lamport: 112, wallMs: 1_000, droppedMs: 5_000 }
  for (const partsMax of [Infinity, 1]) {
    cluster.nodes[0]!.past.partsMax = partsMax
    const cut = db.history('key')
    t.deepEqual(
      (await all(cut)).map(({ value }) => value),
      ['20', '19', '18', '17', '16', '15', '14', '13'],
    )
    t.deepEqual(cut.horizon, horizon)
    t.deepEqual((await cut.moment()).cuts.shard_0!.horizon, horizon)
  }
  await t.throwsAsync(all(db.history('key', { at: { lamport: 105 } })), { code: 'OUT_OF_RETENTION' })
  const error = await t.throwsAsync(db.resolve('start'), { code: 'OUT_OF_RETENTION' })
  t.regex(error!.message, /^history of shard_0 before 1970-.* \(index 12\) was dropped by retention on 1970/)
})

test('a watch with a snapshot begins below the horizon, tells each key once, and then what came after', async t => {
  const { cluster, db } = await start(t, { nodes: 2 })
  for (const key of keys) await db.set(key, 'old')
  await db.delete('key01')
  await db.set('key02', 'new')
  cluster.shards[0]!.horizon = 41
  await t.throwsAsync(db.watch({ from: 'start' }).next(), { code: 'OUT_OF_RETENTION' })
  for (const partsMax of [Infinity, 5]) {
    // The stream breaks while the snapshot is read: another node goes on behind the key that came last.
    cluster.nodes[0]!.past.partsMax = partsMax
    for (const from of ['start', { lamport: 110 }]) {
      const watch = db.watch({ from, snapshot: true })
      const events = []
      for await (const event of watch) if (events.push(event) === keys.length) break
      t.deepEqual(
        events.map(({ type, key, snapshot, snapshotIndex }) => `${type} ${key} ${snapshot} ${snapshotIndex}`),
        [...keys.filter(key => key !== 'key01').map(key => `set ${key} true 41`), 'set key02 false 0'],
      )
    }
  }
})

test('a watch from a moment delivers what came after it in each shard', async t => {
  const { cluster, db } = await start(t, { shards: 2 })
  for (const key of keys) await db.set(key, '')
  const counts = cluster.shards.map(({ entries }) => entries.length)
  const expected = counts.reduce((sum, count) => sum + count - 10, 0)
  for (const from of [
    { lamport: 110 },
    'lamport:110',
    'index:shard_1/10',
    { shard: 'shard_0', index: 10 },
  ] as const) {
    const watch = db.watch({ from })
    await watch.ready
    const events = []
    for await (const event of watch) if (events.push(event) === expected) break
    for (const shard of ['shard_0', 'shard_1'])
      t.is(Math.min(...events.filter(event => event.shard === shard).map(({ index }) => index)), 11)
    t.true(events.every(({ snapshot }) => !snapshot))
  }
  t.throws(() => db.watch({ from: 'two words' }), { code: 'INVALID_ARGUMENT' })
  t.throws(() => db.watch({ from: { shard: 'shard_7', index: 1 } }), { code: 'UNKNOWN_SHARD' })
  const ended = db.watch({ from: { lamport: 110 } })
  await ended.return()
  t.true((await ended.next()).done)
})

test('keys that the cluster keeps for itself cannot be written, and a watch leaves them out', async t => {
  const { cluster, db } = await start(t, {})
  const message = 'the key begins with "\\0varve/": such keys are the cluster\'s own'
  await t.throwsAsync(db.set('\0varve/tag/{0}/a', ''), { code: 'INVALID_ARGUMENT', message })
  await t.throwsAsync(db.delete('\0varve/'), { code: 'INVALID_ARGUMENT', message })
  await t.throwsAsync(db.batch([{ type: 'delete', key: '\0varve/x' }]), {
    message: /^operation 1: the key begins/,
  })
  await db.set('\0varve', 'an ordinary key')
  const watch = db.watch({ from: 'start' })
  cluster.shards[0]!.append(1, '\0varve/retention/{0}', Buffer.from('{}'), '')
  await db.set('last', '')
  t.deepEqual([(await watch.next()).value?.key, (await watch.next()).value?.key], ['\0varve', 'last'])
})

test('a node that does not know of moments is not believed', async t => {
  const { cluster, db } = await start(t, {})
  await db.set('key', 'now')
  cluster.nodes[0]!.past.isOld = true
  await t.throwsAsync(db.get('key', { at: { lamport: 101 } }), { code: 'UNIMPLEMENTED' })
  // The fake's scans say nothing of a moment.
  await t.throwsAsync(all(db.scan({ at: { lamport: 101 } })), { code: 'UNIMPLEMENTED' })
})
