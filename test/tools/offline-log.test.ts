import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { LevelLogStore } from '../../src/log/level-log.js'
import { nullLogger } from '../../src/log/logger.js'
import { parseClusterConfig, serializeClusterConfig, withNode } from '../../src/node/cluster-config.js'
import { DataFolder, nodeName } from '../../tools/local/data-folder.js'
import { writePid } from '../../tools/local/pid-file.js'
import { type LogSource, linesIn } from '../../tools/log-source.js'
import { openOfflineLog } from '../../tools/offline-log.js'
import { chainOf, endOf, recordAfter } from '../log/record-chain.js'
import { tempFolder } from './temp-folder.js'
import { varve } from './varve-command.js'

const NODES = ['127.0.0.1:7001', '127.0.0.1:7002'] as const

/** A stopped cluster: `first` on both nodes with 2 + 3 entries, `second` on the second node with 1 entry. */
async function stoppedCluster(t: ExecutionContext): Promise<DataFolder> {
  const folder = new DataFolder(join(tempFolder(t), 'data'))
  const shards = { first: [...NODES], second: [NODES[1]] }
  const shape = { coordinator: '127.0.0.1:7000', consistency: 'strong', topology: 'chain', shards } as const
  folder.create(serializeClusterConfig(shape))
  const [head] = chainOf([2])
  const first = [head!, recordAfter(endOf(head!), { count: 3, commitIndex: 2 })]
  await fill(folder.nodeDir(nodeName(NODES[0])), [0], async store => {
    for (const record of first) store.log(0).append(record)
  })
  await fill(folder.nodeDir(nodeName(NODES[1])), [0, 1], async store => {
    for (const record of first) store.log(0).append(record)
    store.log(1).append(chainOf([1], { shard: 1, lamport: 3 })[0]!)
  })
  return folder
}

async function fill(
  dir: string,
  shards: number[],
  write: (store: LevelLogStore) => Promise<void>,
): Promise<void> {
  const store = await LevelLogStore.open({ dir, shards, logger: nullLogger })
  await write(store)
  await store.close()
}

async function indexes(source: LogSource, shard: string, from = 1, to = 0): Promise<number[]> {
  const found: number[] = []
  for await (const line of linesIn(source, shard, from, to)) found.push(line.index)
  return found
}

test("A stopped cluster's logs are read from the first replica of each shard", async t => {
  const folder = await stoppedCluster(t)
  const source = await openOfflineLog(folder.path, undefined, undefined)
  t.deepEqual(source.shards, ['first', 'second'])
  t.is(source.origin('first'), NODES[0])
  t.is(source.origin('second'), NODES[1])
  t.deepEqual(await indexes(source, 'first'), [1, 2, 3, 4, 5])
  t.deepEqual(await indexes(source, 'first', 2, 4), [2, 3, 4])
  t.deepEqual(await indexes(source, 'second'), [1])
  await source.close()
})

test('A shard that moved to a node started later is read from there, whatever the configuration lists', async t => {
  const folder = await stoppedCluster(t)
  const added = '127.0.0.1:7003'
  const config = parseClusterConfig(readFileSync(folder.configFile, 'utf8'), 'cluster.json')
  folder.create(
    serializeClusterConfig(withNode({ ...config, shards: { ...config.shards, third: [NODES[0]] } }, added)),
  )
  await fill(folder.nodeDir(nodeName(added)), [2], async store => {
    store.log(2).append(chainOf([4], { shard: 2 })[0]!)
  })
  const source = await openOfflineLog(folder.path, undefined, undefined)
  t.is(source.origin('first'), NODES[0])
  t.is(source.origin('third'), added)
  t.deepEqual(await indexes(source, 'third'), [1, 2, 3, 4])
  await source.close()
  const named = await openOfflineLog(folder.path, added, 'third')
  t.deepEqual(await indexes(named, 'third'), [1, 2, 3, 4])
  await named.close()
})

test('The copy that goes farthest is read: by its epoch, then by its index', async t => {
  const folder = await stoppedCluster(t)
  const grow = (at: 0 | 1, epoch: number) =>
    fill(folder.nodeDir(nodeName(NODES[at])), [0], async store => {
      store.log(0).append(recordAfter(store.log(0), { epoch }))
    })
  const origin = async () => {
    const source = await openOfflineLog(folder.path, undefined, 'first')
    const found = [source.origin('first'), (await source.logInfo('first')).lastIndex]
    await source.close()
    return found
  }
  t.deepEqual(await origin(), [NODES[0], 5])
  await grow(1, 1)
  t.deepEqual(await origin(), [NODES[1], 6])
  await grow(0, 2)
  await grow(1, 1)
  t.deepEqual(await origin(), [NODES[0], 6])
})

test('A folder that cannot be opened is no reason not to read another one', async t => {
  const folder = await stoppedCluster(t)
  rmSync(join(folder.nodeDir(nodeName(NODES[0])), 'MANIFEST-000002'))
  const source = await openOfflineLog(folder.path, undefined, 'first')
  t.is(source.origin('first'), NODES[1])
  t.deepEqual(await indexes(source, 'first'), [1, 2, 3, 4, 5])
  await source.close()
  await t.throwsAsync(openOfflineLog(folder.path, NODES[0], 'first'), { code: 'LOG_DAMAGED' })
})

test('A replica may be named, and a shard that it does not hold is an error that says so', async t => {
  const folder = await stoppedCluster(t)
  const source = await openOfflineLog(folder.path, NODES[0], undefined)
  t.deepEqual(await indexes(source, 'first'), [1, 2, 3, 4, 5])
  await t.throwsAsync(indexes(source, 'second'), {
    message: /^second: no node's folder here holds a replica of it/,
  })
  await source.close()
  await t.throwsAsync(openOfflineLog(folder.path, '127.0.0.1:9999', undefined), {
    message: /has no such node/,
  })
})

test("One node's folder is read with the cluster's names beside it, and without", async t => {
  const folder = await stoppedCluster(t)
  const inCluster = await openOfflineLog(folder.nodeDir(nodeName(NODES[1])), undefined, undefined)
  t.deepEqual(await indexes(inCluster, 'second'), [1])
  await inCluster.close()
  const alone = join(tempFolder(t), 'alone')
  await fill(alone, [4], async store => store.log(4).append(chainOf([2], { shard: 4 })[0]!))
  const source = await openOfflineLog(alone, undefined, undefined)
  t.deepEqual(source.shards, ['4'])
  t.deepEqual(await indexes(source, '4'), [1, 2])
  await source.close()
})

test('What the log itself says is committed is marked so', async t => {
  const folder = await stoppedCluster(t)
  const source = await openOfflineLog(folder.path, undefined, 'first')
  const committed: boolean[] = []
  for await (const line of linesIn(source, 'first', 1, 0)) committed.push(line.committed)
  t.deepEqual(committed, [true, true, false, false, false])
  await source.close()
})

test('A running node is not read from its folder', async t => {
  const folder = await stoppedCluster(t)
  const name = nodeName(NODES[0])
  const script = 'setInterval(() => {}, 1000); console.log(1)'
  const args = ['-e', script, '--', '--data', folder.nodeDir(name)]
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] })
  t.teardown(() => child.kill('SIGKILL'))
  await once(child.stdout, 'data')
  writePid(folder.pidFile(name), child.pid!)
  await t.throwsAsync(openOfflineLog(folder.path, undefined, undefined), {
    message: /is running .*--endpoints/,
  })
})

test('varve log cat --data merges the shards by Lamport time', async t => {
  const folder = await stoppedCluster(t)
  const { exitCode, stdout } = await varve(['log', 'cat', '--data', folder.path, '-o', 'ndjson'])
  t.is(exitCode, 0)
  const lines = stdout
    .trim()
    .split('\n')
    .map(line => JSON.parse(line))
  t.deepEqual(
    lines.map(line => `${line.shard}/${line.index}`),
    ['first/1', 'first/2', 'first/3', 'second/1', 'first/4', 'first/5'],
  )
  t.is(lines[0].key, 'key-1')
  t.is(lines[0].value, 'value-1')
  t.is(lines[0].operation, 'set')
})

test('varve log stat --data counts entries, records, keys and operations', async t => {
  const folder = await stoppedCluster(t)
  const { stdout } = await varve(['log', 'stat', '--data', folder.path, '-o', 'json'])
  const [first, second] = JSON.parse(stdout).shards
  t.is(first.entries, 5)
  t.is(first.records, 2)
  t.deepEqual(first.perRecord, { mean: 2.5, p50: 2, max: 3 })
  t.is(first.keys, 5)
  t.is(first.operations.set, 5)
  t.deepEqual(first.epochs[0].lastIndex, 5)
  t.true(first.bytes > 0)
  t.is(second.entries, 1)
})

test('A read-only look leaves a folder that can be opened again', async t => {
  const folder = await stoppedCluster(t)
  await varve(['log', 'stat', '--data', folder.path])
  await fill(folder.nodeDir(nodeName(NODES[0])), [0], async store => {
    const log = store.log(0)
    t.is(log.lastIndex, 5)
    log.append(recordAfter(log))
  })
  t.true(existsSync(folder.nodeDir(nodeName(NODES[0]))))
})
