import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { serializeClusterConfig } from '../../src/node/cluster-config.js'
import { DataFolder } from '../../tools/local/data-folder.js'
import { planCluster, type ShapeFlags } from '../../tools/local/plan.js'
import { tempFolder } from './temp-folder.js'

function existing(t: ExecutionContext, flags: ShapeFlags): DataFolder {
  const folder = new DataFolder(join(tempFolder(t), 'data'))
  folder.create(serializeClusterConfig(planCluster(folder, flags)))
  return folder
}

test('Without flags it is three shards of three replicas, a chain, strong, from port 5000', t => {
  const config = planCluster(new DataFolder(join(tempFolder(t), 'new')), {})
  t.is(config.coordinator, '127.0.0.1:5000')
  t.is(config.topology, 'chain')
  t.is(config.consistency, 'strong')
  t.deepEqual(
    Object.values(config.shards).map(addresses => addresses.length),
    [3, 3, 3],
  )
})

test('A folder keeps its configuration, and flags may repeat it', t => {
  const folder = existing(t, { shards: 2, replicas: 1, topology: 'star', basePort: 7100 })
  const stored = planCluster(folder, {})
  t.is(stored.topology, 'star')
  t.deepEqual(
    planCluster(folder, { shards: 2, replicas: 1, nodes: 1, basePort: 7100, consistency: 'strong' }),
    stored,
  )
})

const differing: [flags: ShapeFlags, message: RegExp][] = [
  [{ shards: 5 }, /^--shards: 5 given, but the cluster in .* has 2: leave it out to start that cluster/],
  [{ replicas: 1 }, /^--replicas: 1 given, .* has 3:/],
  [{ nodes: 4 }, /^--nodes: 4 given, .* has 3:/],
  [{ topology: 'star' }, /^--topology: star given, .* has chain:/],
  [{ consistency: 'weak' }, /^--consistency: weak given, .* has strong:/],
  [{ minInSync: 1 }, /^--min-in-sync: 1 given, .* has the default:/],
  [{ basePort: 6000 }, /^--base-port: 6000 given, .* has 5000:/],
]

for (const [flags, message] of differing) {
  test(`A folder's cluster is not changed by ${JSON.stringify(flags)}; the error names the flag`, t => {
    const folder = existing(t, { shards: 2, replicas: 3 })
    t.throws(() => planCluster(folder, flags), { message })
  })
}

test('A file that differs from what the folder has is refused, naming the field', t => {
  const folder = existing(t, { shards: 1, replicas: 2 })
  const file = join(tempFolder(t), 'other.json')
  const other = { coordinator: '127.0.0.1:5000', shards: { shard_0: ['127.0.0.1:5001', '127.0.0.1:5009'] } }
  writeFileSync(file, JSON.stringify(other))
  t.throws(() => planCluster(folder, { config: file }), {
    message: /^shards\.shard_0\[1\]: 127\.0\.0\.1:5009 given, but the cluster in .* has 127\.0\.0\.1:5002/,
  })
})

test('A file and flags that shape the cluster exclude each other; mode and topology may be given beside', t => {
  const dir = tempFolder(t)
  const file = join(dir, 'c.json')
  writeFileSync(file, JSON.stringify({ coordinator: 'h:1', shards: { a: ['h:2'] } }))
  const folder = new DataFolder(join(dir, 'new'))
  t.throws(() => planCluster(folder, { config: file, shards: 2 }), {
    message: /^--shards given together with --config/,
  })
  const config = planCluster(folder, { config: file, topology: 'star', consistency: 'weak' })
  t.is(config.topology, 'star')
  t.is(config.consistency, 'weak')
  t.throws(() => planCluster(folder, { config: file, minInSync: 2 }), {
    message: /minInSync: 2 given, allowed is 1 to 1/,
  })
})

test('A file that is not there, and numbers that do not fit, are errors of the flag', t => {
  const folder = new DataFolder(join(tempFolder(t), 'new'))
  t.throws(() => planCluster(folder, { config: 'missing.json' }), {
    message: /^--config missing\.json: there is no such file/,
  })
  t.throws(() => planCluster(folder, { replicas: 3, nodes: 2 }), {
    message: /^--nodes: 2 given, allowed is 3/,
  })
  t.throws(() => planCluster(folder, { replicas: 3, minInSync: 4 }), {
    message: /^--min-in-sync: 4 given, allowed is 1 to 3/,
  })
  t.throws(() => planCluster(folder, { basePort: 65535 }), { message: /^--base-port: 65535 given/ })
})

test('A folder with something else in it does not become a cluster', t => {
  const path = tempFolder(t)
  t.notThrows(() => new DataFolder(path).checkUsable())
  writeFileSync(join(path, 'thesis.txt'), '')
  t.throws(() => new DataFolder(path).checkUsable(), {
    message: /no cluster\.json.*not empty \(thesis\.txt is in it\)/,
  })
  t.throws(() => new DataFolder(join(path, 'thesis.txt')).checkUsable(), { message: /is a file/ })
})

test('One folder has one path, however it is reached', t => {
  const path = tempFolder(t)
  mkdirSync(join(path, 'real'))
  symlinkSync(join(path, 'real'), join(path, 'link'))
  t.is(new DataFolder(join(path, 'link')).path, join(path, 'real'))
  t.is(new DataFolder(join(path, 'link', 'new')).path, join(path, 'real', 'new'))
})
