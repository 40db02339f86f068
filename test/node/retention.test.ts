import test, { type ExecutionContext } from 'ava'
import { connect, type VarveClient } from '../../src/client/client.js'
import { Inspector } from '../../src/client/inspector.js'
import { nullLogger } from '../../src/log/logger.js'
import { systemKey } from '../../src/log/system-key.js'
import { startLocalCluster } from '../../src/node/local-cluster.js'
import { RetentionKeeper } from '../../src/node/retention-keeper.js'
import { encodeRetention } from '../../src/projection/retention.js'
import { encodeTag } from '../../src/projection/tags.js'
import { temporaryFolder } from '../log/record-chain.js'
import { set, TestHead } from '../projection/fixtures.js'

const ORDINAL = 0
const SHARDS = 1
const RULE = systemKey('retention', '', ORDINAL, SHARDS).toString()

/** A head and a keeper of it, whose followers have the log up to `trimmable`. */
function subject(trimmable = Number.POSITIVE_INFINITY) {
  const head = new TestHead()
  const followers = { trimmable }
  const keeper = new RetentionKeeper({ blobs: head.store.blobs, logger: nullLogger, now: () => 1_000_000 })
  const { log, projection } = head
  const trimmableIndex = () => followers.trimmable
  keeper.add({ ordinal: ORDINAL, shardCount: SHARDS, log, projection, trimmableIndex })
  const write = async (count: number, keys = 5) => {
    for (let i = 0; i < count; i++) head.append([set(`key/${i % keys}`, String(i))])
    await head.store.flush()
    head.commit()
  }
  const put = async (key: string, value: Buffer) => {
    head.append([set(key, value.toString())])
    await head.store.flush()
    head.commit()
  }
  return { head, log, followers, keeper, write, put }
}

const keep = (entries: number) => encodeRetention([{ prefix: Buffer.alloc(0), ageMs: 0, entries }])

test('nothing is dropped without rules, nor where there are too few entries to be worth a base', async t => {
  const { log, keeper, write, put } = subject()
  await write(40)
  await keeper.look()
  t.is(log.baseIndex, 0)
  await put(RULE, keep(38))
  await keeper.look()
  t.is(log.baseIndex, 0)
  await write(10)
  await keeper.look()
  t.is(log.baseIndex, 51 - 38)
  t.is(log.base!.writtenMs, 1_000_000)
})

test('rules that cannot be read drop nothing', async t => {
  const { log, keeper, write, put } = subject()
  await write(40)
  await put(RULE, Buffer.from('{"rules":[{"prefix":"","ageMs":0}]}'))
  await keeper.look()
  t.is(log.baseIndex, 0)
})

test('what those who follow still need stays, and so does what a tag names', async t => {
  const { head, log, followers, keeper, write, put } = subject(0)
  await write(40)
  await put(RULE, keep(1))
  await keeper.look()
  t.is(log.baseIndex, 0)
  const lamport = 20
  await put(
    `${systemKey('tag', 'before', ORDINAL, SHARDS)}`,
    encodeTag({ moment: { kind: 'lamport', lamport }, actor: 'me' }),
  )
  followers.trimmable = 30
  await keeper.look()
  t.is(log.baseIndex, 20)
  t.is(head.log.recordAt(21)!.firstIndex, 21)
})

test('a snapshot that is being read holds the horizon', async t => {
  const { head, log, keeper, write, put } = subject()
  await write(40)
  await put(RULE, keep(1))
  const release = head.projection.horizons.hold()
  await keeper.look()
  t.is(log.baseIndex, 0)
  release()
  release()
  await keeper.look()
  t.is(log.baseIndex, 40)
})

async function until(t: ExecutionContext, what: string, isSo: () => Promise<boolean>): Promise<void> {
  const endsAt = performance.now() + 20_000
  while (!(await isSo())) {
    if (performance.now() > endsAt) return t.fail(`waited for too long: ${what}`)
    await new Promise(resolve => setTimeout(resolve, 20))
  }
}

/** The lowest index that each replica's log begins with. */
async function lowestHorizon(endpoints: readonly string[]): Promise<number> {
  const inspector = new Inspector()
  try {
    const nodes = await Promise.all(endpoints.map(address => inspector.nodeStatus(address)))
    return Math.min(...nodes.map(({ replicas }) => replicas[0]?.baseIndex ?? 0))
  } finally {
    inspector.close()
  }
}

test.serial('a cluster drops what is too old, says so, and gives watchers a snapshot', async t => {
  await using cluster = await startLocalCluster({ replicas: 2 })
  await using db = await connect(cluster.endpoints)
  const kept = await db.set('keep/1', 'first')
  for (let i = 0; i < 60; i++) await db.set(`key/${i % 6}`, String(i))
  await db.delete('key/0')
  await db.set('keep/1', 'second')
  const tmp = await db.set('tmp/1', 'x')
  await db.set('tmp/1', 'y')
  const rules = [{ prefix: '', entries: 20 }, { prefix: 'tmp/', entries: 1 }, { prefix: 'keep/' }]
  await db.setRetention(rules)
  t.is((await db.retention()).length, 3)
  // Each replica drops by itself.
  await until(t, 'a horizon', async () => (await lowestHorizon(cluster.endpoints)) > kept.index + 5)
  t.true(((await db.resolve()).cuts.shard_0?.horizon?.index ?? 0) > 0)
  const old = { shard: 'shard_0', index: 5 }
  const text = /^history of shard_0 before .* \(index \d+\) was dropped by retention on 2/
  t.regex((await t.throwsAsync(db.get('key/1', { at: old })))!.message, text)
  // Its own rule keeps the past of this prefix, which the log does not have any more.
  for (const at of [{ shard: 'shard_0', index: kept.index }, { lamport: kept.lamport }]) {
    t.is(await db.get('keep/1', { at }), 'first')
    const found: unknown[] = []
    for await (const { key, value } of db.scan({ prefix: 'keep/', at })) found.push(key, value)
    t.deepEqual(found, ['keep/1', 'first'])
  }
  const versions: unknown[] = []
  for await (const { value } of db.history('keep/1')) versions.push(value)
  t.deepEqual(versions, ['second', 'first'])
  // Its own rule hides the past of this prefix, although the log still has it.
  t.true(tmp.index > (await lowestHorizon(cluster.endpoints)))
  const hidden = await t.throwsAsync(db.get('tmp/1', { at: { shard: 'shard_0', index: tmp.index } }))
  t.regex(
    hidden!.message,
    /^history of shard_0 of keys that begin with "tmp\/" before .* was dropped by retention on 2/,
  )
  t.is(await db.get('tmp/1'), 'y')
  await watches(t, db)
})

/** The whole state comes by a snapshot and what follows it, and nothing is there twice. */
async function watches(t: ExecutionContext, db: VarveClient): Promise<void> {
  const from = { shard_0: 1 }
  const refused = db.watch({ from, prefix: 'key/' })
  t.like(await t.throwsAsync(refused.next()), { code: 'OUT_OF_RETENTION' })
  const state = new Map<string, unknown>()
  let snapshots = 0
  let horizon = 0
  let last = 0
  await db.set('key/last', 'done')
  for await (const event of db.watch({ from, prefix: 'key/', snapshot: true })) {
    if (event.snapshot) {
      t.true(snapshots === 0 || event.snapshotIndex === horizon)
      horizon = event.snapshotIndex
      t.true(event.index <= horizon)
      snapshots += 1
    } else {
      t.true(event.index > horizon && event.index > last)
      last = event.index
    }
    if (event.type === 'set') state.set(event.key as string, event.value)
    else state.delete(event.key as string)
    if (event.key === 'key/last') break
  }
  t.true(snapshots >= 5)
  const expected: [string, unknown][] = []
  for await (const { key, value } of db.scan({ prefix: 'key/' })) expected.push([key as string, value])
  t.deepEqual([...state].sort(), expected)
}

test.serial('a cluster that starts again has the horizon and the rules that it had', async t => {
  const dataDir = await temporaryFolder(t)
  const old = { shard: 'shard_0', index: 2 }
  let text = ''
  {
    await using cluster = await startLocalCluster({ dataDir })
    await using db = await connect(cluster.endpoints)
    for (let i = 0; i < 40; i++) await db.set(`key/${i % 4}`, String(i))
    await db.setRetention([{ entries: 5 }, { prefix: 'key/3', entries: 1 }])
    await until(t, 'a horizon', async () => (await lowestHorizon(cluster.endpoints)) > 5)
    text = (await t.throwsAsync(db.get('key/1', { at: old })))!.message
    t.regex(text, /was dropped by retention on 2/)
  }
  await using cluster = await startLocalCluster({ dataDir })
  await using db = await connect(cluster.endpoints)
  t.is((await t.throwsAsync(db.get('key/1', { at: old })))!.message, text)
  t.is((await db.retention()).length, 2)
  t.is(await db.get('key/1'), '37')
  t.is(await db.get('key/3'), '39')
})
