/** What operators are told by the coordinator: what exists, what a rule forbids, and what to do instead. */
import test from 'ava'
import type { ReplicaSummary } from '../../src/generated/varve/v1/replication.js'
import { nullLogger } from '../../src/log/logger.js'
import { StampClock } from '../../src/log/stamp.js'
import { CoordinatorAdmin } from '../../src/node/coordinator-admin.js'
import { CoordinatorDriver } from '../../src/replication/coordinator-driver.js'
import type { Body } from '../../src/replication/effects.js'
import type { Membership, MembershipStore, StoredMembership } from '../../src/replication/membership.js'
import { plantTree } from '../../src/replication/topology.js'

const LOG_ID = 'a'.repeat(32)

/** A coordinator whose shard is in office with these members; what it sends goes nowhere. */
function bench(members: readonly string[], minInSync: number) {
  const peers = members.map((address, at) => ({ address, incarnation: at + 1 }))
  const tree = plantTree(1, peers)
  const head = members[0]!
  const current = {
    ...{ shard: 0, logId: LOG_ID, epoch: 1, head, members: tree, topology: 1 },
    ...{ minInSync, status: 2, recovery: undefined },
  }
  const values = new Map<number, StoredMembership>()
  const membership: Membership = {
    logId: LOG_ID,
    reservedEpoch: 1,
    current,
    active: current,
    activeEpochIndex: 1,
    base: current,
    baseEpochIndex: 1,
    baseEpochHash: '00',
    activeEpochs: [1],
    reports: {},
    commitBound: 1,
    wanted: members.length,
    left: [],
    recovery: null,
  }
  values.set(0, { revision: 1, membership })
  const store: MembershipStore = {
    clusterId: 'here',
    read: ordinal => values.get(ordinal),
    write: async (ordinal, revision, next) => {
      values.set(ordinal, { revision: revision + 1, membership: next })
      return revision + 1
    },
    close: async () => {},
  }
  const shards = [{ ordinal: 0, name: 'shard_0', replicas: members, topology: 'chain' as const, minInSync }]
  const driver = new CoordinatorDriver({
    address: 'c',
    shards,
    defaultConsistency: 'strong',
    heartbeatTimeoutMs: 1_000,
    firstRevision: 1,
    newLogId: () => LOG_ID,
    store,
    incarnation: 99,
    clock: new StampClock(() => 0),
    transport: { send: () => true, onMessage: () => {}, onLinkDown: () => {}, close: async () => {} },
    logger: nullLogger,
    nowMs: () => 0,
    onMap: () => {},
    onAlarm: () => {},
  })
  const say = (from: string, incarnation: number, body: Body) => {
    const stamp = { lamport: 0, wallMs: 0 }
    driver.message({ from, incarnation, clusterId: 'here', stamp, shard: 0, epoch: 0, body })
  }
  const register = (from: string, incarnation: number, confirmed = true) => {
    const replicas: ReplicaSummary[] = []
    say(from, incarnation, { $case: 'register', value: { replicas, version: '1', confirmed } })
  }
  for (const [at, address] of members.entries()) register(address, at + 1)
  const foreignCluster = (address: string) => (address === 'stranger' ? 'elsewhere' : undefined)
  const admin = new CoordinatorAdmin({ driver, shards, clusterId: 'here', foreignCluster })
  return { admin, register }
}

test('a node or shard that does not exist is answered with those that do', async t => {
  const { admin } = bench(['a', 'b', 'x'], 2)
  t.throws(() => admin.leave({ address: 'nobody', shard: '', force: false }), {
    message: /there is no node nobody, the coordinator knows: a, b, x/,
  })
  t.throws(() => admin.leave({ address: 'a', shard: 'shard_9', force: false }), {
    message: /no shard "shard_9", the cluster has: shard_0/,
  })
  await t.throwsAsync(admin.recover({ shard: 'shard_9', acceptDataLoss: true, address: '' }), {
    message: /no shard "shard_9"/,
  })
})

test('below minInSync a node leaves only by force, and the last one not even so', t => {
  const { admin } = bench(['a', 'b'], 2)
  t.throws(() => admin.leave({ address: 'a', shard: '', force: false }), {
    message: /without a, shard_0 has 1 of 2 in-sync members and refuses strong requests/,
  })
  t.deepEqual(admin.leave({ address: 'a', shard: '', force: true }), { shards: ['shard_0'] })
  const alone = bench(['a'], 1)
  t.throws(() => alone.admin.leave({ address: 'a', shard: '', force: true }), {
    message: /a is the last member of shard_0 and cannot leave/,
  })
})

test('a node of another cluster is not joined, and its cluster is named', t => {
  const { admin } = bench(['a', 'b'], 1)
  t.throws(() => admin.join({ address: 'stranger', shard: 'shard_0' }), {
    message: /stranger is a node of cluster elsewhere, this is cluster here: start it with an empty folder/,
  })
  t.throws(() => admin.join({ address: 'a', shard: 'shard_0' }), {
    message: /a is a member of shard_0 already/,
  })
})

test('nothing is given up where nothing is lost, nor without saying so', async t => {
  const { admin } = bench(['a', 'b'], 1)
  await t.throwsAsync(admin.recover({ shard: 'shard_0', acceptDataLoss: true, address: '' }), {
    message: /shard_0 does not wait for lost members: there is nothing to recover/,
  })
  await t.throwsAsync(admin.recover({ shard: 'shard_0', acceptDataLoss: false, address: '' }), {
    message: /gives up what only the lost members held: say so with --accept-data-loss/,
  })
})

test('a second process that claims an address and is not there is named, and displaces nobody', t => {
  const { admin, register } = bench(['a', 'b'], 1)
  register('a', 77, false)
  const [a] = admin.listNodes().nodes
  t.is(a?.incarnation, 1)
  t.is(a?.state, 'alive')
  t.regex(a!.fault, /another process \(incarnation 77\) claims this address and does not answer there/)
})
