/** `varve retention`: what is set is shown, what is given wrongly is refused, and what was dropped is a no. */
import test from 'ava'
import { connect, type VarveClient } from '../../src/index.js'
import { type LocalCluster, startLocalCluster } from '../../src/node/local-cluster.js'
import type { CommandResult } from './varve-command.js'
import { varveInProcess } from './varve-in-process.js'

let cluster: LocalCluster
let db: VarveClient

function run(...args: string[]): Promise<CommandResult> {
  return varveInProcess([...args, '--endpoints', cluster.endpoints[0]!])
}

test.before(async () => {
  cluster = await startLocalCluster()
  db = await connect(cluster.endpoints)
})

test.after.always(async () => {
  await db?.close()
  await cluster?.close()
})

test.serial('rules are set as a whole, shown, and cleared', async t => {
  t.regex(
    (await run('retention', 'show')).stdout,
    /^no rules: everything is kept\nshard_0 has all of its history/,
  )
  const given = [
    '--age',
    '7d',
    '--entries',
    '1000',
    '--prefix',
    'orders/',
    '--age',
    '90d',
    '--prefix',
    'forever/',
  ]
  const set = await run('retention', 'set', ...given)
  t.is(set.exitCode, 0, set.stderr)
  t.regex(set.stdout, /all others +what is younger than 7d 0h, and the newest 1,000 entries of the shard/)
  t.regex(set.stdout, /forever\/ +forever/)
  const { rules } = JSON.parse((await run('retention', 'show', '-o', 'json')).stdout)
  t.deepEqual(rules, [
    { prefix: '', ageMs: 604_800_000, entries: 1_000 },
    { prefix: 'forever/', ageMs: null, entries: null },
    { prefix: 'orders/', ageMs: 7_776_000_000, entries: null },
  ])
  t.is((await run('retention', 'set', '--entries', '5')).exitCode, 0)
  t.is(JSON.parse((await run('retention', 'show', '-o', 'json')).stdout).rules.length, 1)
  t.regex((await run('retention', 'clear')).stdout, /^no rules: everything is kept/)
})

test.serial('what is given wrongly is bad usage and changes nothing', async t => {
  for (const [args, text] of [
    [[], /nothing to set: give --age or --entries/],
    [['--age', 'soon'], /Allowed is a length of time/],
    [['--entries', '0'], /Allowed is a whole number from 1/],
    [['--age', '1d', '--age', '2d'], /given twice for the same keys/],
    [['--prefix', 'a', '--prefix', 'a'], /given twice/],
    [['--prefix', ''], /at least one character/],
  ] as const) {
    const { exitCode, stderr } = await run('retention', 'set', ...args)
    t.is(exitCode, 2, stderr)
    t.regex(stderr, text)
  }
  t.deepEqual(await db.retention(), [])
})

test.serial(
  'what was dropped is a no that says when, and status says from where on the history is there',
  async t => {
    for (let i = 0; i < 30; i++) await db.set(`key/${i % 3}`, String(i))
    t.false((await run('status')).stdout.includes('dropped by retention'))
    t.is((await run('retention', 'set', '--entries', '5')).exitCode, 0)
    const endsAt = performance.now() + 20_000
    const horizon = async () => (await db.resolve()).cuts.shard_0?.horizon
    while ((await horizon()) === undefined && performance.now() < endsAt) {
      await new Promise(resolve => setTimeout(resolve, 20))
    }
    const old = await run('get', 'key/1', '--at', 'index:shard_0/3')
    t.is(old.exitCode, 1)
    t.regex(
      old.stderr,
      /^varve: history of shard_0 before \S+Z \(index \d+\) was dropped by retention on \S+Z/,
    )
    t.regex(
      (await run('retention', 'show')).stdout,
      /shard_0 has its history from \S+Z \(index \d+\) on, what was before/,
    )
    t.regex(
      (await run('status')).stdout,
      /history of shard_0 before index \d+ was dropped by retention on \S+Z/,
    )
    const { shards } = JSON.parse((await run('status', '-o', 'json')).stdout)
    t.true(shards[0].horizon.index > 0)
    t.is((await run('get', 'key/1')).stdout.trim(), '28')
  },
)
