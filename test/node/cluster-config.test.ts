import { readFileSync } from 'node:fs'
import test from 'ava'
import fc from 'fast-check'
import {
  ClusterConfigError,
  defaultMinInSync,
  makeLocalConfig,
  nodesOf,
  parseClusterConfig,
  serializeClusterConfig,
  withNode,
} from '../../src/node/cluster-config.js'

const good = {
  coordinator: '127.0.0.1:5000',
  consistency: 'weak',
  topology: 'star',
  shards: { shard_0: ['127.0.0.1:5001', '127.0.0.1:5002'], shard_1: ['127.0.0.1:5002', '127.0.0.1:5001'] },
}

function parse(config: unknown) {
  return parseClusterConfig(typeof config === 'string' ? config : JSON.stringify(config), 'c.json')
}

test('A configuration is read as it is written, shards in their order', t => {
  const config = parse(good)
  t.deepEqual(config as unknown, good)
  t.deepEqual(Object.keys(config.shards), ['shard_0', 'shard_1'])
  t.deepEqual(nodesOf(config), ['127.0.0.1:5001', '127.0.0.1:5002'])
})

test('Nodes that hold no shard come after those that do, each once', t => {
  const config = parse({ ...good, nodes: ['127.0.0.1:5009', '127.0.0.1:5001'] })
  t.deepEqual(nodesOf(config), ['127.0.0.1:5001', '127.0.0.1:5002', '127.0.0.1:5009'])
  const larger = withNode(config, '127.0.0.1:5010')
  t.is(nodesOf(larger).at(-1), '127.0.0.1:5010')
  t.deepEqual(parse(serializeClusterConfig(larger)), larger)
  t.throws(() => withNode(config, config.coordinator), { message: /which is the coordinator/ })
})

test('Topology and consistency may be left out: a chain and strong', t => {
  const { coordinator, shards } = good
  const config = parse({ coordinator, shards })
  t.is(config.topology, 'chain')
  t.is(config.consistency, 'strong')
})

test('What is serialized reads back the same', t => {
  const config = makeLocalConfig({ shards: 4, replicas: 3, nodes: 5, basePort: 7000, minInSync: 3 })
  t.deepEqual(parse(serializeClusterConfig(config)), config)
})

const refused: [what: string, config: unknown, message: RegExp][] = [
  [
    'text that is not JSON',
    '{"coordinator": ',
    /^c\.json: not JSON \(.+\): a configuration is a JSON object$/,
  ],
  ['a list', [], /^c\.json: \[\] given, a configuration is an object$/],
  [
    'no coordinator',
    { ...good, coordinator: undefined },
    /^c\.json: coordinator: nothing given, .*host:port/,
  ],
  [
    'a coordinator without a port',
    { ...good, coordinator: 'localhost' },
    /^c\.json: coordinator: "localhost" given, .*host:port/,
  ],
  [
    'port 0',
    { ...good, coordinator: 'localhost:0' },
    /coordinator: "localhost:0" given, .*port from 1 to 65535/,
  ],
  [
    'a port that is too high',
    { ...good, shards: { a: ['h:65536'] } },
    /shards\.a\[0\]: "h:65536" given, .*65535/,
  ],
  ['a host with a space', { ...good, shards: { a: ['a b:1'] } }, /shards\.a\[0\]: "a b:1" given/],
  [
    'an unknown consistency',
    { ...good, consistency: 'eventual' },
    /^c\.json: consistency: "eventual" given, allowed are "weak" and "strong"$/,
  ],
  [
    'an unknown topology',
    { ...good, topology: 3 },
    /^c\.json: topology: 3 given, allowed are "chain" and "star"$/,
  ],
  [
    'a field that does not exist',
    { ...good, shard: {} },
    /^c\.json: shard: no such field, allowed are coordinator, consistency, topology, minInSync, shards, nodes$/,
  ],
  ['no shard', { ...good, shards: {} }, /^c\.json: shards: 0 given, allowed are 1 to 65535 shards$/],
  ['shards as a list', { ...good, shards: [] }, /^c\.json: shards: \[\] given, shards is an object/],
  [
    'a shard without replicas',
    { ...good, shards: { a: [] } },
    /^c\.json: shards\.a: \[\] given, a shard is a list of at least one address$/,
  ],
  [
    'a shard that is a text',
    { ...good, shards: { a: 'h:1' } },
    /^c\.json: shards\.a: "h:1" given, a shard is a list/,
  ],
  [
    'a shard name with a slash',
    { ...good, shards: { 'a/b': ['h:1'] } },
    /shards\.a\/b: "a\/b" given, a shard name has/,
  ],
  [
    'a shard name that is too long',
    { ...good, shards: { ['x'.repeat(65)]: ['h:1'] } },
    /a shard name has 1 to 64/,
  ],
  [
    'an address twice in a shard',
    { ...good, shards: { a: ['h:1', 'h:2', 'h:1'] } },
    /^c\.json: shards\.a\[2\]: "h:1" given, which is shards\.a\[0\] already: /,
  ],
  [
    'the coordinator as a node',
    { ...good, shards: { a: ['127.0.0.1:5000'] } },
    /^c\.json: shards\.a\[0\]: "127\.0\.0\.1:5000" given, which is the coordinator/,
  ],
  ['nodes that are no list', { ...good, nodes: 'h:9' }, /^c\.json: nodes: "h:9" given, nodes is a list/],
  ['a node without a port', { ...good, nodes: ['h'] }, /^c\.json: nodes\[0\]: "h" given, .*host:port/],
  [
    'a node twice',
    { ...good, nodes: ['h:8', 'h:8'] },
    /^c\.json: nodes\[1\]: "h:8" given, which is nodes\[0\] already: nodes have different addresses$/,
  ],
  [
    'the coordinator among the nodes',
    { ...good, nodes: ['127.0.0.1:5000'] },
    /^c\.json: nodes\[0\]: "127\.0\.0\.1:5000" given, which is the coordinator/,
  ],
  [
    'a minInSync above the replicas',
    { ...good, minInSync: 3 },
    /^c\.json: minInSync: 3 given, allowed is 1 to 2/,
  ],
  [
    'a minInSync of 0',
    { ...good, minInSync: 0 },
    /^c\.json: minInSync: 0 given, minInSync is a whole number from 1$/,
  ],
  ['a minInSync that is no number', { ...good, minInSync: '2' }, /^c\.json: minInSync: "2" given/],
  [
    'a newer format',
    { ...good, formatVersion: 2 },
    /^c\.json: formatVersion: 2 given, this version of Varve reads 1: use a newer Varve$/,
  ],
  [
    'a field twice',
    '{"coordinator":"h:1","coordinator":"h:2","shards":{"a":["h:3"]}}',
    /^c\.json: coordinator: given twice/,
  ],
  [
    'a shard twice',
    '{"coordinator":"h:1","shards":{"a":["h:3"],"b":["h:4"],"a":["h:5"]}}',
    /^c\.json: shards\.a: given twice/,
  ],
]

for (const [what, config, message] of refused) {
  test(`Refuses ${what}, in one line that names the field`, t => {
    const error = t.throws(() => parse(config), { instanceOf: ClusterConfigError, message })
    t.false(error.message.includes('\n'))
  })
}

test('The same name in two objects is no field given twice', t => {
  t.notThrows(() => parse({ ...good, shards: { coordinator: ['h:1'], shards: ['h:2'] } }))
})

test('With as many nodes as replicas every node holds every shard, and the heads are spread', t => {
  const config = makeLocalConfig({ shards: 3, replicas: 3, basePort: 5000 })
  t.deepEqual(config.shards, {
    shard_0: ['127.0.0.1:5001', '127.0.0.1:5002', '127.0.0.1:5003'],
    shard_1: ['127.0.0.1:5002', '127.0.0.1:5003', '127.0.0.1:5001'],
    shard_2: ['127.0.0.1:5003', '127.0.0.1:5001', '127.0.0.1:5002'],
  })
})

test('Heads and replicas are spread evenly over any number of nodes', t => {
  const shape = fc
    .record({ shards: fc.integer({ min: 1, max: 20 }), replicas: fc.integer({ min: 1, max: 6 }) })
    .chain(({ shards, replicas }) =>
      fc.record({
        shards: fc.constant(shards),
        replicas: fc.constant(replicas),
        nodes: fc.integer({ min: replicas, max: shards * replicas }),
      }),
    )
  fc.assert(
    fc.property(shape, given => {
      const config = makeLocalConfig({ ...given, basePort: 5000 })
      const lists = Object.values(config.shards)
      const load = (addresses: string[]) =>
        Array.from(
          { length: given.nodes },
          (_, i) => addresses.filter(each => each === `127.0.0.1:${5001 + i}`).length,
        )
      const spread = (loads: number[]) => Math.max(...loads) - Math.min(...loads)
      t.true(lists.every(list => list.length === given.replicas && new Set(list).size === given.replicas))
      t.true(spread(load(lists.map(list => list[0]!))) <= 1)
      t.true(spread(load(lists.flat())) <= 2)
      t.true(load(lists.flat()).every(replicas => replicas > 0))
    }),
  )
})

test('Numbers that do not fit together are refused, naming what is allowed', t => {
  const make = (nodes: number) => () => makeLocalConfig({ shards: 2, replicas: 3, nodes, basePort: 5000 })
  t.throws(make(2), { message: /nodes: 2 given, allowed is 3 .* to 6/ })
  t.throws(make(7), { message: /nodes: 7 given/ })
  t.throws(() => makeLocalConfig({ shards: 1, replicas: 3, basePort: 65534 }), {
    message: /basePort: 65534 given/,
  })
})

test('Strong requests need two in-sync members where there are three or more replicas', t => {
  t.deepEqual([1, 2, 3, 11].map(defaultMinInSync), [1, 1, 2, 2])
})

for (const mode of ['weak', 'strong']) {
  test(`configs/10-${mode}.json is a star of three shards with a head and ten replicas each`, t => {
    const file = new URL(`../../configs/10-${mode}.json`, import.meta.url)
    const config = parseClusterConfig(readFileSync(file, 'utf8'), 'config')
    t.is(config.consistency as string, mode)
    t.is(config.topology, 'star')
    t.deepEqual(Object.keys(config.shards), ['shard_0', 'shard_1', 'shard_2'])
    t.true(Object.values(config.shards).every(addresses => addresses.length === 11))
    t.is(nodesOf(config).length, 33)
  })
}
