/** What only a folder shows, or a restart: orphans in their place, entries that nobody knows to be committed, a horizon. */
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { connect } from '../../src/index.js'
import { nullLogger } from '../../src/log/logger.js'
import { serializeClusterConfig } from '../../src/node/cluster-config.js'
import { startLocalCluster } from '../../src/node/local-cluster.js'
import { openProjection } from '../../src/projection/checkpoint.js'
import { trimIndexAt, trimLog } from '../../src/projection/trim.js'
import { DataFolder, nodeName } from '../../tools/local/data-folder.js'
import { nodesByProgress } from '../../tools/offline-choice.js'
import { stoppedCluster } from '../../tools/offline-folder.js'
import { chainOf } from '../log/record-chain.js'
import { appendWrites, inFolder, lose } from './lost-writes.js'
import { tempFolder } from './temp-folder.js'
import { varveInProcess } from './varve-in-process.js'

/** Runs a cluster of one shard in a folder as long as `use` does. */
async function whileRunning(
  dataDir: string,
  use: (endpoints: readonly string[]) => Promise<void>,
): Promise<void> {
  const cluster = await startLocalCluster({ shards: 1, replicas: 1, dataDir })
  try {
    await use(cluster.endpoints)
  } finally {
    await cluster.close()
  }
}

async function write(endpoints: readonly string[], key: string, ...values: string[]): Promise<number> {
  const db = await connect(endpoints, { actor: 'lin' })
  let index = 0
  for (const value of values) index = (await db.set(key, value)).index
  await db.close()
  return index
}

async function states(t: ExecutionContext, args: readonly string[]): Promise<unknown[]> {
  const { exitCode, stdout, stderr } = await varveInProcess([...args, '-o', 'json'])
  t.is(exitCode, 0, stderr)
  const { entries } = JSON.parse(stdout) as { entries: Record<string, unknown>[] }
  return entries.map(({ value, state, epoch, nodes }) => [
    value,
    state,
    epoch,
    ...(nodes === undefined ? [] : [nodes]),
  ])
}

test.serial(
  'a history shows what was cut off in its place, on a folder and on a running cluster',
  async t => {
    const dataDir = join(tempFolder(t), 'data')
    let address = ''
    await whileRunning(dataDir, async endpoints => {
      address = endpoints[0]!
      await write(endpoints, 'kai', 'one', 'two')
      await write(endpoints, 'other', 'x', 'y')
    })
    await inFolder(join(dataDir, 'node-1'), store => {
      const log = store.log(0)
      const { epoch } = log.epochs.at(-1)!
      appendWrites(log, [{ key: 'kai', value: 'three' }], epoch)
      lose(
        log,
        [
          { key: 'other', value: 'x' },
          { key: 'none', value: 'y' },
          { key: 'kai', value: 'lost' },
        ],
        epoch,
      )
    })
    const before = [
      ['lost', 'orphaned', 1, [address]],
      // The log ends here: nothing says that it is committed.
      ['three', 'tentative', 1],
      ['two', 'committed', 1],
      ['one', 'committed', 1],
    ]
    t.deepEqual(await states(t, ['history', 'kai', '--data', dataDir]), before)
    t.deepEqual(await states(t, ['history', 'kai', '--data', dataDir, '--limit', '2']), before.slice(0, 2))
    t.deepEqual(await states(t, ['history', 'kai', '--data', join(dataDir, 'node-1')]), before)

    await whileRunning(dataDir, async endpoints => {
      await write(endpoints, 'kai', 'four', 'five')
      const all = [
        ['five', 'committed', 2],
        ['four', 'committed', 2],
        ['lost', 'orphaned', 1, [address]],
        ['three', 'committed', 1],
        ...before.slice(2),
      ]
      const online = ['--endpoints', endpoints[0]!]
      t.deepEqual(await states(t, ['history', 'kai', ...online]), all)
      const { stdout } = await varveInProcess(['history', 'kai', ...online])
      t.regex(stdout, new RegExp(`set +lost +ada +…636c69/3 +orphaned, epoch 1: ${address}\\n`))
    })
  },
)

test.serial('tags are read from a folder, and name moments there', async t => {
  const dataDir = join(tempFolder(t), 'data')
  await whileRunning(dataDir, async endpoints => {
    await write(endpoints, 'kai', 'before')
    const tagged = await varveInProcess([
      'tag',
      'add',
      'deploy',
      '--actor',
      'ada',
      '--endpoints',
      endpoints[0]!,
    ])
    t.is(tagged.exitCode, 0, tagged.stderr)
    await write(endpoints, 'kai', 'after')
  })
  const list = JSON.parse((await varveInProcess(['tag', 'list', '--data', dataDir, '-o', 'json'])).stdout)
  t.like(list, [{ name: 'deploy', actor: 'ada' }])
  t.is((await varveInProcess(['get', 'kai', '--at', 'deploy', '--data', dataDir])).stdout, 'before\n')
  t.is((await varveInProcess(['get', 'kai', '--data', dataDir])).stdout, 'after\n')
  const unknown = await varveInProcess(['get', 'kai', '--at', 'other', '--data', dataDir])
  t.like(unknown, {
    exitCode: 2,
    stderr: 'varve: --at: there is no tag other: `varve tag list` lists them\n',
  })
  t.is((await varveInProcess(['scan', '--data', dataDir])).stdout, 'kai                       after\n')

  const newest = 'the newest time of shard_0 in the folder is 2\\S+Z \\(Lamport \\d+, index \\d+\\)'
  const refused: [at: string, message: string][] = [
    ['2999-01-01', `2999-01-01T00:00:00.000Z is still to come: ${newest}`],
    ['lamport:99999', `lamport:99999 is still to come: ${newest}`],
    ['index:shard_0/99999', `index:shard_0/99999 is still to come: ${newest}`],
    [
      '2001-01-01',
      '2001-01-01T00:00:00.000Z is before the first entry, which is of 2\\S+Z \\(Lamport \\d+\\)',
    ],
    ['index:other/1', 'shard "other" given, the folder holds shard_0'],
    ['14:03', '"14:03" given, allowed is start, now, an index'],
  ]
  for (const [at, message] of refused) {
    const { exitCode, stderr } = await varveInProcess(['get', 'kai', '--at', at, '--data', dataDir])
    t.is(exitCode, 2)
    t.regex(stderr, new RegExp(`^varve: --at: ${message}`))
  }
})

test.serial(
  'what retention dropped is named the same way everywhere, and a watch may begin at the horizon',
  async t => {
    const dataDir = join(tempFolder(t), 'data')
    let dropped = 0
    await whileRunning(dataDir, async endpoints => {
      dropped = await write(endpoints, 'kai', 'one', 'two')
      await write(endpoints, 'kai', 'three', 'four')
    })
    let horizon = 0
    await inFolder(join(dataDir, 'node-1'), async store => {
      const log = store.log(0)
      const context = { log, blobs: store.blobs, logger: nullLogger }
      const projection = await openProjection(context)
      horizon = trimIndexAt(log, projection, dropped + 1)
      await trimLog({ ...context, projection, index: horizon, writtenMs: 1_000 })
    })
    const message = new RegExp(
      `history of shard_0 before 2\\S+Z \\(index ${horizon}\\) was dropped by retention on 1970-01-01T00:00:01\\.000Z`,
    )
    const at = `index:shard_0/${dropped - 1}`
    const below = [
      ['get', 'kai', '--at', at],
      ['scan', '--at', at],
      ['history', 'kai', '--at', at],
      ['diff', '--from', at],
      ['diff', '--from', 'start'],
      ['blame', '--at', at],
    ]
    const refusals = async (...where: string[]) => {
      for (const args of below) {
        const { exitCode, stderr } = await varveInProcess([...args, ...where])
        t.is(exitCode, 1, stderr)
        t.regex(stderr, message)
      }
      const { stdout, stderr, exitCode } = await varveInProcess(['history', 'kai', ...where])
      t.is(exitCode, 0)
      t.regex(stdout, /^.*four.*\n.*three.*\n$/m)
      t.regex(stderr, message)
    }
    await refusals('--data', dataDir)
    await whileRunning(dataDir, async endpoints => {
      const online = ['--endpoints', endpoints[0]!]
      await refusals(...online)
      const watch = ['watch', '--limit', '2', '-o', 'ndjson', ...online]
      const refused = await varveInProcess([...watch, '--from', at])
      t.is(refused.exitCode, 1)
      t.regex(refused.stderr, message)
      for (const from of [at, 'start']) {
        const { stdout, exitCode, stderr } = await varveInProcess([...watch, '--from', from, '--snapshot'])
        t.is(exitCode, 0, stderr)
        const values = stdout
          .trim()
          .split('\n')
          .map(line => JSON.parse(line))
        t.deepEqual(
          values.map(({ value, snapshot }) => [value, snapshot]),
          [
            ['three', true],
            ['four', undefined],
          ],
        )
      }
    })
  },
)

test('of several stopped nodes the one is read whose log goes farthest', async t => {
  const folder = new DataFolder(join(tempFolder(t), 'data'))
  const nodes = ['127.0.0.1:7001', '127.0.0.1:7002', '127.0.0.1:7003']
  const shards = { shard_0: nodes }
  const shape = { coordinator: '127.0.0.1:7000', consistency: 'strong', topology: 'chain', shards } as const
  folder.create(serializeClusterConfig(shape))
  for (const [at, sizes] of [[2], [2, 3], [2, 3]].entries()) {
    await inFolder(folder.nodeDir(nodeName(nodes[at]!)), store => {
      for (const record of chainOf(sizes)) store.log(0).append(record)
    })
  }
  const inOrder = await nodesByProgress(stoppedCluster(folder.path))
  t.deepEqual(
    inOrder(0).map(({ name }) => name),
    [nodes[1], nodes[2], nodes[0]],
  )
  const cuts = async (...args: string[]) => {
    const { stdout, exitCode, stderr } = await varveInProcess([
      'scan',
      '--data',
      folder.path,
      '-o',
      'json',
      ...args,
    ])
    t.is(exitCode, 0, stderr)
    return JSON.parse(stdout).at.cuts.shard_0.index
  }
  t.is(await cuts(), 5)
  t.is(await cuts('--replica', nodes[0]!), 2)
})
