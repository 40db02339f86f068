/** `varve log orphans` and `varve log resubmit`, on folders of stopped nodes and on a running cluster. */
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { connect } from '../../src/client/client.js'
import { serializeClusterConfig } from '../../src/node/cluster-config.js'
import { exitCodeOf } from '../../tools/exit-codes.js'
import { DataFolder, nodeName } from '../../tools/local/data-folder.js'
import { gatherOfflineOrphans } from '../../tools/offline-orphans.js'
import { selectOrphans } from '../../tools/orphan-options.js'
import { TestCluster } from '../integration/support/processes.js'
import { chainOf } from '../log/record-chain.js'
import { inFolder, LOST_CLIENT, type LostWrite, lose } from './lost-writes.js'
import { tempFolder } from './temp-folder.js'
import { varve } from './varve-command.js'

const NODES = ['127.0.0.1:7001', '127.0.0.1:7002'] as const
/** A stopped cluster of two shards; the second node lost two writes of the first. */
async function stoppedCluster(t: ExecutionContext): Promise<DataFolder> {
  const folder = new DataFolder(join(tempFolder(t), 'data'))
  const shards = { first: [...NODES], second: [NODES[1]] }
  const shape = { coordinator: '127.0.0.1:7000', consistency: 'strong', topology: 'chain', shards } as const
  folder.create(serializeClusterConfig(shape))
  for (const node of NODES) {
    await inFolder(folder.nodeDir(nodeName(node)), store => {
      const log = store.log(0)
      for (const record of chainOf([2, 3])) log.append(record)
      if (node === NODES[1]) lose(log, [{ key: 'gone', value: 'v' }, { key: 'old' }], 1)
    })
  }
  return folder
}

const parse = (text: string) =>
  text
    .trim()
    .split('\n')
    .map(each => JSON.parse(each))

test("orphans of a stopped cluster are read from its nodes' folders", async t => {
  const folder = await stoppedCluster(t)
  const shown = await varve(['log', 'orphans', '--data', folder.path, '-o', 'ndjson'])
  t.is(shown.exitCode, 0, shown.stderr)
  const lines = parse(shown.stdout)
  t.is(lines.length, 2)
  t.like(lines[0], {
    node: NODES[1],
    shard: 'first',
    epoch: 1,
    index: 6,
    operation: 'set',
    key: 'gone',
    value: 'v',
  })
  t.like(lines[0], { clientId: LOST_CLIENT.toString('hex'), sequence: 1, actor: 'ada' })
  t.like(lines[1], { index: 7, operation: 'delete', key: 'old' })
  t.false('fate' in lines[0])

  const table = await varve(['log', 'orphans', '--data', folder.nodeDir(nodeName(NODES[1]))])
  t.regex(table.stdout, /node +shard +epoch +index +time +operation +key +value +request/)
  t.regex(table.stdout, /127\.0\.0\.1:7002 +first +1 +6 .*set +gone +v +0{15}16c6f7374/)
  t.regex(table.stdout, /2 orphans on 1 node\n$/)
  const none = await varve(['log', 'orphans', '--data', folder.path, '--node', NODES[0]])
  t.is(none.stdout, 'no orphans\n')
  const options = {
    endpoints: [],
    output: 'json',
    timeout: 1_000,
    epoch: 1,
    index: { first: 7, last: 9 },
  } as const
  const some = await gatherOfflineOrphans(folder.path, known => selectOrphans(options, known))
  t.deepEqual(
    some.map(({ shard, orphans, cutFrom }) => [shard, orphans.map(({ line }) => line.index), cutFrom]),
    [
      ['first', [7], 6],
      ['second', [], 0],
    ],
  )
})

test('what is asked for must exist', async t => {
  const folder = await stoppedCluster(t)
  const refused = async (options: { shard?: string; node?: string }, data = folder.path) => {
    const all = { endpoints: [], output: 'json', timeout: 1_000, ...options } as const
    const error = await t.throwsAsync(gatherOfflineOrphans(data, known => selectOrphans(all, known)))
    t.is(exitCodeOf(error), 2)
    return error!.message
  }
  t.regex(await refused({ shard: 'third' }), /shard "third" given, the cluster has first, second/)
  t.regex(
    await refused({ node: '127.0.0.1:7009' }),
    /--node: 127\.0\.0\.1:7009 given, .* 127\.0\.0\.1:7001, /,
  )
  t.regex(await refused({}, join(folder.path, 'nowhere')), /there is no such folder/)
  t.regex(await refused({}, join(folder.path, 'logs')), /is empty: expected the folder of a cluster/)
  const unreadable = await varve(['log', 'orphans', '--data', folder.path, '--index', '9..3'])
  t.is(unreadable.exitCode, 2)
  t.regex(unreadable.stderr, /Allowed is an index from 1, or two of them such as 512\.\.600/)
})

test('lost writes of a running cluster are shown, written once, and known afterwards', async t => {
  const cluster = await TestCluster.start(t, { replicas: 2 })
  const client = await connect(cluster.endpoints)
  for (const key of ['kept', 'changed']) await client.set(key, 'before')
  await client.close()
  await cluster.killAll()
  const tail = cluster.nodes[1]!
  await inFolder(tail.dataDir, store => {
    const log = store.log(0)
    const lost: LostWrite[] = [
      { key: 'lost', value: 'found' },
      { key: 'changed', value: 'by the orphan' },
      { key: 'a', value: '1', batchContinues: true },
      { key: 'b', value: '2' },
      { key: 'kept' },
    ]
    lose(log, lost, log.epochs.at(-1)!.epoch)
  })
  cluster.startAll()
  await cluster.ready()
  const again = await connect(cluster.endpoints)
  t.teardown(() => again.close())
  await again.set('changed', 'since')
  const run = (...args: string[]) => varve(['log', ...args, '--endpoints', cluster.endpoints.join(',')])

  const listed = parse((await run('orphans', '-o', 'ndjson')).stdout)
  t.deepEqual(
    listed.map(({ node, key, fate }) => [node, key, fate]),
    ['lost', 'changed', 'a', 'b', 'kept'].map(key => [tail.address, key, 'lost']),
  )
  const [first] = listed
  t.deepEqual(
    listed.map(({ keyIndex }) => keyIndex !== null),
    [false, true, false, false, false],
  )

  const dry = await run('resubmit')
  t.is(dry.exitCode, 0)
  t.regex(dry.stdout, /changed +by the orphan .*left out: key written since, \d+/)
  t.regex(dry.stdout, /nothing was written: --yes writes 4 orphans; 1 orphan left out: --overwrite/)
  t.is(await again.get('lost'), undefined)

  const part = await run('resubmit', '--index', String(first.index + 2), '--yes')
  t.is(part.exitCode, 2)
  t.regex(part.stderr, new RegExp(`as a whole, ${first.index + 2}\\.\\.${first.index + 3}`))

  const done = await run('resubmit', '--yes')
  t.is(done.exitCode, 1, done.stderr)
  t.regex(
    done.stdout,
    /set lost: written, \d+\n.*set \+ a: written, \d+\n.*set b: written, .*\n.*delete kept: written/,
  )
  t.regex(done.stderr, /4 written; 1 left out: key written since/)
  t.deepEqual(await Promise.all(['lost', 'a', 'b', 'kept', 'changed'].map(key => again.get(key))), [
    'found',
    '1',
    '2',
    undefined,
    'since',
  ])

  const twice = await run('resubmit', '--overwrite', '--yes', '-o', 'ndjson')
  t.is(twice.exitCode, 0, twice.stderr)
  t.deepEqual(
    parse(twice.stdout).map(({ key, outcome }) => [key, outcome]),
    [['changed', 'written'], ...['lost', 'a', 'b', 'kept'].map(key => [key, 'already resubmitted'])],
  )
  t.is(await again.get('changed'), 'by the orphan')
  const after = await run('orphans')
  t.regex(after.stdout, /5 orphans on 1 node; no write among them is lost/)
  t.is((after.stdout.match(/resubmitted, \d+/g) ?? []).length, 5)
})
