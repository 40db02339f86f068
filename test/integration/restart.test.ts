/** What was acknowledged is there after every process was killed at a random moment under load. */
import test, { type ExecutionContext } from 'ava'
import { connect, type VarveClient } from '../../src/client/client.js'
import { Load } from './support/load.js'
import { type Shape, TestCluster, until } from './support/processes.js'
import { replicasDiffer } from './support/replicas.js'

async function killsAndComesBack(t: ExecutionContext, shape: Shape, rounds: number): Promise<void> {
  const cluster = await TestCluster.start(t, shape)
  for (let round = 0; round < rounds; round += 1) {
    const load = await Load.start(cluster.endpoints, shape.consistency ?? 'strong', 32)
    const enough = 500 + Math.floor(Math.random() * 2_000)
    await until('some writes are acknowledged', async () => {
      if (load.acknowledged < enough) throw new Error(`${load.acknowledged} of ${enough}`)
    })
    await cluster.killAll()
    await load.stop()
    cluster.startAll()
    await cluster.ready()
    const client = await connect(cluster.endpoints, { consistency: 'strong', timeoutMs: 30_000 })
    await checkKnowledge(t, client, load)
    await client.close()
    await until('all replicas are equal', () => replicasDiffer(cluster))
  }
}

async function checkKnowledge(t: ExecutionContext, client: VarveClient, load: Load): Promise<void> {
  for (const [key, { acknowledged, issued }] of load.known) {
    const value = Number((await client.get(key)) ?? 0)
    t.true(
      value >= acknowledged && value <= issued,
      `${key} is ${value}: expected ${acknowledged} to ${issued}`,
    )
  }
}

test('chain, strong: every acknowledged write survives kill -9 of everything', async t => {
  await killsAndComesBack(t, { shards: 2, replicas: 3, topology: 'chain', consistency: 'strong' }, 2)
})

test('star, weak: every acknowledged write survives kill -9 of everything, as the disks survive', async t => {
  await killsAndComesBack(t, { shards: 1, replicas: 3, topology: 'star', consistency: 'weak' }, 1)
})

test('one node after another is killed and restarted under load, and no write is lost or doubled', async t => {
  const cluster = await TestCluster.start(t, { shards: 1, replicas: 3, topology: 'chain' })
  const load = await Load.start(cluster.endpoints, 'strong', 16)
  for (const node of cluster.nodes) {
    const before = load.acknowledged
    await node.end('SIGKILL')
    node.start()
    await until('writes go on', async () => {
      if (load.acknowledged < before + 200) throw new Error(`${load.acknowledged} of ${before + 200}`)
    })
  }
  await load.stop()
  const client = await connect(cluster.endpoints, { consistency: 'strong', timeoutMs: 30_000 })
  await checkKnowledge(t, client, load)
  await client.close()
  await until('all replicas are equal', () => replicasDiffer(cluster))
})

test('reads and writes go on while the coordinator is down, and it finds its way back', async t => {
  const cluster = await TestCluster.start(t, { shards: 1, replicas: 3 })
  const client = await connect(cluster.endpoints, { timeoutMs: 30_000 })
  await client.set('before', '1')
  await cluster.coordinator.end('SIGKILL')
  for (let at = 0; at < 100; at += 1) await client.set('during', String(at))
  t.is(await client.get('during'), '99')
  cluster.coordinator.start()
  await cluster.ready()
  await client.set('after', '1')
  const { shards } = client.shardMap()
  t.is(shards[0]!.epoch, 1, 'nothing had to change')
  await client.close()
})

test('an orderly end and a new start keep everything', async t => {
  const cluster = await TestCluster.start(t, { shards: 3, replicas: 3 })
  const client = await connect(cluster.endpoints, { timeoutMs: 30_000 })
  await Promise.all(Array.from({ length: 500 }, (_, at) => client.set(`key-${at}`, `value-${at}`)))
  await client.close()
  const codes = await Promise.all(cluster.processes.map(each => each.end('SIGTERM')))
  t.deepEqual(
    codes,
    codes.map(() => 0),
  )
  cluster.startAll()
  await cluster.ready()
  const again = await connect(cluster.endpoints, { timeoutMs: 30_000 })
  for (let at = 0; at < 500; at += 1) t.is(await again.get(`key-${at}`), `value-${at}`)
  await again.close()
})
