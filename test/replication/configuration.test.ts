import test from 'ava'
import { Topology } from '../../src/generated/varve/v1/cluster.js'
import { type Configuration, ConfigurationStatus } from '../../src/generated/varve/v1/replication.js'
import {
  activated,
  childrenOf,
  configurationFault,
  hasEnoughMembers,
  isActive,
  isMember,
  memberAt,
} from '../../src/replication/configuration.js'
import { plantTree } from '../../src/replication/topology.js'

function configuration(change: Partial<Configuration> = {}): Configuration {
  const peers = ['a', 'b', 'c'].map((address, at) => ({ address, incarnation: at + 1 }))
  return {
    shard: 0,
    logId: 'a'.repeat(32),
    epoch: 4,
    head: 'a',
    members: plantTree(Topology.CHAIN, peers),
    topology: Topology.CHAIN,
    minInSync: 2,
    status: ConfigurationStatus.PROPOSED,
    recovery: undefined,
    ...change,
  }
}

test('a chain and a star as the coordinator plants them are sound', t => {
  t.is(configurationFault(configuration()), undefined)
  const star = plantTree(Topology.STAR, configuration().members)
  t.is(configurationFault(configuration({ members: star, topology: Topology.STAR })), undefined)
})

test('a configuration with a fault says which', t => {
  const { members } = configuration()
  const [a, b, c] = members as [(typeof members)[0], (typeof members)[0], (typeof members)[0]]
  const faults: [Partial<Configuration>, RegExp][] = [
    [{ epoch: 0 }, /epoch 0 is not positive/],
    [{ head: 'x' }, /head x is not a member/],
    [{ head: 'b' }, /head b is not a member without upstream/],
    [{ members: [a, b, b] }, /named twice/],
    [{ members: [a, b, { ...c, upstream: 'x' }] }, /c does not hang on the head/],
    [{ members: [a, { ...b, upstream: 'c' }, { ...c, upstream: 'b' }] }, /b does not hang on the head/],
    [{ members: [a, b, { ...c, upstream: '' }] }, /c does not hang on the head/],
  ]
  for (const [change, expected] of faults) t.regex(configurationFault(configuration(change)) ?? '', expected)
})

test('only the process that a configuration names is its member, not an earlier or later life of it', t => {
  t.true(isMember(configuration(), 'b', 2))
  t.false(isMember(configuration(), 'b', 3))
  t.false(isMember(configuration(), 'x', 2))
  t.is(memberAt(configuration(), 'b')?.incarnation, 2)
})

test('children are those that follow an address', t => {
  t.deepEqual(
    childrenOf(configuration(), 'b').map(({ address }) => address),
    ['c'],
  )
  t.deepEqual(childrenOf(configuration(), 'c'), [])
})

test('a configuration has enough members from minInSync on', t => {
  t.true(hasEnoughMembers(configuration({ minInSync: 3 })))
  t.false(hasEnoughMembers(configuration({ minInSync: 4 })))
})

test('activating makes a new value that differs in nothing else', t => {
  const proposed = configuration()
  const active = activated(proposed)
  t.false(isActive(proposed))
  t.true(isActive(active))
  t.deepEqual({ ...active, status: ConfigurationStatus.PROPOSED }, proposed)
})
