import test, { type ExecutionContext } from 'ava'
import fc from 'fast-check'
import { endOfPrefix } from '../../src/client/key-range.js'
import { connect, VarveError, type WatchEvent } from '../../src/index.js'
import { cut, FakeCluster } from './fake-cluster.js'
import { until } from './until.js'

async function start(t: ExecutionContext, shape: { shards?: number; nodes?: number }) {
  const cluster = await FakeCluster.start(shape)
  const db = await connect(cluster.addresses)
  t.teardown(async () => {
    await db.close()
    cluster.stop()
  })
  return { cluster, db }
}

async function keysOf(items: AsyncIterable<{ key: string }>): Promise<string[]> {
  const keys: string[] = []
  for await (const { key } of items) keys.push(key)
  return keys
}

async function take<T>(items: AsyncIterator<T>, count: number): Promise<T[]> {
  const taken: T[] = []
  while (taken.length < count) taken.push((await items.next()).value as T)
  return taken
}

const inByteOrder = (keys: readonly string[]) =>
  [...keys].sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)))

test('a scan merges the pages of all shards in the byte order of the keys, either way', async t => {
  const { cluster, db } = await start(t, { shards: 5, nodes: 2 })
  cluster.pageItemsMax = 7
  const keys = Array.from({ length: 211 }, (_, k) => `${['a/', 'b/', 'ü/', '\u{1f600}'][k % 4]}${k}`)
  await Promise.all(keys.map(key => db.set(key, `value of ${key}`)))
  await db.delete('a/0')
  const expected = inByteOrder(keys.filter(key => key !== 'a/0'))
  t.deepEqual(await keysOf(db.scan()), expected)
  t.deepEqual(await keysOf(db.scan({ reverse: true })), expected.toReversed())
  t.deepEqual(await keysOf(db.scan({ limit: 20 })), expected.slice(0, 20))
  t.deepEqual(await keysOf(db.scan({ limit: 20, reverse: true })), expected.toReversed().slice(0, 20))
  t.deepEqual(
    await keysOf(db.scan({ prefix: 'b/' })),
    expected.filter(key => key.startsWith('b/')),
  )
  t.deepEqual(
    await keysOf(db.scan({ start: 'a/2', end: 'b/3' })),
    expected.filter(key => key >= 'a/2' && key < 'b/3'),
  )
  t.deepEqual(await keysOf(db.scan({ limit: 0 })), [])
  for await (const { key, value } of db.scan({ prefix: 'ü', limit: 3 })) t.is(value, `value of ${key}`)
  for await (const { value } of db.scan({ keysOnly: true, limit: 3 })) t.is(value, undefined)
})

test('a scan takes no more pages than its limit and its consumer need', async t => {
  const { cluster, db } = await start(t, {})
  cluster.pageItemsMax = 5
  await Promise.all(Array.from({ length: 100 }, (_, k) => db.set(`key${k}`, '')))
  for await (const _ of db.scan()) break
  await keysOf(db.scan({ limit: 4 }))
  t.true(cluster.nodes[0]!.scans <= 3)
})

test('a page that cannot be had now is asked for again, of another replica too', async t => {
  const { cluster, db } = await start(t, { nodes: 3 })
  await db.set('a', '1')
  const unavailable = new VarveError('UNAVAILABLE', 'not now')
  for (const node of cluster.nodes.slice(1)) node.scanError = unavailable
  t.deepEqual(await keysOf(db.scan({ consistency: 'weak' })), ['a'])
  for (const node of cluster.nodes.slice(1)) node.scanError = new VarveError('BEHIND', 'behind the token')
  t.deepEqual(await keysOf(db.scan({ consistency: 'session' })), ['a'])
  for (const node of cluster.nodes) node.scanError = unavailable
  await t.throwsAsync(keysOf(db.scan({ timeoutMs: 3_000 })), {
    code: 'DEADLINE_EXCEEDED',
    message: /a scan of shard_0 was not answered within 3000 ms; last: UNAVAILABLE: not now/,
  })
  for (const node of cluster.nodes) node.scanError = new VarveError('DATA_LOSS', 'damaged')
  await t.throwsAsync(keysOf(db.scan()), { code: 'DATA_LOSS', message: 'damaged' })
  await t.throwsAsync(keysOf(db.scan({ signal: AbortSignal.abort() })), { code: 'CANCELLED' })
  await t.throwsAsync(keysOf(db.scan({ prefix: 'a', start: 'b' })), { code: 'INVALID_ARGUMENT' })
})

test('exactly the keys with the prefix lie between it and its end', t => {
  const byte = fc.constantFrom(0, 1, 0x61, 0xfe, 0xff)
  const bytes = fc.array(byte, { maxLength: 4 }).map(one => Buffer.from(one))
  fc.assert(
    fc.property(bytes, bytes, (prefix, key) => {
      const end = endOfPrefix(prefix)
      const within = Buffer.compare(key, prefix) >= 0 && (end.length === 0 || Buffer.compare(key, end) < 0)
      return within === key.subarray(0, prefix.length).equals(prefix)
    }),
  )
  t.pass()
})

test('a watch delivers what comes after it began, in the order of each shard', async t => {
  const { db } = await start(t, { shards: 3, nodes: 2 })
  await db.set('before', '')
  const watch = db.watch({ prefix: 'k' })
  await watch.ready
  const keys = Array.from({ length: 100 }, (_, k) => `k${k}`)
  await Promise.all(keys.map(key => db.set(key, `value of ${key}`)))
  await db.set('other', '')
  await db.delete('k7')
  const events = await take(watch, 101)
  t.deepEqual(
    events
      .filter(event => event.type === 'set')
      .map(event => event.key)
      .sort(),
    [...keys].sort(),
  )
  t.true(events.every(event => event.value === (event.type === 'set' ? `value of ${event.key}` : undefined)))
  const deleted = events.find(event => event.type === 'delete')!
  t.is(deleted.previous, events.find(event => event.key === 'k7')!.index)
  for (const shard of ['shard_0', 'shard_1', 'shard_2']) {
    const indexes = events.filter(event => event.shard === shard).map(event => event.index)
    t.deepEqual(
      indexes,
      [...indexes].sort((a, b) => a - b),
    )
  }
})

test('a watch whose streams are cut again and again leaves nothing out and doubles nothing', async t => {
  const { cluster, db } = await start(t, { shards: 2, nodes: 2 })
  const watch = db.watch()
  await watch.ready
  const events: WatchEvent<string, string>[] = []
  const watching = (async () => {
    for await (const event of watch) if (events.push(event) === 400) break
  })()
  for (let k = 0; k < 400; k += 20) {
    await Promise.all(Array.from({ length: 20 }, (_, j) => db.set(`key${k + j}`, '')))
    if (k % 60 === 0) {
      for (const node of cluster.nodes) {
        for (const stream of node.watchStreams) cut(stream)
      }
    }
  }
  await watching
  for (const shard of ['shard_0', 'shard_1']) {
    const indexes = events.filter(event => event.shard === shard).map(event => event.index)
    t.deepEqual(
      indexes,
      indexes.map((_, at) => at + 1),
    )
  }
})

test('a watch from a token delivers what the token had not seen; from indexes, what lies there and later', async t => {
  const { db } = await start(t, { shards: 2 })
  const keys = Array.from({ length: 20 }, (_, k) => `key${k}`)
  for (const key of keys.slice(0, 10)) await db.set(key, '')
  const token = db.token()
  for (const key of keys.slice(10)) await db.set(key, '')
  const after = await take(db.watch({ from: token }), 10)
  t.deepEqual(after.map(event => event.key).sort(), keys.slice(10).sort())
  const all = await take(db.watch({ from: { shard_0: 1, shard_1: 1 } }), 20)
  t.deepEqual(all.map(event => event.key).sort(), [...keys].sort())
  t.throws(() => db.watch({ from: { shard_7: 1 } }), {
    code: 'UNKNOWN_SHARD',
    message: /shard_7.*shard_0, shard_1/,
  })
})

test('a consumer that stops reading stops the streams, and loses nothing', async t => {
  const { db } = await start(t, {})
  const watch = db.watch()
  await watch.ready
  const count = 20_000
  await Promise.all(Array.from({ length: count }, (_, k) => db.set(`key${k}`, '')))
  const events = await take(watch, count)
  t.deepEqual(
    events.map(event => event.index),
    events.map((_, at) => at + 1),
  )
})

test('a watch ends by its signal, by a break and by close', async t => {
  const { cluster, db } = await start(t, {})
  const streams = () => cluster.nodes[0]!.watchStreams.size
  const controller = new AbortController()
  const aborted = db.watch({ signal: controller.signal })
  const next = aborted.next()
  await aborted.ready
  controller.abort()
  await t.throwsAsync(next, { code: 'CANCELLED' })
  t.true((await aborted.next()).done)
  const broken = db.watch()
  await broken.ready
  await db.set('a', '1')
  for await (const _ of broken) break
  await until(() => streams() === 0)
  const closed = db.watch()
  await closed.ready
  const last = closed.next()
  await db.close()
  await t.throwsAsync(last, { code: 'CLOSED' })
})
