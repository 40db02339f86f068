/** Restoring, tags, watching from a moment, and what is said of a time that cannot be answered. */
import test, { type ExecutionContext } from 'ava'
import { connect, type VarveClient } from '../../src/index.js'
import { type LocalCluster, startLocalCluster } from '../../src/node/local-cluster.js'
import type { CommandResult } from './varve-command.js'
import { varveInProcess } from './varve-in-process.js'

interface Place {
  readonly cluster: LocalCluster
  readonly db: VarveClient
  run(...args: string[]): Promise<CommandResult>
}

let place: Place

test.before(async () => {
  const cluster = await startLocalCluster({ shards: 2, replicas: 1 })
  const db = await connect(cluster.endpoints, { actor: 'ada' })
  const run = (...args: string[]) => varveInProcess([...args, '--endpoints', cluster.endpoints[0]!])
  place = { cluster, db, run }
})

test.after.always(async () => {
  await place?.db.close()
  await place?.cluster.close()
})

/** What all keys with a prefix hold. */
async function held(prefix: string): Promise<Record<string, string>> {
  const found: Record<string, string> = {}
  for await (const { key, value } of place.db.scan({ prefix, consistency: 'strong' })) found[key] = value!
  return found
}

/** The moment of now, as an address. */
async function now(): Promise<string> {
  const { moment } = await place.db.resolve()
  return 'lamport' in moment ? `lamport:${moment.lamport}` : String(moment.wallMs)
}

async function lines(t: ExecutionContext, ...args: string[]): Promise<Record<string, unknown>[]> {
  const { exitCode, stdout, stderr } = await place.run(...args, '-o', 'ndjson')
  t.is(exitCode, 0, stderr)
  return stdout
    .trim()
    .split('\n')
    .map(line => JSON.parse(line))
}

test.serial('restore shows what it would write, writes it with --yes, and undoes itself', async t => {
  const { db, run } = place
  await db.set('shop/a', '1')
  await db.set('shop/b', '2')
  await db.delete('shop/b')
  const then = await now()
  const before = await held('shop/')
  await db.set('shop/a', 'one')
  await db.set('shop/b', 'two')
  await db.set('shop/c', 'three')
  const after = await held('shop/')

  const plan = await lines(t, 'restore', 'shop/', '--prefix', '--to', then)
  t.like(plan[0], { op: 'restore', dryRun: true })
  t.deepEqual(
    plan.slice(1).map(({ operation, key, value }) => [operation, key, value]),
    [
      ['set', 'shop/a', '1'],
      ['delete', 'shop/b', undefined],
      ['delete', 'shop/c', undefined],
    ],
  )
  const table = await run('restore', 'shop/', '--prefix', '--to', then)
  t.regex(table.stdout, /^~ {2}shop\/a {2}one +1 +ada/m)
  t.regex(table.stderr, /3 keys would be written; nothing was: --yes does it\n$/)
  t.deepEqual(await held('shop/'), after)

  const done = await run('restore', 'shop/', '--prefix', '--to', then, '--yes', '--actor', 'undo')
  t.is(done.stdout, '3 keys written\n')
  t.deepEqual(await held('shop/'), before)
  const undo = /^to undo it: varve (restore .*)$/m.exec(done.stderr)![1]!.split(' ')
  const undone = JSON.parse((await run(...undo, '--yes', '-o', 'json')).stdout)
  t.like(undone, { changes: 3, written: 3, skipped: 0 })
  t.deepEqual(await held('shop/'), after)
  await run(...undone.undo.split(' ').slice(1), '--yes')
  t.deepEqual(await held('shop/'), before)

  const blamed = await lines(t, 'history', 'shop/a', '--limit', '4')
  t.deepEqual(
    blamed.slice(1).map(({ value, actor }) => [value, actor]),
    [
      ['1', undefined],
      ['one', undefined],
      ['1', 'undo'],
      ['one', 'ada'],
    ],
  )
  t.is(
    (await run('restore', 'shop/a', '--to', then)).stderr.split('\n').at(-2),
    'nothing to restore: it is as it was',
  )
})

test.serial('a restore never overwrites what somebody wrote after it was planned', async t => {
  const { db, run } = place
  const keys = Array.from({ length: 40 }, (_, at) => `race/${at}`)
  await Promise.all(keys.map(key => db.set(key, 'old')))
  const then = await now()
  await Promise.all(keys.map(key => db.set(key, 'new')))
  let isDone = false
  const writer = (async () => {
    for (let at = 0; !isDone; at = (at + 7) % keys.length) await db.set(keys[at]!, 'newer')
  })()
  const { stdout, exitCode } = await run(
    'restore',
    'race/',
    '--prefix',
    '--to',
    then,
    '--yes',
    '--actor',
    'undo',
    '-o',
    'json',
  )
  isDone = true
  await writer
  const { written, skipped, changes, asOf, skippedKeys } = JSON.parse(stdout)
  t.is(written + skipped, changes)
  t.is(exitCode, skipped > 0 ? 1 : 0)
  t.is(skippedKeys.length >= skipped, true)
  let restored = 0
  for (const key of keys) {
    const [newest, ...older] = await db
      .history(key)
      .next()
      .then(async first => [first.value!])
    t.is(older.length, 0)
    for await (const entry of db.history(key)) {
      if (entry.actor !== 'undo') continue
      restored += 1
      t.true(entry.previous <= asOf.cuts[entry.shard].index, `${key} was overwritten`)
    }
    t.true(newest!.value === 'old' || newest!.value === 'newer')
  }
  t.is(restored, written)
})

test.serial('a tag is a time wherever one is asked for, until it is removed', async t => {
  const { db, run } = place
  await db.set('tagged', 'before')
  t.is((await run('tag', 'add', 'before-deploy', '--actor', 'lin')).exitCode, 0)
  await db.set('tagged', 'after')
  t.is((await run('get', 'tagged', '--at', 'before-deploy')).stdout, 'before\n')
  t.is((await run('get', 'tagged', '--at', 'tag:before-deploy')).stdout, 'before\n')
  const taken = await run('tag', 'add', 'before-deploy')
  t.is(taken.exitCode, 1)
  t.regex(taken.stderr, /before-deploy/)
  const [tag] = await lines(t, 'tag', 'list')
  t.like(tag, { name: 'before-deploy', actor: 'lin' })
  t.regex(
    (await run('tag', 'list')).stdout,
    /^tag +moment +tagged +by\nbefore-deploy +lamport:\d+ +2\S+Z +lin\n$/,
  )
  t.is((await run('tag', 'remove', 'before-deploy')).exitCode, 0)
  t.like(await run('tag', 'remove', 'before-deploy'), {
    exitCode: 1,
    stderr: 'varve: no tag is called before-deploy\n',
  })
  t.is((await run('get', 'tagged', '--at', 'before-deploy')).exitCode, 2)
})

test.serial('watch begins after any moment, and at an entry', async t => {
  const { db, run } = place
  const first = await db.set('seen/a', '1')
  const then = await now()
  await db.set('seen/b', '2')
  await db.set('seen/a', '3')
  const values = async (...args: string[]) =>
    (await lines(t, 'watch', 'seen/', ...args)).map(({ value }) => value).sort()
  t.deepEqual(await values('--from', then, '--limit', '2'), ['2', '3'])
  t.deepEqual(await values('--from', 'start', '--limit', '3'), ['1', '2', '3'])
  t.deepEqual(await values('--from', `index:${first.shard}/${first.index}`, '--limit', '3'), ['1', '2', '3'])
  t.regex(
    (await run('watch', 'seen/', '--from', then, '--limit', '1')).stderr,
    /^after lamport:\d+ .*shard_0 #\d+, shard_1 #\d+\n/,
  )
})

test.serial(
  'what is printed for people says on stderr what moment it is of, and nothing else is in the way',
  async t => {
    const { db, run } = place
    await db.set('plain', 'value')
    const { stdout, stderr } = await run('get', 'plain', '--at', 'now')
    t.is(stdout, 'value\n')
    t.regex(stderr, /^at lamport:\d+ \(2\S+Z\): shard_[01] #\d+\n$/)
    t.is((await run('get', 'plain', '--at', 'now', '--raw')).stdout, 'value')
    t.like(await run('get', 'no such key', '--at', 'now'), { exitCode: 1, stdout: '' })
    t.like(await run('history', 'no such key'), { exitCode: 1, stdout: '' })
    const stat = await run('diff', '--from', 'start', 'plain', '--stat')
    t.regex(stat.stdout, /^shard +added +changed +removed\n(shard_\d .*\n){2}all +1 +0 +0\n$/)
  },
)

const unanswerable: [args: string[], message: RegExp, exitCode?: number][] = [
  [
    ['get', 'a', '--at', '2999-01-01'],
    /^varve: --at: 2999-01-01T00:00:00\.000Z is still to come: the newest time of shard_\d is 2/,
  ],
  [
    ['scan', '--at', 'lamport:999999999'],
    /^varve: --at: lamport:999999999 is still to come: the newest time/,
  ],
  [['blame', '--at', 'index:shard_0/99999999'], /^varve: --at: index:shard_0\/99999999 is still to come/],
  [
    ['history', 'a', '--at', '2001-01-01T00:00:00Z'],
    /^varve: --at: 2001-\S+ is before the first entry, which is of 2/,
  ],
  [
    ['diff', '--from', 'nothing like it'],
    /^varve: --from: "nothing like it" given, allowed is start, now, .*"5m ago"/,
  ],
  [['diff', '--from', 'now', '--to', 'start'], /^varve: --from now and --to start given, the first is later/],
  [['diff'], /required option '--from <time>' not specified/],
  [['scan', '--at', 'no-such-tag'], /^varve: --at: there is no tag no-such-tag: `varve tag list` lists them/],
  [['get', 'a', '--at', 'index:shard_9/1'], /^varve: --at: .*shard_9.*shard_0, shard_1/],
  [['get', 'a', '--at', '17'], /^varve: --at: an index counts in one shard/],
  [
    ['watch', '--from', '17'],
    /^varve: --from: "17" given, expected an index of a shard, index:SHARD\/N, of shard_0, shard_1/,
  ],
  [['restore', 'a', '--to', '2999-01-01'], /^varve: --to: 2999-01-01T00:00:00\.000Z is still to come/],
  [['tag', 'add', 'two words'], /^varve: "two words" cannot name a moment/],
  [['tag', 'add', 'later', '2999-01-01'], /^varve: the time: 2999-\S+ is still to come/],
  [['get', 'a', '--at', 'now', '--replica', '127.0.0.1:1'], /^varve: --replica given with --at/],
  [['history', 'a', '--replica', '127.0.0.1:1'], /^varve: --replica given without --data/],
  [['scan', '--replica', '127.0.0.1:1'], /^varve: --replica given without --data/],
  [
    ['scan', '--at', 'now', '--data', 'no-such-folder'],
    /^varve: --data: no-such-folder given, there is no such folder/,
  ],
  [['history', 'a', '--data', 'test'], /^varve: --data: test holds other files/],
]

for (const [args, message, code = 2] of unanswerable) {
  test.serial(`varve ${args.join(' ')}: says why there is no answer`, async t => {
    await place.db.set('a', '1')
    const { exitCode, stdout, stderr } = await place.run(...args)
    t.regex(stderr, message)
    t.is(stderr.trim().split('\n').length, 1)
    t.is(stdout, '')
    t.is(exitCode, code)
  })
}
