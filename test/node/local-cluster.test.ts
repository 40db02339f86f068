import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test from 'ava'
import { connect, startLocalCluster } from '../../src/index.js'

test('a cluster in one process serves, ends, and comes back from its folder with everything in it', async t => {
  const dataDir = mkdtempSync(join(tmpdir(), 'varve-local-'))
  t.teardown(() => rmSync(dataDir, { recursive: true, force: true }))
  const first = await startLocalCluster({ shards: 2, replicas: 3, topology: 'star', dataDir })
  const client = await connect(first.endpoints)
  await Promise.all(Array.from({ length: 100 }, (_, at) => client.set(`key-${at}`, `value-${at}`)))
  await client.batch([
    { type: 'set', key: '{cart}/a', value: '1' },
    { type: 'set', key: '{cart}/b', value: '2' },
    { type: 'delete', key: '{cart}/a' },
  ])
  t.deepEqual(
    first.shardMap().shards.map(({ status, members }) => [status, members.length]),
    [
      ['ACTIVE', 3],
      ['ACTIVE', 3],
    ],
  )
  await client.close()
  await first.close()

  await using second = await startLocalCluster({ dataDir })
  t.deepEqual(second.endpoints, first.endpoints, 'the folder says what the cluster is')
  await using again = await connect(second.endpoints)
  const keys: string[] = []
  for await (const { key } of again.scan()) keys.push(key)
  t.is(keys.length, 101)
  t.deepEqual(keys, [...keys].sort())
  t.is(await again.get('key-42'), 'value-42')
  t.is(await again.get('{cart}/a'), undefined)
})

test('any process of the cluster, the coordinator too, is a way in', async t => {
  await using cluster = await startLocalCluster({ replicas: 2 })
  for (const endpoint of [...cluster.endpoints, cluster.coordinator]) {
    await using client = await connect(endpoint)
    const { index } = await client.set('who', endpoint)
    t.is(await client.get('who'), endpoint)
    const refused = await client.set('who', 'nobody', { ifIndex: index - 1 })
    t.false(refused.applied)
  }
})
