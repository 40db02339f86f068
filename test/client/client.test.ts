import { execFile } from 'node:child_process'
import { createServer } from 'node:net'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import test, { type ExecutionContext } from 'ava'
import { type ConnectOptions, connect, shardOfKey, VarveError } from '../../src/index.js'
import { Limits } from '../../src/log/entry.js'
import { FakeCluster } from './fake-cluster.js'
import { until } from './until.js'

async function start(
  t: ExecutionContext,
  shape: { shards?: number; nodes?: number },
  options: ConnectOptions = {},
) {
  const cluster = await FakeCluster.start(shape)
  const db = await connect<'utf8', 'utf8'>(cluster.addresses, options as ConnectOptions<'utf8', 'utf8'>)
  t.teardown(async () => {
    await db.close()
    cluster.stop()
  })
  return { cluster, db }
}

/** A key that falls into the shard. */
function keyIn(shard: number, shards: number, name = 'key'): string {
  for (let k = 0; ; k++) if (shardOfKey(Buffer.from(`${name}${k}`), shards) === shard) return `${name}${k}`
}

test('what is set is read back, with its position in its shard', async t => {
  const { db } = await start(t, { shards: 3, nodes: 2 })
  const written = await db.set('user/7', 'ada')
  const read = await db.getEntry('user/7')
  t.is(await db.get('user/7'), 'ada')
  t.like(read, {
    found: true,
    value: 'ada',
    shard: written.shard,
    index: written.index,
    epoch: written.epoch,
  })
  t.like(written, { index: 1, applied: true, committed: true, previous: undefined })
  await db.delete('user/7')
  t.is(await db.get('user/7'), undefined)
  t.like(await db.getEntry('user/7'), { found: false, value: undefined, index: 2 })
  t.like(await db.getEntry('never'), { found: false, index: 0 })
})

test('operations of one turn of the event loop travel as one message to each node', async t => {
  const { cluster, db } = await start(t, { shards: 4, nodes: 2 })
  await Promise.all(Array.from({ length: 40 }, (_, k) => db.set(`warm${k}`, '')))
  for (const node of cluster.nodes) for (const session of node.sessions) session.messages.length = 0
  await Promise.all(Array.from({ length: 500 }, (_, k) => db.set(`key${k}`, `value${k}`)))
  const messages = cluster.nodes.map(node => node.sessions.flatMap(session => session.messages))
  t.deepEqual(messages, [[2], [2]], 'one message a node, with a frame for each of its two shards')
  const values = await Promise.all(Array.from({ length: 500 }, (_, k) => db.get(`key${k}`)))
  t.deepEqual(
    values,
    Array.from({ length: 500 }, (_, k) => `value${k}`),
  )
})

test('answers find their calls by id, whatever order they come in', async t => {
  const { cluster, db } = await start(t, { shards: 2 })
  const held: (() => void)[] = []
  cluster.nodes[0]!.intercept = (frame, session) => {
    held.unshift(() => session.node.handle(frame, session))
    return true
  }
  const ended: string[] = []
  const keys = [keyIn(0, 2), keyIn(1, 2)]
  const calls = keys.map(key => db.set(key, key).then(() => ended.push(key)))
  await until(() => held.length === 2)
  for (const handle of held) handle()
  await Promise.all(calls)
  t.deepEqual(ended, [keys[1]!, keys[0]!])
  cluster.nodes[0]!.intercept = undefined
  t.deepEqual(await Promise.all(keys.map(key => db.get(key))), keys)
})

test('writes of one shard are done in the order of the calls', async t => {
  const { cluster, db } = await start(t, { shards: 2 })
  const keys = Array.from({ length: 3_000 }, (_, k) => `key${k}`)
  await Promise.all(keys.map(key => db.set(key, 'x'.repeat(200))))
  for (const [ordinal, shard] of cluster.shards.entries()) {
    const expected = keys.filter(key => shardOfKey(Buffer.from(key), 2) === ordinal)
    t.deepEqual(
      shard.entries.map(entry => entry.key),
      expected,
    )
  }
})

test('a condition that does not hold resolves with applied false and changes nothing', async t => {
  const { db } = await start(t, {})
  t.like(await db.set('k', '1', { ifIndex: 0 }), { applied: true, index: 1 })
  t.like(await db.set('k', '2', { ifAbsent: true }), { applied: false })
  t.like(await db.set('k', '2', { ifIndex: 7, returnPrevious: true }), {
    applied: false,
    previous: { found: true, value: '1', index: 1 },
  })
  t.is(await db.get('k'), '1')
  const { index } = await db.getEntry('k')
  t.like(await db.set('k', '2', { ifIndex: index, returnPrevious: true }), {
    applied: true,
    previous: { found: true, value: '1', index: 1 },
  })
  t.like(await db.delete('none', { returnPrevious: true }), {
    previous: { found: false, value: undefined, index: 0 },
  })
})

test('a batch of one shard is one frame and answers in the order of its operations', async t => {
  const { cluster, db } = await start(t, { shards: 3 })
  await db.set('{a}/old', 'gone soon')
  const frames = cluster.frames.length
  const { applied, results } = await db.batch([
    { type: 'set', key: '{a}/1', value: 'one' },
    { type: 'delete', key: '{a}/old', returnPrevious: true },
    { type: 'set', key: '{a}/2', value: 'two' },
  ])
  t.true(applied)
  t.deepEqual(
    results.map(result => result.index),
    [2, 3, 4],
  )
  t.is(results[1]!.previous!.value, 'gone soon')
  t.is(cluster.frames.length, frames + 1)
  t.is(await db.get('{a}/2'), 'two')
})

test('a batch over several shards is refused naming two of them', async t => {
  const { cluster, db } = await start(t, { shards: 2 })
  const operations = [0, 1].map(shard => ({ type: 'set' as const, key: keyIn(shard, 2), value: '' }))
  await t.throwsAsync(db.batch(operations), {
    instanceOf: VarveError,
    code: 'INVALID_ARGUMENT',
    message: /operation 1 falls into shard_0, operation 2 into shard_1/,
  })
  await t.throwsAsync(db.batch([]), { code: 'INVALID_ARGUMENT', message: /0 operations, 1 to 8192/ })
  t.is(cluster.frames.length, 0)
})

test('limits are checked before anything is sent, and the message names limit and size', async t => {
  const { cluster, db } = await start(t, {})
  const refusals: [call: Promise<unknown>, message: RegExp][] = [
    [db.set('', 'v'), /a key has 0 bytes, 1 to 4096/],
    [db.set('k'.repeat(4_097), 'v'), /a key has 4097 bytes, 1 to 4096/],
    [db.get('ü'.repeat(2_049)), /a key has 4098 bytes/],
    [db.set('k', 'v'.repeat(Limits.valueSizeBytesMax + 1)), /a value has 1048577 bytes, at most 1048576/],
    [
      db.batch(['a', 'b'].map(key => ({ type: 'set' as const, key, value: 'v'.repeat(600_000) }))),
      /a batch has 1200002 bytes of keys and values, at most 1048576/,
    ],
    [db.set('k', 'v', { ifIndex: 1, ifAbsent: true }), /both given/],
    [db.set('k', 'v', { ifIndex: -1 }), /ifIndex is -1/],
    [db.set('k', 'v', { timeoutMs: 0 }), /timeoutMs is 0/],
    [db.set('k', 'v', { actor: 'a'.repeat(257) }), /actor has 257 bytes, at most 256/],
    [db.set('k', 'v', { consistency: 'eventual' as 'weak' }), /consistency is "eventual"/],
    [db.set(7 as unknown as string, 'v'), /the key is number, expected a string/],
    [db.set('k', undefined as unknown as string), /the value is undefined, expected a string/],
    [db.get('k', { replica: 'somewhere' }), /the replica is "somewhere", expected host:port/],
  ]
  for (const [call, message] of refusals) await t.throwsAsync(call, { code: 'INVALID_ARGUMENT', message })
  t.is(cluster.frames.length, 0)
  await db.set('k'.repeat(4_096), 'v'.repeat(Limits.valueSizeBytesMax))
  t.is((await db.get('k'.repeat(4_096)))?.length, Limits.valueSizeBytesMax)
})

test('keys and values have the encodings that were asked for', async t => {
  const cluster = await FakeCluster.start()
  const json = await connect(cluster.addresses, { keyEncoding: 'json', valueEncoding: 'json' })
  const buffer = await connect(cluster.addresses, { keyEncoding: 'buffer', valueEncoding: 'buffer' })
  t.teardown(() => Promise.all([json.close(), buffer.close()]).then(() => cluster.stop()))
  await json.set(['user', 7], { name: 'ada' })
  t.deepEqual(await json.get(['user', 7]), { name: 'ada' })
  t.deepEqual(await buffer.get(Buffer.from('["user",7]')), Buffer.from('{"name":"ada"}'))
  await buffer.set(Buffer.from('"k"'), Buffer.of(0xff, 0x00))
  await t.throwsAsync(json.get('k'), { code: 'INVALID_ARGUMENT', message: /not JSON/ })
  await t.throwsAsync(json.set('k', 1, { returnPrevious: true }), { message: /not JSON/ })
  t.is(await json.get('k'), 1)
  await t.throwsAsync(connect(cluster.addresses, { keyEncoding: 'hex' as 'utf8' }), {
    message: /keyEncoding is "hex", expected one of: utf8, json, buffer/,
  })
})

test('bytes that the caller changes after the call do not change what is written or read', async t => {
  const cluster = await FakeCluster.start()
  const db = await connect(cluster.addresses, { keyEncoding: 'buffer', valueEncoding: 'buffer' })
  t.teardown(() => db.close().then(() => cluster.stop()))
  const key = Buffer.from('key')
  const value = Buffer.from('value')
  const writing = db.set(key, value)
  key.fill('x')
  value.fill('x')
  await writing
  const asked = Buffer.from('key')
  const reading = db.get(asked)
  asked.fill('x')
  t.deepEqual(await reading, Buffer.from('value'))
})

test('calls beyond the bound wait, in order, and none is lost', async t => {
  const { cluster, db } = await start(t, { shards: 2 }, { inFlightMax: 10 })
  const ids: number[] = []
  cluster.nodes[0]!.intercept = frame => {
    ids.push(frame.readUInt32LE(4))
    return false
  }
  const keys = Array.from({ length: 200 }, (_, k) => `key${k}`)
  await Promise.all(keys.map(key => db.set(key, key)))
  t.true(Math.max(...ids) <= 10)
  t.is(
    ids.reduce((sum, count) => sum + count, 0),
    200,
  )
  const first = cluster.shards[0]!.entries.map(entry => entry.key)
  t.deepEqual(
    first,
    keys.filter(key => shardOfKey(Buffer.from(key), 2) === 0),
  )
  t.deepEqual(await Promise.all(keys.map(key => db.get(key))), keys)
})

test('a write under another actor is recorded under that actor', async t => {
  const { cluster, db } = await start(t, {}, { actor: 'service' })
  await db.set('a', '1')
  t.like(await db.set('a', '2', { actor: 'ada' }), { index: 2, applied: true })
  await db.set('a', '3')
  t.deepEqual(
    cluster.shards[0]!.entries.map(entry => entry.actor),
    ['service', 'ada', 'service'],
  )
})

test('an abort rejects the call: a write that was not sent has failed, one that was is unknown', async t => {
  const { cluster, db } = await start(t, {}, { inFlightMax: 1 })
  cluster.nodes[0]!.intercept = () => true
  const first = new AbortController()
  const second = new AbortController()
  const sent = db.set('a', '1', { signal: first.signal })
  const waiting = db.set('b', '1', { signal: second.signal })
  const reading = db.get('c', { signal: second.signal })
  await until(() => cluster.frames.length === 1)
  second.abort()
  await t
    .throwsAsync(waiting, { code: 'CANCELLED' })
    .then(error => t.is((error as VarveError).outcome, 'failed'))
  await t.throwsAsync(reading, { code: 'CANCELLED' })
  first.abort()
  await t
    .throwsAsync(sent, { code: 'CANCELLED' })
    .then(error => t.is((error as VarveError).outcome, 'unknown'))
  await t.throwsAsync(db.set('d', '1', { signal: first.signal }), { code: 'CANCELLED' })
  cluster.nodes[0]!.intercept = undefined
  t.like(await db.set('e', '1'), { index: 1 })
})

test('room that an abort makes is taken by a call that waits', async t => {
  const { cluster, db } = await start(t, {}, { inFlightMax: 1 })
  cluster.nodes[0]!.intercept = frame => frame.includes('stuck')
  const controller = new AbortController()
  const stuck = db.set('stuck', '1', { signal: controller.signal })
  const waiting = db.set('next', '1')
  await until(() => cluster.frames.length === 1)
  controller.abort()
  await t.throwsAsync(stuck, { code: 'CANCELLED' })
  t.true((await waiting).applied)
})

test('close fails what is in flight and whatever comes later', async t => {
  const { cluster, db } = await start(t, {})
  await db.set('a', '1')
  cluster.nodes[0]!.intercept = () => true
  const frames = cluster.frames.length
  const calls = [db.set('a', '2'), db.get('a')]
  await until(() => cluster.frames.length === frames + 2)
  const unsent = db.set('a', '3')
  await db.close()
  const errors = (await Promise.allSettled([...calls, unsent])).map(
    one => (one as PromiseRejectedResult).reason as VarveError,
  )
  t.deepEqual(
    errors.map(error => [error.code, error.outcome]),
    [
      ['CLOSED', 'unknown'],
      ['CLOSED', undefined],
      ['CLOSED', 'failed'],
    ],
  )
  await t.throwsAsync(db.set('a', '4'), { code: 'CLOSED' })
  await t.throwsAsync(db.scan().next(), { code: 'CLOSED' })
  t.throws(() => db.watch(), { code: 'CLOSED' })
  await db.close()
})

test('after close nothing keeps the process alive', async t => {
  const { stdout } = await promisify(execFile)(process.execPath, [
    '--import=tsx',
    fileURLToPath(new URL('./close-main.ts', import.meta.url)),
  ])
  t.is(stdout, 'closed\n')
})

test('where no endpoint answers, connect says which were asked and what to do', async t => {
  const server = createServer().listen(0, '127.0.0.1')
  await until(() => server.listening)
  const { port } = server.address() as { port: number }
  await new Promise(resolve => server.close(resolve))
  const error = await t.throwsAsync(connect(`127.0.0.1:${port}`), {
    instanceOf: VarveError,
    code: 'UNAVAILABLE',
  })
  t.regex(
    error!.message,
    new RegExp(`no process of a cluster answers at 127.0.0.1:${port} .*varve up.*varve status`),
  )
  t.notRegex(error!.message, /\n/)
})

test('an endpoint that is no address is refused', async t => {
  for (const endpoint of ['', 'localhost', '127.0.0.1:', '127.0.0.1:70000', 'a:b:5000', 'http://x:1']) {
    await t.throwsAsync(
      connect(endpoint),
      { code: 'INVALID_ARGUMENT', message: /expected host:port/ },
      endpoint,
    )
  }
  await t.throwsAsync(connect([]), { code: 'INVALID_ARGUMENT' })
})

test('one endpoint that answers is enough', async t => {
  const cluster = await FakeCluster.start()
  const db = await connect(['127.0.0.1:1', ...cluster.addresses])
  t.teardown(() => db.close().then(() => cluster.stop()))
  t.true((await db.set('a', '1')).applied)
  t.is(db.shardMap().shards[0]!.head, cluster.addresses[0]!)
})
