/** `varve replay` on folders that are not whole: a log that is kept from a base, a log with a record missing. */
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { connect, type ReplayEvent, replay } from '../../src/index.js'
import { LevelLogStore } from '../../src/log/level-log.js'
import { nullLogger } from '../../src/log/logger.js'
import { startLocalCluster } from '../../src/node/local-cluster.js'
import { openProjection } from '../../src/projection/checkpoint.js'
import { trimIndexAt, trimLog } from '../../src/projection/trim.js'
import { LogWalk } from '../../tools/replay/log-walk.js'
import { withStepSource } from '../../tools/replay/step-source.js'
import { withLevel } from '../log/damage.js'
import { tempFolder } from './temp-folder.js'
import { varveInProcess } from './varve-in-process.js'

const OPTIONS = { endpoints: [], output: 'table', timeout: 10_000 } as const

/** A stopped cluster of one node: ten rounds over three keys, each entry a record of its own. */
async function folderWithRounds(t: ExecutionContext): Promise<string> {
  const dataDir = tempFolder(t)
  const cluster = await startLocalCluster({ dataDir })
  const db = await connect(cluster.endpoints, { actor: 'ada' })
  for (let round = 1; round <= 10; round++) {
    for (const key of ['a', 'b', 'c']) await db.set(`key/${key}`, `${key}${round}`)
  }
  await db.delete('key/c')
  await db.close()
  await cluster.close()
  return dataDir
}

function inStore<T>(dataDir: string, use: (store: LevelLogStore) => Promise<T>): Promise<T> {
  const dir = join(dataDir, 'node-1')
  return LevelLogStore.open({ dir, logger: nullLogger }).then(async store => {
    try {
      return await use(store)
    } finally {
      await store.close()
    }
  })
}

/** Gives up the first half of the log; resolves to where it is kept from. */
function trimHalf(dataDir: string): Promise<number> {
  return inStore(dataDir, async store => {
    const log = store.log(0)
    const { blobs } = store
    const projection = await openProjection({ log, blobs, logger: nullLogger })
    const index = trimIndexAt(log, projection, 16)
    await trimLog({ log, projection, blobs, logger: nullLogger, index, writtenMs: Date.now() })
    return index
  })
}

test.serial('a log that is kept from a base replays to the same, and below it not at all', async t => {
  const dataDir = await folderWithRounds(t)
  const data = ['--data', dataDir]
  const whole = await varveInProcess(['replay', ...data])
  const then = await varveInProcess(['replay', '--at', '20', ...data])
  t.is(whole.exitCode, 0, whole.stderr)
  const baseIndex = await trimHalf(dataDir)
  t.true(baseIndex > 10)

  t.is((await varveInProcess(['replay', ...data])).stdout, whole.stdout)
  t.is((await varveInProcess(['replay', '--at', '20', ...data])).stdout, then.stdout)
  const checked = await varveInProcess(['replay', '--check', ...data])
  t.is(checked.exitCode, 0, checked.stderr)
  const below = await varveInProcess(['replay', '--at', '5', ...data])
  t.is(below.exitCode, 1)
  t.regex(
    below.stderr,
    new RegExp(`history of shard_0 before .* \\(index ${baseIndex}\\) was dropped by retention`),
  )

  // A process hands out its base as it hands out its records.
  const cluster = await startLocalCluster({ dataDir })
  try {
    const endpoints = ['--endpoints', cluster.endpoints.join(',')]
    t.is((await varveInProcess(['replay', ...endpoints])).stdout, whole.stdout)
    const live = await varveInProcess(['replay', '--at', '20', '--check', ...endpoints])
    t.is(live.exitCode, 0, live.stdout + live.stderr)
    for await (const { entry, before } of replay({ source: cluster, at: 'index:shard_0/20' })) {
      t.is(before?.operation, entry.operation === 'set' ? 'set' : undefined)
    }
  } finally {
    await cluster.close()
  }

  const events: ReplayEvent[] = []
  for await (const event of replay({ source: dataDir })) events.push(event)
  t.is(events[0]?.entry.index, baseIndex + 1)
  const sets = events.filter(({ entry }) => entry.operation === 'set')
  // What the first ones replaced is in the base alone.
  t.true(sets.every(({ before }) => before?.operation === 'set'))
  await t.throwsAsync(
    async () => {
      for await (const _ of replay({ source: dataDir, from: 'start' }));
    },
    { code: 'OUT_OF_RETENTION' },
  )
})

test.serial('the debugger begins at the base, and knows what keys held there', async t => {
  const dataDir = await folderWithRounds(t)
  const baseIndex = await trimHalf(dataDir)
  await withStepSource({ ...OPTIONS, data: dataDir }, async source => {
    const walk = new LogWalk(source)
    t.is(walk.places.get('shard_0'), baseIndex)
    t.is(await walk.previous(), undefined)
    t.is((await walk.next())?.line.index, baseIndex + 1)
    walk.jump(new Map([['shard_0', baseIndex]]))
    const step = await walk.untilKeyChanges(Buffer.from('key/b'))
    t.is(step?.before?.operation, 'set')
    t.true((step?.before?.index ?? 0) <= baseIndex)
    t.is(await walk.beforeKeyChanged(Buffer.from(step!.line.key)), undefined)
    t.is((await walk.get(Buffer.from('key/a')))?.value.toString().at(0), 'a')
    const keys: string[] = []
    for await (const { key } of walk.keys('key/')) keys.push(key.toString())
    t.deepEqual(keys, ['key/a', 'key/b', 'key/c'])
    const last = await walk.untilKeyChanges(Buffer.from('nothing'))
    t.is(last, undefined)
    walk.jump(await source.resolve('now'))
    t.is((await walk.get(Buffer.from('key/c')))?.operation, 'delete')
  })
})

test.serial('--skip-damaged goes on behind a missing record, names it, and is not content', async t => {
  const dataDir = await folderWithRounds(t)
  const lost = await inStore(dataDir, async store => store.log(0).recordAt(20)!)
  await withLevel(join(dataDir, 'node-1'), async level => {
    for await (const [key, value] of level.iterator()) {
      if (value.equals(lost.bytes)) await level.del(key)
    }
  })
  const data = ['--data', dataDir]
  const refused = await varveInProcess(['replay', ...data])
  t.is(refused.exitCode, 1)
  t.regex(refused.stderr, /damage/)
  const { exitCode, stdout, stderr } = await varveInProcess(['replay', ...data, '--skip-damaged'])
  t.is(exitCode, 1, stderr)
  t.regex(stderr, new RegExp(`varve: damaged: shard_0, index ${lost.firstIndex}`))
  t.regex(stderr, new RegExp(`shard_0: entries ${lost.firstIndex} to ${lost.lastIndex} are missing`))
  t.is(stderr.split('varve: damaged:').length, 2, 'each damage is told once')
  t.deepEqual(
    stdout
      .trim()
      .split('\n')
      .map(line => JSON.parse(line).value),
    ['a10', 'b10'],
  )
})
