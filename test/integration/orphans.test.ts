/** Weak writes that a failover takes away are found on the old head's disk, and come back once. */
import test, { type ExecutionContext } from 'ava'
import { connect, type VarveClient } from '../../src/client/client.js'
import { Inspector } from '../../src/client/inspector.js'
import type { Entry } from '../../src/generated/varve/v1/entry.js'
import { flipBitIn } from './support/damage.js'
import { TestCluster, until } from './support/processes.js'
import { replicasDiffer } from './support/replicas.js'

const KEYS = Array.from({ length: 20 }, (_, at) => `lost-${at}`)

async function headOf(client: VarveClient): Promise<string> {
  const [shard] = (await client.shardMap()).shards
  if (shard?.status !== 'ACTIVE') throw new Error(`${shard?.status}: ${shard?.waitingFor}`)
  return shard.head
}

/** A cluster whose head took weak writes that nobody else ever saw, and came back under another head. */
async function clusterWithLosses(t: ExecutionContext): Promise<{ cluster: TestCluster; old: string }> {
  const cluster = await TestCluster.start(t, { replicas: 3 })
  const client = await connect(cluster.endpoints)
  await client.set('kept', 'value')
  const old = await headOf(client)
  await client.close()
  const others = cluster.nodes.filter(({ address }) => address !== old)
  await Promise.all(others.map(node => node.end('SIGKILL')))
  const alone = await connect([old], { consistency: 'weak', timeoutMs: 30_000 })
  for (const key of KEYS) await alone.set(key, 'acknowledged')
  await alone.close()
  await cluster.node(old).end('SIGKILL')
  for (const node of others) node.start()
  await until('another head serves', async () => {
    await using again = await connect(
      others.map(({ address }) => address),
      { timeoutMs: 5_000 },
    )
    const head = await headOf(again)
    if (head === old) throw new Error(`${head} is still the head`)
    await again.set('after', 'value')
  })
  cluster.node(old).start()
  await until('the old head is a member again', async () => {
    await using again = await connect(cluster.endpoints, { timeoutMs: 5_000 })
    const [shard] = (await again.shardMap()).shards
    const isMember = shard?.status === 'ACTIVE' && shard.members.some(({ address }) => address === old)
    if (!isMember) throw new Error(JSON.stringify(shard))
  })
  return { cluster, old }
}

test('weak writes that a failover took away are orphans of the old head, and are written anew once', async t => {
  const { cluster, old } = await clusterWithLosses(t)
  await using client = await connect(cluster.endpoints)
  t.is(await client.get(KEYS[0]!), undefined)
  using inspector = new Inspector({ timeoutMs: 30_000 })
  const orphans: Entry[] = []
  for await (const { entries } of inspector.readOrphans(old, { shard: 'shard_0' })) orphans.push(...entries)
  const lost = orphans.filter(({ key }) => key.toString().startsWith('lost-'))
  t.deepEqual(
    lost.map(({ key }) => key.toString()),
    KEYS,
  )
  t.true(lost.every(({ position }) => position!.committed === false))

  const refused = await t.throwsAsync(inspector.resubmit(old, { shard: 'shard_0', entries: lost }))
  const head = await headOf(client)
  t.like(refused, { code: 'NOT_HEAD', hint: head })
  const resubmit = async () => {
    return await until('the head answers', async () => {
      const now = await headOf(client)
      return (await inspector.resubmit(now, { shard: 'shard_0', entries: lost })).results
    })
  }
  const first = await resubmit()
  t.true(first.every(({ outcome }) => outcome === 'written'))
  for (const key of KEYS) t.is(await client.get(key), 'acknowledged')

  await cluster.node(head).end('SIGKILL')
  const second = await resubmit()
  t.true(second.every(({ outcome }) => outcome === 'already resubmitted'))
  t.deepEqual(
    second.map(({ position }) => position!.index),
    first.map(({ position }) => position!.index),
  )
})

test('a node whose folder is damaged comes back empty and is filled by the others', async t => {
  const cluster = await TestCluster.start(t, { replicas: 3 })
  const client = await connect(cluster.endpoints, { timeoutMs: 30_000 })
  t.teardown(() => client.close())
  const value = 'v'.repeat(1_000)
  for (let at = 0; at < 50; at += 1) await client.set(`key-${at}`, `${value}${at}`)
  const node = cluster.nodes.at(-1)!
  await node.end('SIGKILL')
  flipBitIn(node.dataDir, Buffer.from(value))
  await client.set('meanwhile', 'value')
  node.start()
  await until('it holds all again', async () => await replicasDiffer(cluster))
  t.regex(node.output, /the data folder is damaged .*it was renamed to/)
  t.is(await client.get('key-7'), `${value}7`)
})
