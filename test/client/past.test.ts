/** Reads of the past against a model that keeps every version, on a cluster of several shards. */
import ava, { type TestFn } from 'ava'
import { type At, connect, type LocalCluster, startLocalCluster, type VarveClient } from '../../src/index.js'

interface Written {
  readonly shard: string
  readonly index: number
  readonly lamport: number
  readonly wallMs: number
  readonly key: string
  /** Undefined for a delete. */
  readonly value: string | undefined
}

interface Context {
  cluster: LocalCluster
  db: VarveClient
  log: Written[]
}

const test = ava as unknown as TestFn<Context>
const keys = Array.from({ length: 40 }, (_, k) => `${k % 3 === 0 ? 'a/' : 'b/'}${k}`).sort()

/** Numbers from 0 up, below `below`; the same in each run. */
function randomFrom(seed: number): (below: number) => number {
  let state = seed
  return below => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return Math.floor((state / 2 ** 32) * below)
  }
}

test.before(async t => {
  const cluster = await startLocalCluster({ shards: 3, replicas: 2 })
  const db = await connect(cluster.endpoints, { actor: 'writer' })
  const log: Written[] = []
  const random = randomFrom(7)
  for (let round = 0; round < 60; round++) {
    const chosen = Array.from({ length: 8 }, () => keys[random(keys.length)]!)
    const writes = [...new Set(chosen)].map(async (key, at) => {
      const value = random(4) === 0 ? undefined : `${key} ${round}.${random(2)}`
      const result = value === undefined ? await db.delete(key) : await db.set(key, value)
      log.push({ ...result, key, value })
      return at
    })
    await Promise.all(writes)
    if (round % 6 === 0) await writeBatch(db, log, round)
  }
  t.context = { cluster, db, log }
})

test.after.always(async t => {
  await t.context.db?.close()
  await t.context.cluster?.close()
})

async function writeBatch(db: VarveClient, log: Written[], round: number): Promise<void> {
  const values = ['x', 'y', 'z'].map(name => ({ key: `{batch}/${name}`, value: `${name} ${round}` }))
  const { results } = await db.batch(values.map(each => ({ type: 'set', ...each })))
  for (const [at, result] of results.entries()) log.push({ ...result, ...values[at]! })
}

/** What the model says that the keys held, with the entry that each had its value from. */
function stateAt(log: readonly Written[], isBefore: (entry: Written) => boolean): Map<string, Written> {
  const state = new Map<string, Written>()
  const batches = new Map<string, number>()
  for (const entry of log)
    if (isBatch(entry) && isBefore(entry)) count(batches, String(entry.value?.slice(2)))
  for (const entry of [...log].sort((a, b) => a.index - b.index)) {
    // A batch is seen whole or not at all.
    if (!isBefore(entry) || (isBatch(entry) && batches.get(String(entry.value?.slice(2))) !== 3)) continue
    if (entry.value === undefined) state.delete(entry.key)
    else state.set(entry.key, entry)
  }
  return new Map([...state].sort(([a], [b]) => Buffer.compare(Buffer.from(a), Buffer.from(b))))
}

function isBatch({ key }: Written): boolean {
  return key.startsWith('{batch}')
}

function count(counts: Map<string, number>, name: string): void {
  counts.set(name, (counts.get(name) ?? 0) + 1)
}

async function scanned(db: VarveClient, at: At, prefix?: string): Promise<Map<string, string>> {
  const found = new Map<string, string>()
  for await (const { key, value } of db.scan({ at, prefix })) found.set(key, value!)
  return found
}

const valuesOf = (state: Map<string, Written>) => new Map([...state].map(([key, { value }]) => [key, value!]))

/** Moments of each kind with what the model says of them. */
function* moments({ log }: Context): Generator<{ at: At; isBefore: (entry: Written) => boolean }> {
  const random = randomFrom(11)
  const newest = Math.max(...log.map(({ wallMs }) => wallMs))
  for (let n = 0; n < 24; n++) {
    const { shard, index, lamport, wallMs } = log[random(log.length)]!
    if (n % 4 === 0) yield { at: { lamport }, isBefore: entry => entry.lamport <= lamport }
    if (n % 4 === 1) yield { at: `index:${shard}/${index}`, isBefore: entry => entry.lamport <= lamport }
    // What has the newest wall time may still get company.
    if (n % 4 === 2 && wallMs < newest) yield { at: wallMs, isBefore: entry => entry.wallMs <= wallMs }
    if (n % 4 === 3 && wallMs < newest)
      yield { at: new Date(wallMs).toISOString(), isBefore: entry => entry.wallMs <= wallMs }
  }
}

test('a scan and gets at any moment are what a model of all versions says, and say so again', async t => {
  const { db, log } = t.context
  for (const { at, isBefore } of moments(t.context)) {
    const state = stateAt(log, isBefore)
    const resolved = await db.resolve(at)
    const label = JSON.stringify(at)
    t.deepEqual([...(await scanned(db, at))], [...valuesOf(state)], label)
    t.deepEqual([...(await scanned(db, resolved))], [...valuesOf(state)], label)
    t.deepEqual(await db.resolve(at), resolved, label)
    for (const key of keys.slice(0, 8)) {
      const read = await db.getEntry(key, { at })
      const held = state.get(key)
      t.is(read.value, held?.value, `${label} ${key}`)
      if (held !== undefined) t.like(read, { index: held.index, lamport: held.lamport, wallMs: held.wallMs })
      t.deepEqual(read.cut, resolved.cuts[read.shard], `${label} ${key}`)
    }
  }
})

test('a scan at a moment takes the options of any scan', async t => {
  const { db, log } = t.context
  const { lamport } = log[Math.floor(log.length / 2)]!
  const held = [...stateAt(log, entry => entry.lamport <= lamport).keys()]
  const options = { at: { lamport }, prefix: 'b/' }
  const expected = held.filter(key => key.startsWith('b/'))
  const found: string[] = []
  for await (const { key, value } of db.scan({ ...options, reverse: true, limit: 7, keysOnly: true })) {
    found.push(key)
    t.is(value, undefined)
  }
  t.deepEqual(found, expected.toReversed().slice(0, 7))
})

test('a history has every entry of a key, newest first, with who wrote it', async t => {
  const { db, log } = t.context
  for (const key of keys.slice(0, 10)) {
    const written = log.filter(entry => entry.key === key).sort((a, b) => b.index - a.index)
    const entries = []
    for await (const entry of db.history(key)) entries.push(entry)
    t.deepEqual(
      entries.map(({ index, value, operation, lamport, wallMs }) => [
        index,
        value,
        operation,
        lamport,
        wallMs,
      ]),
      written.map(({ index, value, lamport, wallMs }) => {
        return [index, value, value === undefined ? 'delete' : 'set', lamport, wallMs]
      }),
    )
    t.deepEqual(
      entries.map(({ previous }) => previous),
      [...written.slice(1).map(({ index }) => index), 0],
    )
    t.true(
      entries.every(
        ({ actor, committed, clientId, record }) =>
          actor === 'writer' && committed && clientId.length === 32 && record > 0,
      ),
    )
    const middle = written[Math.floor(written.length / 2)]!
    const older = db.history(key, { at: { shard: middle.shard, index: middle.index }, limit: 2 })
    const taken = []
    for await (const { index } of older) taken.push(index)
    const from = written.indexOf(middle)
    t.deepEqual(
      taken,
      written.slice(from, from + 2).map(({ index }) => index),
    )
    t.is((await older.moment()).cuts[middle.shard]!.index, middle.index)
  }
  for await (const _ of db.history('never written')) t.fail()
})

test('a diff of two moments is what differs between the two states of the model', async t => {
  const { db, log } = t.context
  const random = randomFrom(13)
  for (let n = 0; n < 8; n++) {
    const [from, to] = [log[random(log.length)]!.lamport, log[random(log.length)]!.lamport].sort(
      (a, b) => a - b,
    )
    const [before, after] = [from!, to!].map(lamport => stateAt(log, entry => entry.lamport <= lamport))
    const expected: string[] = []
    for (const key of [...keys, '{batch}/x', '{batch}/y', '{batch}/z'].sort()) {
      const [old, current] = [before!.get(key), after!.get(key)]
      if (old?.value === current?.value) continue
      const change = old === undefined ? 'added' : current === undefined ? 'removed' : 'changed'
      expected.push(`${key} ${change} ${old?.index} ${current?.index}`)
    }
    const found: string[] = []
    const diff = db.diff({ from: { lamport: from! }, to: { lamport: to! } })
    for await (const { key, change, before, after } of diff) {
      t.is(after?.operation, change === 'removed' ? 'delete' : 'set')
      found.push(`${key} ${change} ${before?.index} ${change === 'removed' ? undefined : after?.index}`)
    }
    t.deepEqual(found, expected)
    t.deepEqual((await diff.moment()).from, await db.resolve({ lamport: from! }))
  }
  const newest = await db.resolve()
  await t.throwsAsync(db.diff({ from: newest, to: { lamport: log[9]!.lamport } }).next(), {
    code: 'INVALID_ARGUMENT',
    message: /^`from` is later than `to`/,
  })
})

test('a diff from the start is all there is', async t => {
  const { db, log } = t.context
  const state = stateAt(log, () => true)
  const added: string[] = []
  for await (const { key, change } of db.diff({ from: 'start', prefix: 'a/' })) {
    added.push(key)
    t.is(change, 'added')
  }
  t.deepEqual(
    added,
    [...state.keys()].filter(key => key.startsWith('a/')),
  )
  t.is((await scanned(db, 'start')).size, 0)
  t.like(await db.getEntry(keys[0]!, { at: 'start' }), { found: false, index: 0 })
})

test('a blame names the entry that each current value came from', async t => {
  const { db, log } = t.context
  for (const { at, isBefore } of [...moments(t.context)].slice(0, 6)) {
    const state = stateAt(log, isBefore)
    const found: string[] = []
    for await (const { key, shard, index, actor } of db.blame({ at }))
      found.push(`${key} ${shard} ${index} ${actor}`)
    t.deepEqual(
      found,
      [...state].map(([key, { shard, index }]) => `${key} ${shard} ${index} writer`),
    )
  }
})

test('moments that cannot be answered are refused, saying why', async t => {
  const { db } = t.context
  const refused: [At, string, RegExp][] = [
    [Date.now() + 3_600_000, 'OUT_OF_RANGE', /newest time/],
    ['lamport:999999999', 'OUT_OF_RANGE', /newest time/],
    ['2001-01-01', 'OUT_OF_RANGE', /before the first entry/],
    ['index:shard_9/1', 'UNKNOWN_SHARD', /shard_0, shard_1, shard_2/],
    ['index:7', 'INVALID_ARGUMENT', /index:shard_0\/7/],
    ['5 minutes', 'INVALID_ARGUMENT', /5m ago/],
    ['yesterday', 'FAILED_PRECONDITION', /no tag yesterday.*5m ago/],
    [Number.NaN, 'INVALID_ARGUMENT', /epoch ms/],
    [new Date('nonsense'), 'INVALID_ARGUMENT', /epoch ms/],
    [{ lamport: -1 }, 'INVALID_ARGUMENT', /Lamport/],
    [{} as At, 'INVALID_ARGUMENT', /expected an address/],
  ]
  for (const [at, code, message] of refused) {
    await t.throwsAsync(db.resolve(at), { code, message }, JSON.stringify(at))
    await t.throwsAsync(db.get(keys[0]!, { at }), { code, message }, JSON.stringify(at))
    await t.throwsAsync(scanned(db, at), { code, message }, JSON.stringify(at))
  }
})

test('one replica that is named answers for a moment by itself', async t => {
  const { db, cluster, log } = t.context
  const { shard, index, key, value } = log.find(each => each.value !== undefined)!
  for (const replica of cluster.endpoints) {
    const read = await db.getEntry(key, { at: { shard, index }, replica })
    t.like(read, { value, index, node: replica })
  }
})

test('a tag names a moment for all clients, and a taken name is not given again', async t => {
  const { db, cluster, log } = t.context
  const { lamport } = log[100]!
  const tag = await db.tag('release-1', { lamport })
  t.like(tag, { name: 'release-1', moment: { lamport }, actor: 'writer' })
  t.like(await db.tag('release-1', { lamport }), { moment: { lamport } })
  await t.throwsAsync(db.tag('release-1', 'now'), { code: 'FAILED_PRECONDITION' })
  await t.throwsAsync(db.tag('no spaces'), { code: 'INVALID_ARGUMENT' })
  const other = await connect(cluster.endpoints.at(-1)!)
  t.teardown(() => other.close())
  t.deepEqual(
    (await other.tags()).map(({ name }) => name),
    ['release-1'],
  )
  for (const at of ['release-1', 'tag:release-1', { tag: 'release-1' }])
    t.deepEqual((await other.resolve(at)).cuts, (await db.resolve({ lamport })).cuts)
  t.true(await other.untag('release-1'))
  t.false(await other.untag('release-1'))
  t.deepEqual(await db.tags(), [])
  // Names of moments are entries of the logs, and nobody sees them among the keys.
  t.false([...(await scanned(db, 'now')).keys()].some(key => key.startsWith('\0')))
})

test('rules of retention are replaced together', async t => {
  const { db } = t.context
  t.deepEqual(await db.retention(), [])
  const rules = [
    { prefix: Buffer.from('logs/'), ageMs: 86_400_000, entries: 1_000 },
    { prefix: Buffer.alloc(0), ageMs: 7_000_000_000 },
  ]
  const bytesOf = (given: readonly { prefix?: unknown }[]) =>
    JSON.stringify(
      [...given]
        .map(rule => ({ ...rule, prefix: String(rule.prefix) }))
        .sort((a, b) => (a.prefix < b.prefix ? -1 : 1)),
    )
  t.is(bytesOf(await db.setRetention(rules)), bytesOf(rules))
  t.is(bytesOf(await db.retention()), bytesOf(rules))
  await t.throwsAsync(db.setRetention([{ ageMs: -1 }]), { code: 'INVALID_ARGUMENT', message: /ageMs is -1/ })
  t.deepEqual(await db.setRetention([]), [])
})

test('an effect is never seen without its cause in another shard, at any moment', async t => {
  const { cluster } = t.context
  const [left, right] = await Promise.all([connect(cluster.endpoints), connect(cluster.endpoints)])
  t.teardown(() => Promise.all([left.close(), right.close()]))
  const stamps: { lamport: number; wallMs: number }[] = []
  for (let n = 1; n <= 40; n++) {
    stamps.push(await left.set('cause{1}', String(n)))
    right.observe(left.token())
    stamps.push(await right.set('effect{2}', String(n)))
    left.observe(right.token())
  }
  await left.set('cause{1}', '41')
  await left.resolve('now')
  const newest = Math.max(...stamps.map(({ wallMs }) => wallMs))
  for (const [at, { lamport, wallMs }] of stamps.entries()) {
    for (const moment of [{ lamport }, ...(wallMs < newest ? [{ wallMs }] : [])]) {
      const seen = await scanned(right, moment)
      const [cause, effect] = [Number(seen.get('cause{1}') ?? 0), Number(seen.get('effect{2}') ?? 0)]
      t.true(cause === effect || cause === effect + 1, `${at}: ${cause} ${effect}`)
    }
  }
})
