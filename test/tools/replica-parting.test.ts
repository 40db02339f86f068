import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { connect } from '../../src/client/client.js'
import { LevelLogStore } from '../../src/log/level-log.js'
import { nullLogger } from '../../src/log/logger.js'
import type { LogRecord } from '../../src/log/record-codec.js'
import { makeLocalConfig, serializeClusterConfig } from '../../src/node/cluster-config.js'
import { writeFork } from '../../src/node/fork-folder.js'
import { onFreePorts } from '../../src/node/free-ports.js'
import { startLocalCluster } from '../../src/node/local-cluster.js'
import { refuseStaleCopies } from '../../tools/fork/check-copies.js'
import { DataFolder, nodeName } from '../../tools/local/data-folder.js'
import { openLogSource } from '../../tools/log-source.js'
import { openOfflineLog } from '../../tools/offline-log.js'
import { firstDifference, partedKeys } from '../../tools/parted-entries.js'
import { partingLines } from '../../tools/parting-text.js'
import { Random } from '../../tools/random.js'
import { findParting, type ReplicaLog } from '../../tools/replica-parting.js'
import { comparePairs, replicaLogOf } from '../../tools/replica-partings.js'
import { type ChainEnd, chainOf, EMPTY_END, endOf, recordAfter } from '../log/record-chain.js'
import { tempFolder } from './temp-folder.js'
import { varve } from './varve-command.js'

const NODES = ['127.0.0.1:7001', '127.0.0.1:7002'] as const

/** A log over records in memory that counts what is read of it. */
function logOf(replica: string, records: readonly LogRecord[], baseIndex = 0, commitIndex?: number) {
  const kept = records.filter(record => record.firstIndex > baseIndex)
  const lastIndex = kept.at(-1)?.lastIndex ?? baseIndex
  const reads = { count: 0 }
  const log: ReplicaLog = {
    replica,
    baseIndex,
    lastIndex,
    commitIndex: commitIndex ?? lastIndex,
    recordAt: async index => {
      reads.count += 1
      return kept.find(record => record.firstIndex <= index && index <= record.lastIndex)
    },
    records: async function* (from, to) {
      for (const record of kept) if (record.lastIndex >= from && record.firstIndex <= to) yield record
    },
  }
  return { log, reads }
}

function lengths(random: () => number, count: number): number[] {
  return Array.from({ length: count }, () => 1 + Math.floor(random() * 5))
}

function endOfAll(records: readonly LogRecord[]): ChainEnd {
  const last = records.at(-1)
  return last === undefined ? EMPTY_END : endOf(last)
}

test('The place where two logs part is found, wherever it is, by few reads', async t => {
  const numbers = new Random(1)
  const random = () => numbers.next()
  for (let round = 0; round < 200; round += 1) {
    const common = chainOf(lengths(random, Math.floor(random() * 60)))
    const end = endOfAll(common)
    const left = [...common, ...chainOf(lengths(random, 1 + Math.floor(random() * 60)), { epoch: 2 }, end)]
    const right = [...common, ...chainOf(lengths(random, 1 + Math.floor(random() * 60)), { epoch: 3 }, end)]
    const [a, b] = [logOf('a', left), logOf('b', right)]
    const parting = await findParting(a.log, b.log)
    t.is(parting.kind, 'parted')
    if (parting.kind !== 'parted') return
    t.is(parting.commonIndex, end.lastIndex)
    t.is(parting.left.firstIndex, end.lastIndex + 1)
    t.true(a.reads.count <= 12, `${a.reads.count} reads of ${a.log.lastIndex} entries`)
  }
})

test('A log that ends earlier is behind, and no divergence', async t => {
  const records = chainOf([2, 3, 4, 5])
  for (let count = 0; count < records.length; count += 1) {
    const parting = await findParting(logOf('a', records).log, logOf('b', records.slice(0, count)).log)
    t.deepEqual(parting, { kind: 'behind', commonIndex: endOfAll(records.slice(0, count)).lastIndex })
  }
  t.deepEqual(await findParting(logOf('a', records).log, logOf('b', records).log), {
    kind: 'same',
    commonIndex: 14,
  })
})

test('What retention dropped is not compared, and logs that parted there are said to', async t => {
  const common = chainOf([2, 3])
  const left = [...common, ...chainOf([4, 4, 4], { epoch: 2 }, endOfAll(common))]
  const right = [...common, ...chainOf([4, 4, 4], { epoch: 3 }, endOfAll(common))]
  t.deepEqual(await findParting(logOf('a', left, 9).log, logOf('b', right).log), {
    kind: 'dropped',
    belowIndex: 9,
  })
  t.deepEqual(await findParting(logOf('a', left, 9).log, logOf('b', right.slice(0, 3)).log), {
    kind: 'dropped',
    belowIndex: 9,
  })
  t.is((await findParting(logOf('a', left, 9).log, logOf('b', left.slice(0, 3)).log)).kind, 'behind')
  t.is((await findParting(logOf('a', left, 9).log, logOf('b', left, 5).log)).kind, 'same')
  t.is((await findParting(logOf('a', left, 9).log, logOf('b', common).log)).kind, 'apart')
})

test('The first entry that differs is named, also inside records that begin alike', async t => {
  const [head] = chainOf([3])
  const end = endOf(head!)
  const left = recordAfter(end, { count: 4 })
  const shorter = recordAfter(end, { count: 2 })
  const other = recordAfter(endOf(shorter), { value: 'other', wallMs: left.wallMs })
  const [a, b] = [logOf('a', [head!, left]).log, logOf('b', [head!, shorter, other]).log]
  const parting = await findParting(a, b)
  t.is(parting.kind === 'parted' && parting.commonIndex, 3)
  const first = await firstDifference(a, b, 3)
  t.is(first?.index, 6)
  t.is(first?.left.value.toString(), 'value-6')
  t.is(first?.right.value.toString(), 'other')
  t.is(await firstDifference(a, logOf('c', [head!, shorter]).log, 3), undefined, 'only the records differ')
})

test('The keys that were written differently since are told with both histories, newest first', async t => {
  const [head] = chainOf([3])
  const left = chainOf([2, 2], { epoch: 2 }, endOf(head!))
  const right = chainOf([2], { epoch: 3, value: 'else' }, endOf(head!))
  const found = await partedKeys(logOf('a', [head!, ...left]).log, logOf('b', [head!, ...right]).log, 3, {
    keysMax: 3,
    entriesMax: 1,
  })
  t.is(found.count, 4)
  t.true(found.isWhole)
  t.deepEqual(
    found.keys.map(({ key, left: ours, right: theirs }) => [String(key), ours.count, theirs.count]),
    [
      ['key-4', 1, 1],
      ['key-5', 1, 1],
      ['key-6', 1, 0],
    ],
  )
  t.is(found.keys[0]!.right.entries[0]!.value.toString(), 'else')
})

/** A stopped cluster whose two nodes hold these records. */
async function stoppedCluster(
  t: ExecutionContext,
  logs: readonly (readonly LogRecord[])[],
): Promise<DataFolder> {
  const folder = new DataFolder(join(tempFolder(t), 'data'))
  const shards = { first: [...NODES] }
  folder.create(
    serializeClusterConfig({
      coordinator: '127.0.0.1:7000',
      consistency: 'strong',
      topology: 'chain',
      shards,
    }),
  )
  for (const [at, records] of logs.entries()) {
    const dir = folder.nodeDir(nodeName(NODES[at]!))
    const store = await LevelLogStore.open({ dir, shards: [0], logger: nullLogger })
    for (const record of records) store.log(0).append(record)
    await store.close()
  }
  return folder
}

test('An uncommitted suffix, as a failover leaves it, is found in the folders and called what it is', async t => {
  const common = chainOf([3, 4])
  const end = endOfAll(common)
  const old = chainOf([2, 1], { epoch: 1, commitIndex: 3, value: 'lost' }, end)
  const goesOn = chainOf([1, 2], { epoch: 2, commitIndex: 7 }, end)
  const settled = recordAfter(endOfAll(goesOn), { epoch: 2, commitIndex: 10 })
  const folder = await stoppedCluster(t, [
    [...common, ...old],
    [...common, ...goesOn, settled],
  ])
  const { exitCode, stdout } = await varve(['replica', 'diff', '--data', folder.path])
  t.is(exitCode, 1, stdout)
  t.regex(stdout, /first\s+differ\s+2\s+10 \/ 11/)
  t.regex(stdout, /part at index 8; all up to 7 is the same/)
  t.regex(stdout, /127\.0\.0\.1:7001 .*first\/8 .*e1 {2}set {4}key-8 lost {2}\(not committed yet\)/)
  t.regex(stdout, /127\.0\.0\.1:7002 .*first\/8 .*e2 {2}set {4}key-8 value-8/)
  t.regex(stdout, /the 3 entries of 127\.0\.0\.1:7001 from there on are not committed: they are cut off/)
  t.regex(stdout, /4 keys written differently since, newest first:/)
  t.regex(stdout, /127\.0\.0\.1:7001: not written since/)
  const out = join(tempFolder(t), 'fork')
  const stale = await varve(['fork', '--data', folder.path, '--out', out, '--replica', NODES[0]])
  t.is(stale.exitCode, 0, 'who names a replica gets what that one holds')
  await t.throwsAsync(refuseStale(folder.path, NODES[0]), {
    message: /part at index 8: .*--replica 127.0.0.1:7002/,
  })
  await t.notThrowsAsync(refuseStale(folder.path, NODES[1]))
})

/** The check that comes before a fork of this replica's copy, up to its end. */
async function refuseStale(folder: string, replica: string): Promise<void> {
  const source = await openOfflineLog(folder, replica, undefined)
  try {
    const { lastIndex: index } = await source.logInfo('first')
    const cuts = { first: { index, epoch: 1, lamport: 1, wallMs: 1 } }
    await refuseStaleCopies(folder, source, { moment: { lamport: 1 }, cuts })
  } finally {
    await source.close()
  }
}

test('History that is committed on both sides and differs is an alarm, in JSON with the entries', async t => {
  const common = chainOf([3])
  const left = chainOf([2, 2], {}, endOfAll(common))
  const right = chainOf([2, 2], { value: 'forged' }, endOfAll(common))
  for (const records of [left, right]) records.push(recordAfter(endOfAll(records), { commitIndex: 7 }))
  const folder = await stoppedCluster(t, [
    [...common, ...left],
    [...common, ...right],
  ])
  const said = await varve(['replica', 'diff', '--data', folder.path])
  t.regex(said.stdout, /both hold their own as committed, which must never be/)
  const { exitCode, stdout } = await varve(['replica', 'diff', '--data', folder.path, '-o', 'json'])
  t.is(exitCode, 1)
  const [shard] = JSON.parse(stdout).shards
  t.is(shard.verdict, 'differ')
  const [parting] = shard.logs
  t.is(parting.index, 4)
  t.is(parting.commonIndex, 3)
  t.is(parting.first.left.value, 'value-4')
  t.is(parting.first.right.value, 'forged')
  t.is(parting.keyCount, 4)
  t.is(parting.keys[0].key, 'key-4')
  t.is(parting.keys[0].right.entries[0].value, 'forged')
})

test('Folders of nodes that stopped at different places do not differ', async t => {
  const records = chainOf([3, 4, 5])
  const folder = await stoppedCluster(t, [records, records.slice(0, 2)])
  const { exitCode, stdout } = await varve(['replica', 'diff', '--data', folder.path])
  t.is(exitCode, 0, stdout)
  t.regex(stdout, /first\s+behind\s+2\s+12 \/ 7/)
})

test('The logs of running replicas are compared by the same search', async t => {
  await using cluster = await startLocalCluster({ replicas: 2 })
  const options = { endpoints: cluster.endpoints, output: 'table', timeout: 5_000 } as const
  const [shard] = cluster.shardMap().shards.map(({ name }) => name)
  const sources = await Promise.all(cluster.endpoints.map(replica => openLogSource({ ...options, replica })))
  const { pairs, unread } = await comparePairs(
    sources.map(source => () => replicaLogOf(source, shard!)),
    5,
  )
  t.deepEqual(unread, [])
  t.is(pairs[0]!.parting.kind, 'same')
  await Promise.all(sources.map(source => source.close()))
})

test('A running fork parts from the running original where it was cut, and nowhere before', async t => {
  const [dataDir, forkDir] = [join(tempFolder(t), 'original'), join(tempFolder(t), 'fork')]
  const first = await startLocalCluster({ dataDir })
  await writeKeys(first.endpoints, 'before')
  await first.close()
  const store = await LevelLogStore.open({ dir: join(dataDir, 'node-1'), logger: nullLogger })
  const log = store.log(0)
  const cutIndex = log.lastIndex
  const config = await onFreePorts(makeLocalConfig({ shards: 1, replicas: 1, basePort: 1 }))
  mkdirSync(forkDir)
  writeFileSync(join(forkDir, 'cluster.json'), serializeClusterConfig(config))
  const dirs = { coordinatorDir: join(forkDir, 'coordinator'), nodeDir: join(forkDir, 'node-1') }
  const shard = { ordinal: 0, cutIndex, base: undefined, records: log.records(0) }
  await writeFork({ config, ...dirs, shards: [shard] })
  await store.close()
  await using original = await startLocalCluster({ dataDir })
  await using fork = await startLocalCluster({ dataDir: forkDir })
  await writeKeys(original.endpoints, 'in the original')
  const sources = await Promise.all(
    [original, fork].map(({ endpoints }) => openLogSource({ endpoints, output: 'table', timeout: 5_000 })),
  )
  const logs = sources.map(source => () => replicaLogOf(source, 'shard_0'))
  const { pairs, unread } = await comparePairs(logs, 2)
  t.deepEqual(unread, [])
  const [pair] = pairs
  t.is(pair!.parting.kind === 'parted' && pair!.parting.commonIndex, cutIndex)
  t.is(pair!.first?.index, cutIndex + 1)
  t.is(pair!.first!.right.epoch, 1_000_001)
  t.is(pair!.keys!.count, 3)
  const text = partingLines('shard_0', pair!).join('\n')
  t.regex(text, /both hold their own as committed, which must never be/)
  t.regex(text, /3 keys written differently since, 2 of them here, newest first/)
  t.regex(text, /a\n {6}127\.0\.0\.1:\d+: \d+ set in the original \(before that at index \d+\)/)
  await Promise.all(sources.map(source => source.close()))
})

async function writeKeys(endpoints: readonly string[], value: string): Promise<void> {
  const client = await connect([...endpoints])
  for (const key of ['a', 'b', 'c']) await client.set(key, value)
  await client.close()
}
