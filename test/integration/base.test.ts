/** A node that has nothing, in a cluster whose logs are not kept from their beginning any more: the base comes first. */
import { rmSync } from 'node:fs'
import test, { type ExecutionContext } from 'ava'
import { connect } from '../../src/client/client.js'
import { Inspector } from '../../src/client/inspector.js'
import { LevelLogStore } from '../../src/log/level-log.js'
import { nullLogger } from '../../src/log/logger.js'
import { openProjection } from '../../src/projection/checkpoint.js'
import { trimIndexAt, trimLog } from '../../src/projection/trim.js'
import { TestCluster, type TestProcess, until } from './support/processes.js'
import { replicasDiffer } from './support/replicas.js'

const KEYS = 2_000
const VALUE = 'v'.repeat(2_000)

/** Trims a stopped node's log as far as that can be. Returns the index. */
async function trimStopped({ dataDir }: TestProcess): Promise<number> {
  const store = await LevelLogStore.open({ dir: dataDir, logger: nullLogger })
  try {
    const log = store.log(0)
    const { blobs } = store
    const projection = await openProjection({ log, blobs, logger: nullLogger })
    const index = trimIndexAt(log, projection, log.lastIndex)
    await trimLog({ log, projection, blobs, logger: nullLogger, index, writtenMs: 1_000 })
    return index
  } finally {
    await store.close()
  }
}

/** Two rounds of writes: every key has an entry that is gone, and one that is live. */
async function fill(t: ExecutionContext, cluster: TestCluster): Promise<void> {
  await using client = await connect(cluster.endpoints, { timeoutMs: 60_000 })
  for (const round of [1, 2]) {
    const keys = Array.from({ length: KEYS }, (_, at) => at)
    await Promise.all(keys.map(at => client.set(`key-${at}`, `${round} ${VALUE}`)))
  }
  await client.delete('key-0')
  t.is(await client.get('key-0'), undefined)
}

test('a node with an empty disk gets the base, then the log, and is a member with the same state', async t => {
  const cluster = await TestCluster.start(t, { replicas: 3 })
  await fill(t, cluster)
  await until('the replicas are the same', () => replicasDiffer(cluster))
  await Promise.all(cluster.processes.map(each => each.end('SIGTERM')))
  const trimmed = await Promise.all(cluster.nodes.map(node => trimStopped(node)))
  t.true(trimmed.every(index => index >= KEYS * 2))
  const [wiped] = cluster.nodes.slice(-1)
  rmSync(wiped!.dataDir, { recursive: true })
  cluster.startAll()
  await until('all are members again', async () => {
    await using client = await connect(cluster.endpoints, { timeoutMs: 5_000 })
    const [shard] = (await client.shardMap()).shards
    if (shard?.status !== 'ACTIVE' || shard.members.length < 3) throw new Error(JSON.stringify(shard))
  })
  await using client = await connect(cluster.endpoints, { timeoutMs: 60_000 })
  await client.set('after', 'all')
  t.is(await client.get('key-1', { consistency: 'weak', replica: wiped!.address }), `2 ${VALUE}`)
  t.is(await client.get('key-0'), undefined)
  await until('the replicas are the same', () => replicasDiffer(cluster))
  using inspector = new Inspector({ timeoutMs: 30_000 })
  const status = await inspector.nodeStatus(wiped!.address)
  t.true(status.replicas[0]!.baseIndex >= KEYS * 2)
  t.regex(wiped!.output, /base installed/)
})
