import test from 'ava'
import type { ReplicaSummary } from '../../src/generated/varve/v1/replication.js'
import { Coordinator, type CoordinatorEffect } from '../../src/replication/coordinator.js'
import type { Body } from '../../src/replication/effects.js'
import type { Membership, StoredMembership } from '../../src/replication/membership.js'
import { summaryOf } from './support/control-bench.js'

const shards = [
  { ordinal: 0, name: 'shard_0', replicas: ['a', 'b'], topology: 'chain' as const, minInSync: 1 },
  { ordinal: 1, name: 'shard_1', replicas: ['b', 'c'], topology: 'star' as const, minInSync: 2 },
]

/** A store that two coordinators can share. */
class SharedStore {
  readonly values = new Map<number, StoredMembership>()

  read(ordinal: number): StoredMembership | undefined {
    return this.values.get(ordinal)
  }

  compareAndSet(ordinal: number, expectedRevision: number, membership: Membership): number | undefined {
    if ((this.values.get(ordinal)?.revision ?? 0) !== expectedRevision) return undefined
    this.values.set(ordinal, { revision: expectedRevision + 1, membership })
    return expectedRevision + 1
  }
}

function coordinator(store = new SharedStore()): Coordinator {
  return new Coordinator({
    address: 'coordinator',
    clusterId: 'c1',
    shards,
    defaultConsistency: 'strong',
    heartbeatTimeoutMs: 1_000,
    firstRevision: 100,
    store,
    newLogId: () => 'a'.repeat(32),
  })
}

function says(
  to: Coordinator,
  nowMs: number,
  from: string,
  incarnation: number,
  body: Body,
): CoordinatorEffect[] {
  const stamp = { lamport: 0, wallMs: 0 }
  const envelope = { from, incarnation, clusterId: 'c1', stamp, shard: 0, epoch: 0, body }
  return to.step({ type: 'message', envelope }, nowMs)
}

function registers(to: Coordinator, nowMs: number, from: string, incarnation = 1): CoordinatorEffect[] {
  const replicas: ReplicaSummary[] = [0, 1].map(shard => ({ ...summaryOf(0), shard }))
  return says(to, nowMs, from, incarnation, {
    $case: 'register',
    value: { replicas, version: '', confirmed: true },
  })
}

function beats(to: Coordinator, nowMs: number, from: string, incarnation = 1): CoordinatorEffect[] {
  return says(to, nowMs, from, incarnation, {
    $case: 'heartbeat',
    value: { replicas: [], mapRevision: 100, wallMs: 0 },
  })
}

function sends(effects: readonly CoordinatorEffect[]): string[] {
  return effects.flatMap(effect => (effect.type === 'send' ? [`${effect.body.$case} to ${effect.to}`] : []))
}

function stores(effects: readonly CoordinatorEffect[]): Extract<CoordinatorEffect, { type: 'store' }>[] {
  return effects.filter(effect => effect.type === 'store')
}

test('a node that registers is told that it is known, and gets the shard map', t => {
  const effects = registers(coordinator(), 0, 'a')
  t.deepEqual(sends(effects).slice(0, 2), ['heartbeatAnswer to a', 'shardMap to a'])
})

test('a heartbeat of a process that never registered, or of another life of one, asks it to register', t => {
  const to = coordinator()
  registers(to, 0, 'a', 1)
  for (const [from, incarnation] of [
    ['x', 1],
    ['a', 2],
  ] as const) {
    const [effect] = beats(to, 0, from, incarnation)
    t.true(effect?.type === 'send' && effect.body.$case === 'heartbeatAnswer' && !effect.body.value.known)
  }
})

test('a node that is silent for too long counts as gone until it is heard of again', t => {
  const to = coordinator()
  registers(to, 0, 'a')
  registers(to, 500, 'b')
  to.tick(1_000)
  t.deepEqual(to.liveNodes(), ['a', 'b'])
  to.tick(1_001)
  t.deepEqual(to.liveNodes(), ['b'])
  beats(to, 1_100, 'a')
  t.deepEqual(to.liveNodes(), ['a', 'b'])
})

test('a registration that comes from a life long over displaces the living process for a moment only', t => {
  const to = coordinator()
  registers(to, 0, 'a', 1)
  registers(to, 100, 'a', 3)
  registers(to, 200, 'a', 2)
  t.deepEqual(sends(registers(to, 300, 'a', 3)), [], 'another life is thought to be alive')
  t.deepEqual(sends(registers(to, 300, 'a', 1)), [], 'and this one is long over')
  to.tick(1_250)
  t.deepEqual(sends(registers(to, 1_260, 'a', 3)).slice(0, 1), ['heartbeatAnswer to a'])
  t.deepEqual(sends(registers(to, 1_300, 'a', 2)), [])
})

test('each shard begins as soon as its own replicas are there', t => {
  const to = coordinator()
  t.deepEqual(stores(registers(to, 0, 'a')), [])
  t.deepEqual(
    stores(registers(to, 0, 'b')).map(({ shard }) => shard),
    [0],
  )
  t.deepEqual(
    stores(registers(to, 0, 'c')).map(({ shard }) => shard),
    [1],
  )
})

test('the shard map lists every shard, says what it waits for, and is newer after every change', t => {
  const to = coordinator()
  const first = to.shardMap()
  t.deepEqual(
    first.shards.map(({ name, members }) => [name, members.map(({ address }) => address)]),
    [
      ['shard_0', ['a', 'b']],
      ['shard_1', ['b', 'c']],
    ],
  )
  registers(to, 0, 'a')
  to.tick(0)
  const second = to.shardMap()
  t.is(second.shards[0]?.waitingFor, 'b')
  t.is(second.shards[0]?.status, 'WAITING')
  t.true(second.revision > first.revision)
})

test('a map of an earlier life whose clock was ahead does not hide the newer ones', t => {
  const to = coordinator()
  registers(to, 0, 'a')
  const value = { replicas: [], mapRevision: 5_000, wallMs: 0 }
  const effects = says(to, 10, 'a', 1, { $case: 'heartbeat', value })
  t.true(to.shardMap().revision > 5_000)
  t.true(sends(effects).includes('shardMap to a'))
})

test('a node that beats ten times a second hears about once a second that it is known', t => {
  const to = coordinator()
  registers(to, 0, 'a')
  const answers: string[] = []
  for (let nowMs = 100; nowMs <= 3_000; nowMs += 100) answers.push(...sends(beats(to, nowMs, 'a')))
  t.is(answers.filter(each => each === 'heartbeatAnswer to a').length, 3)
})

test('the steps of a change are one shard map at each tick, and a node that is late gets no map twice', t => {
  const to = coordinator()
  const maps = (effects: readonly CoordinatorEffect[]) =>
    sends(effects).filter(each => each === 'shardMap to a').length
  registers(to, 0, 'a')
  to.tick(50)
  // The shard is born: several maps of its own, none of which says who serves it.
  t.is(maps(registers(to, 60, 'b')), 0)
  t.is(maps(to.step({ type: 'stored', shard: 0, revision: 1 }, 70)), 0)
  t.is(maps(beats(to, 80, 'a')), 0)
  t.is(maps(to.tick(100)), 1)
  t.is(maps(beats(to, 180, 'a')), 0, 'on its way')
  t.is(maps(beats(to, 700, 'a')), 1, 'it may be lost')
})

test('messages without a body, of unknown shards and from strangers change nothing', t => {
  const to = coordinator()
  registers(to, 0, 'a')
  const stamp = { lamport: 0, wallMs: 0 }
  const empty = { from: 'a', incarnation: 1, clusterId: 'c1', stamp, shard: 0, epoch: 0, body: undefined }
  t.deepEqual(to.step({ type: 'message', envelope: empty }, 0), [])
  const sealed: Body = { $case: 'sealed', value: { summary: summaryOf(1) } }
  t.deepEqual(to.step({ type: 'message', envelope: { ...empty, shard: 9, body: sealed } }, 0), [])
  t.deepEqual(says(to, 0, 'x', 1, sealed), [])
})

test('of two coordinators on one store only one can store its change: the other ends', t => {
  const store = new SharedStore()
  const [one, other] = [coordinator(store), coordinator(store)]
  const changes = [one, other].map(each => {
    registers(each, 0, 'a')
    return stores(registers(each, 0, 'b'))[0]!
  })
  t.is(changes[0]!.expectedRevision, changes[1]!.expectedRevision)
  const revisions = changes.map(({ shard, expectedRevision, membership }) =>
    store.compareAndSet(shard, expectedRevision, membership),
  )
  t.deepEqual(revisions, [1, undefined])
  t.deepEqual(sends(one.step({ type: 'stored', shard: 0, revision: revisions[0] }, 0)).slice(0, 2), [
    'seal to a',
    'seal to b',
  ])
  t.throws(() => other.step({ type: 'stored', shard: 0, revision: revisions[1] }, 0), {
    message: /another coordinator/,
  })
})

test('a coordinator that has just started says of no shard that it is active before it heard from its members', t => {
  const store = new SharedStore()
  const members = ['a', 'b'].map((address, at) => ({
    address,
    incarnation: 1,
    upstream: at === 0 ? '' : 'a',
  }))
  const logId = 'a'.repeat(32)
  const current = {
    shard: 0,
    logId,
    epoch: 1,
    head: 'a',
    members,
    topology: 1,
    minInSync: 1,
    status: 2,
    recovery: undefined,
  }
  store.compareAndSet(0, 0, {
    logId,
    reservedEpoch: 1,
    current,
    active: current,
    activeEpochIndex: 1,
    wanted: 2,
    left: [],
    recovery: null,
    base: current,
    baseEpochIndex: 1,
    baseEpochHash: '00',
    activeEpochs: [1],
    reports: {},
    commitBound: 1,
  })
  const started = coordinator(store)
  const [shard] = started.shardMap().shards
  t.is(shard!.status, 'WAITING')
  t.is(shard!.waitingFor, 'a, b')
  registers(started, 0, 'a')
  registers(started, 0, 'b')
  t.is(started.shardMap().shards[0]!.status, 'ACTIVE')
})
