/** What retention dropped, as a client meets it on a running cluster; and one process asked for the past by itself. */
import test from 'ava'
import { Inspector } from '../../src/client/inspector.js'
import { type At, connect, type Horizon, startLocalCluster } from '../../src/index.js'
import { LogRecord } from '../../src/log/record-codec.js'

test('below the horizon every read says so, and a watch that asks for it begins with the snapshot', async t => {
  await using cluster = await startLocalCluster()
  await using db = await connect(cluster.endpoints)
  const first = await db.set('key00', 'first')
  await db.tag('kept')
  const keys = Array.from({ length: 20 }, (_, k) => `key${String(k).padStart(2, '0')}`)
  for (let round = 0; round < 20; round++) await Promise.all(keys.map(key => db.set(key, String(round))))
  t.true(await db.untag('kept'))
  await db.setRetention([{ entries: 50 }])
  const end = performance.now() + 60_000
  let horizon: Horizon | undefined
  while (horizon === undefined && performance.now() < end) {
    await db.set('later', '')
    horizon = (await db.resolve()).cuts.shard_0!.horizon
  }
  t.true(horizon!.index > first.index && horizon!.droppedMs >= horizon!.wallMs)
  const message = /^history of shard_0 before .*Z \(index \d+\) was dropped by retention on .*Z$/
  for (const at of [
    first.wallMs,
    { lamport: first.lamport },
    { shard: 'shard_0', index: first.index },
    'start',
  ] as At[]) {
    const calls = [
      () => db.resolve(at),
      () => db.get('key00', { at }),
      () => db.scan({ at }).next(),
      () => db.history('key00', { at }).next(),
      () => db.diff({ from: at }).next(),
      () => db.blame({ at }).next(),
      () => db.restore({ prefix: '', to: at }),
      () => db.watch({ from: at }).next(),
    ]
    for (const call of calls)
      await t.throwsAsync<Error>(call as () => Promise<unknown>, { code: 'OUT_OF_RETENTION', message })
  }
  const watch = db.watch({ prefix: 'key', from: { lamport: first.lamport }, snapshot: true })
  await db.set('key99', 'the last')
  const events = []
  for await (const event of watch) if (events.push(event) && event.key === 'key99') break
  const state = new Map(events.map(({ key, value }) => [key, value]))
  const snapshot = events.filter(event => event.snapshot).map(({ key }) => key)
  t.deepEqual(snapshot, keys)
  t.is(state.get('key00'), '19')
})

test('one process is asked for its own records, history, differences and moments', async t => {
  await using cluster = await startLocalCluster({ replicas: 2 })
  await using db = await connect(cluster.endpoints, { actor: 'ann' })
  const { index } = await db.set('a', '1')
  await db.set('b', '1')
  const last = await db.set('a', '2')
  const to = last.index
  using inspector = new Inspector()
  const [address] = cluster.endpoints as [string]
  const moment = { moment: { $case: 'lamport', value: last.lamport } } as const
  const { cuts } = await inspector.resolve(address, { moment, shards: [], hops: 0, stamp: undefined })
  t.like(cuts[0], { shard: 'shard_0', index: to })
  const shard = 'shard_0'
  const request = { shard, key: Buffer.from('a'), toIndex: 0, fromIndex: 0, limit: 0, tentative: false }
  const values: string[] = []
  for await (const { entries } of inspector.history(address, request))
    values.push(...entries.map(({ value }) => String(value)))
  t.deepEqual(values, ['2', '1'])
  const range = { shard, start: Buffer.alloc(0), end: Buffer.alloc(0) }
  for await (const { differences } of inspector.diff(address, { ...range, fromIndex: index, toIndex: to }))
    t.deepEqual(
      differences.map(({ key }) => String(key)),
      ['a', 'b'],
    )
  for await (const { entries } of inspector.blame(address, { ...range, index }))
    t.deepEqual(
      entries.map(({ key, actor }) => `${key} ${actor}`),
      ['a ann'],
    )
  let through = 0
  for await (const { records } of inspector.readRecords(address, { shard, fromIndex: 0, toIndex: 0 })) {
    for (const bytes of records) through = LogRecord.decode(bytes).lastIndex
  }
  t.true(through >= to)
  for await (const { baseIndex, chunk } of inspector.readBase(address, { shard }))
    t.deepEqual([baseIndex, chunk.length], [0, 0])
})
