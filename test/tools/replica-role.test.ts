import test from 'ava'
import { CommandError } from '../../tools/exit-codes.js'
import {
  addressOfRole,
  nodesInMap,
  parseTarget,
  type RoleName,
  rolesAt,
  rolesText,
  shardNamed,
} from '../../tools/replica-role.js'
import { chain, mapOf, star } from './shards.js'

const three = chain('shard_0', 0, ['h:1', 'h:2', 'h:3'])

test('A role or an address names a replica, and nothing else does', t => {
  t.deepEqual(parseTarget('tail'), { kind: 'role', role: 'TAIL' })
  t.deepEqual(parseTarget('h:1'), { kind: 'address', address: 'h:1' })
  for (const text of ['', 'heads', 'h', 'h:0', '5001']) {
    const error = t.throws(() => parseTarget(text), {
      instanceOf: CommandError,
      message: /given, expected HEAD, MIDDLE, TAIL, LEAF or the address of a node/,
    })
    t.is(error.exitCode, 2)
  }
})

const found: [role: RoleName, members: string[], shape: typeof chain, address: string][] = [
  ['HEAD', ['h:1', 'h:2', 'h:3'], chain, 'h:1'],
  ['MIDDLE', ['h:1', 'h:2', 'h:3', 'h:4'], chain, 'h:2'],
  ['TAIL', ['h:1', 'h:2', 'h:3'], chain, 'h:3'],
  ['TAIL', ['h:1'], chain, 'h:1'],
  ['HEAD', ['h:1'], star, 'h:1'],
  ['LEAF', ['h:1', 'h:2', 'h:3'], star, 'h:2'],
]
for (const [role, members, shape, address] of found) {
  test(`The ${role} of a ${shape.name} of ${members.length} is ${address}`, t => {
    t.is(addressOfRole(shape('s', 0, members), role), address)
  })
}

const missing: [role: RoleName, members: string[], shape: typeof chain, message: RegExp][] = [
  [
    'MIDDLE',
    ['h:1', 'h:2'],
    chain,
    /^s is a chain of 2 replicas without a MIDDLE: expected HEAD h:1, TAIL h:2, or the address of a node$/,
  ],
  ['LEAF', ['h:1', 'h:2', 'h:3'], chain, /expected HEAD h:1, MIDDLE h:2, TAIL h:3, or the address/],
  ['TAIL', ['h:1', 'h:2'], star, /^s is a star of 2 replicas without a TAIL: expected HEAD h:1, LEAF h:2,/],
  ['LEAF', ['h:1'], star, /^s is a star of 1 replica without a LEAF: expected HEAD h:1,/],
]
for (const [role, members, shape, message] of missing) {
  test(`A ${shape.name} of ${members.length} has no ${role}; the error names what it has`, t => {
    const error = t.throws(() => addressOfRole(shape('s', 0, members), role), { message })
    t.is((error as CommandError).exitCode, 2)
  })
}

test('A shard without members has no head to name, and the error says what it waits for', t => {
  const shard = { ...chain('s', 0, []), status: 'WAITING', waitingFor: '1 of 2 survivors' }
  t.throws(() => addressOfRole(shard, 'HEAD'), {
    message: 's has no HEAD now (WAITING: 1 of 2 survivors): give the address of a node',
  })
})

test('Where there are several shards one has to be named, and it has to exist', t => {
  const two = mapOf(three, chain('shard_1', 1, ['h:2']))
  t.is(shardNamed(two, 'shard_1', 'the HEAD').ordinal, 1)
  t.is(shardNamed(mapOf(three), undefined, 'the HEAD').name, 'shard_0')
  t.throws(() => shardNamed(two, undefined, 'the HEAD'), {
    message: '--shard is missing: the HEAD of which shard? The cluster has shard_0, shard_1',
  })
  t.throws(() => shardNamed(two, 'x', 'the HEAD'), {
    message: 'shard "x" given, the cluster has shard_0, shard_1',
  })
})

test('What a node is to the shards is told by kind, learners included', t => {
  const learner = { address: 'h:9', upstream: 'h:3', index: 0, baseReceivedBytes: 0, baseTotalBytes: 0 }
  const map = mapOf(
    three,
    chain('shard_1', 1, ['h:2', 'h:1', 'h:3']),
    { ...star('shard_2', 2, ['h:3', 'h:1']), learners: [learner] },
    chain('shard_3', 3, ['h:1']),
  )
  t.is(rolesText(rolesAt(map, 'h:1')), 'head of shard_0, shard_3; middle of shard_1; leaf of shard_2')
  t.is(rolesText(rolesAt(map, 'h:9')), 'learner of shard_2')
  t.deepEqual(rolesAt(map, 'h:7'), [])
  t.deepEqual(nodesInMap(map), ['h:1', 'h:2', 'h:3', 'h:9'])
})
