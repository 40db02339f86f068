/** Restoring: what it writes, what it leaves alone, and how it is undone. */
import ava, { type TestFn } from 'ava'
import fc from 'fast-check'
import {
  type At,
  connect,
  type LocalCluster,
  type RestoreProgress,
  startLocalCluster,
  type VarveClient,
} from '../../src/index.js'

const test = ava as unknown as TestFn<{ cluster: LocalCluster; db: VarveClient }>

test.before(async t => {
  const cluster = await startLocalCluster({ shards: 3, replicas: 1 })
  t.context = { cluster, db: await connect(cluster.endpoints) }
})

test.after.always(async t => {
  await t.context.db?.close()
  await t.context.cluster?.close()
})

async function held(db: VarveClient, prefix: string, at?: At): Promise<Record<string, string>> {
  const found: Record<string, string> = {}
  for await (const { key, value } of db.scan({ prefix, at })) found[key] = value!
  return found
}

test('what keys held is written again: changed ones set, new ones deleted, deleted ones set', async t => {
  const { db } = t.context
  for (const name of ['same', 'changed', 'deleted']) await db.set(`one/${name}`, 'old')
  const to = await db.resolve()
  await db.set('one/changed', 'new')
  await db.delete('one/deleted')
  await db.set('one/added', 'new')
  await db.set('one/back', 'there and gone')
  await db.delete('one/back')
  const plan = db.restorePlan({ prefix: 'one/', to })
  const changes = []
  for await (const change of plan) changes.push(change)
  t.deepEqual(
    changes.map(({ key, operation, old, current }) => [key, operation, old?.value, current?.operation]),
    [
      ['one/added', 'delete', undefined, 'set'],
      ['one/changed', 'set', 'old', 'set'],
      ['one/deleted', 'set', 'old', 'delete'],
    ],
  )
  const counted = await db.restore({ prefix: 'one/', to, dryRun: true })
  t.like(counted, { changes: 3, written: 0, skipped: 0 })
  t.is((await held(db, 'one/'))['one/changed'], 'new')
  const watch = db.watch({ prefix: 'one/' })
  await watch.ready
  const { lamport } = await db.getEntry('one/changed')
  const progress: RestoreProgress<string, string>[] = []
  const result = await db.restore({
    prefix: 'one/',
    to,
    actor: 'ann',
    onProgress: each => progress.push(each),
  })
  t.like(result, { changes: 3, written: 3, skipped: 0 })
  t.is(progress.at(-1)?.written, 3)
  t.deepEqual(await held(db, 'one/'), { 'one/same': 'old', 'one/changed': 'old', 'one/deleted': 'old' })
  // Ordinary changes to those who watch, and later ones.
  const seen = []
  for await (const event of watch) if (seen.push(event) === 3) break
  t.true(seen.every(event => event.actor === 'ann' && event.lamport > lamport))
  t.like(await db.restore({ prefix: 'one/', to }), { changes: 0, written: 0 })
})

test('one key is restored by itself, and its neighbours are left alone', async t => {
  const { db } = t.context
  await db.set('two/a', '1')
  await db.set('two/ab', '1')
  const to = await db.resolve()
  await db.set('two/a', '2')
  await db.set('two/ab', '2')
  t.like(await db.restore({ key: 'two/a', to }), { changes: 1, written: 1 })
  t.like(await db.restore({ key: 'two/a', to }), { changes: 0, written: 0 })
  t.deepEqual(await held(db, 'two/'), { 'two/a': '1', 'two/ab': '2' })
  await db.delete('two/a')
  t.like(await db.restore({ key: 'two/a', to }), { changes: 1, written: 1 })
  await db.set('two/new', '')
  t.like(await db.restore({ key: 'two/new', to }), { changes: 1, written: 1 })
  t.deepEqual(await held(db, 'two/'), { 'two/a': '1', 'two/ab': '2' })
})

test('what was written after the plan is never overwritten', async t => {
  const { db } = t.context
  for (const name of ['set', 'deleted', 'added', 'same']) await db.set(`three/${name}`, 'old')
  const to = await db.resolve()
  await db.set('three/set', 'new')
  await db.set('three/deleted', 'new')
  await db.delete('three/added')
  await db.set('three/extra', 'new')
  await db.set('three/same', 'new')
  const plan = db.restorePlan({ prefix: 'three/', to })
  const { asOf } = await plan.moment()
  await db.set('three/set', 'newer')
  await db.delete('three/deleted')
  await db.set('three/added', 'newer')
  await db.set('three/extra', 'newer')
  const skipped: string[] = []
  const onProgress = ({ change, outcome }: RestoreProgress<string, string>) => {
    if (outcome === 'skipped') skipped.push(change.key)
  }
  t.like(await db.restore({ prefix: 'three/', to, asOf, onProgress }), { changes: 5, written: 1, skipped: 4 })
  t.deepEqual(skipped.sort(), ['three/added', 'three/deleted', 'three/extra', 'three/set'])
  t.deepEqual(await held(db, 'three/'), {
    'three/set': 'newer',
    'three/added': 'newer',
    'three/extra': 'newer',
    'three/same': 'old',
  })
})

test('any restore gives back the state of its moment, and another one to the moment before undoes it', async t => {
  const { db } = t.context
  let run = 0
  const write = fc.tuple(fc.nat({ max: 5 }), fc.option(fc.nat({ max: 3 }), { freq: 3 }))
  await fc.assert(
    fc.asyncProperty(fc.array(write, { minLength: 1, maxLength: 12 }), fc.nat(), async (writes, pick) => {
      const prefix = `four/${++run}/`
      const states: { at: At; state: Record<string, string> }[] = []
      for (const [name, value] of writes) {
        if (value === null) await db.delete(`${prefix}${name}`)
        else await db.set(`${prefix}${name}`, String(value))
        states.push({ at: await db.resolve(), state: await held(db, prefix) })
      }
      const { at, state } = states[pick % states.length]!
      const { asOf, skipped } = await db.restore({ prefix, to: at })
      t.is(skipped, 0)
      t.deepEqual(await held(db, prefix), state)
      await db.restore({ prefix, to: asOf })
      t.deepEqual(await held(db, prefix), states.at(-1)!.state)
      t.deepEqual(await held(db, prefix, at), state)
    }),
    { numRuns: 12 },
  )
})

test('values are restored byte for byte, whatever the encoding', async t => {
  const { cluster, db } = t.context
  const json = await connect(cluster.endpoints, { keyEncoding: 'json', valueEncoding: 'json' })
  t.teardown(() => json.close())
  // Not as JSON.stringify would write it.
  await db.set('"five"', '{ "a":1 }')
  const to = await json.resolve()
  await json.set('five', { a: 2 })
  for await (const { key, old, current } of json.restorePlan({ key: 'five', to }))
    t.deepEqual([key, old?.value, current?.value], ['five', { a: 1 }, { a: 2 }])
  t.like(await json.restore({ key: 'five', to }), { written: 1 })
  t.is(await db.get('"five"'), '{ "a":1 }')
})

test('a restore that makes no sense is refused before anything is written', async t => {
  const { db } = t.context
  const before = await db.resolve()
  await db.set('six/a', '')
  const after = await db.resolve()
  await t.throwsAsync(db.restore({ to: before }), {
    code: 'INVALID_ARGUMENT',
    message: /neither a key nor a prefix/,
  })
  await t.throwsAsync(db.restore({ key: 'a', prefix: 'a', to: before }), { code: 'INVALID_ARGUMENT' })
  await t.throwsAsync(db.restore({ prefix: '', to: Date.now() + 3_600_000 }), { code: 'OUT_OF_RANGE' })
  await t.throwsAsync(db.restore({ prefix: '', to: after, asOf: before }), {
    code: 'INVALID_ARGUMENT',
    message: /^`to` is later than `asOf`/,
  })
  t.throws(() => db.restorePlan({ to: before }), { code: 'INVALID_ARGUMENT' })
  const many = Array.from({ length: 1_500 }, (_, k) => db.set(`seven/${k}`, ''))
  await Promise.all(many)
  t.like(await db.restore({ prefix: 'seven/', to: after }), { changes: 1_500, written: 1_500 })
})
