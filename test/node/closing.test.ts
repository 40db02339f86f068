import test from 'ava'
import { VarveError } from '../../src/client/errors.js'
import { WriteFlag } from '../../src/client/session-frame.js'
import { Operation } from '../../src/log/entry.js'
import type { Moment } from '../../src/log/moment.js'
import { type MemoryReplica, MemoryShard, TestSink, turn, writes } from './support/memory-shard.js'

const wall = (wallMs: number): Moment => ({ kind: 'wall', wallMs })
const lamport = (value: number): Moment => ({ kind: 'lamport', lamport: value })
const never = new AbortController().signal

const cutAt = (replica: MemoryReplica, moment: Moment) => replica.host.past.cut(moment, never)

/** What it rejects with. */
const failure = async (promise: Promise<unknown>): Promise<VarveError> => {
  try {
    await promise
  } catch (error) {
    if (error instanceof VarveError) return error
    throw error
  }
  throw new Error('expected an error')
}

/** Lets everything happen that a few closings need. */
async function settle<T>(shard: MemoryShard, promise: Promise<T>): Promise<T> {
  let isDone = false
  const done = promise.finally(() => {
    isDone = true
  })
  done.catch(() => {})
  for (let round = 0; round < 20 && !isDone; round += 1) {
    await turn()
    shard.settle()
  }
  return await done
}

async function write(shard: MemoryShard, id: number, ...keys: string[]): Promise<void> {
  const list = keys.map((key, at) => ({
    key,
    value: `${id}`,
    flags: at < keys.length - 1 ? WriteFlag.BATCH_CONTINUES : 0,
  }))
  shard.head.host.handleFrame(writes(id * 10, 'strong', list), new TestSink('w'))
  await turn()
  shard.settle()
}

test('an idle shard is closed by one NOOP, which all who wait in a turn share', async t => {
  const shard = new MemoryShard(['a', 'b', 'c'])
  await write(shard, 1, 'x')
  const { head } = shard
  const log = head.store.log(0)
  const { lastIndex, lastStamp } = log
  head.clock.observe(lastStamp.lamport + 10)
  const cuts = await settle(
    shard,
    Promise.all([3, 5, 7].map(ahead => cutAt(head, lamport(lastStamp.lamport + ahead)))),
  )
  t.deepEqual(
    cuts.map(cut => cut.index),
    [lastIndex, lastIndex, lastIndex],
  )
  t.is(log.lastIndex, lastIndex + 1)
  const noop = log.recordAt(lastIndex + 1)!
  t.is(noop.operation(0), Operation.NOOP)
  t.is(noop.sequence(0), 0)
  t.deepEqual(shard.alarms, [])
})

test('what was answered for a moment is the answer ever after, at every replica', async t => {
  const shard = new MemoryShard(['a', 'b', 'c'])
  const { head } = shard
  const log = head.store.log(0)
  const moments: Moment[] = []
  const cuts: number[] = []
  for (let id = 1; id <= 20; id += 1) {
    shard.nowMs += 2
    await write(shard, id, 'x', 'y')
    const moment = id % 2 === 0 ? wall(shard.nowMs - 1) : lamport(log.lastStamp.lamport - (id % 3))
    moments.push(moment)
    cuts.push((await settle(shard, cutAt(head, moment))).index)
  }
  await write(shard, 21, 'x')
  // The head tells the others what is committed.
  for (const { driver } of shard.replicas.values()) {
    driver.tick()
    shard.settle()
  }
  const { lastIndex } = log
  for (const replica of shard.replicas.values()) {
    for (const [at, moment] of moments.entries()) t.is((await cutAt(replica, moment)).index, cuts[at]!)
  }
  t.is(log.lastIndex, lastIndex, 'nothing had to be written for it')
})

test('a wall time is closed by an entry beyond it, which the clock must reach first', async t => {
  const shard = new MemoryShard(['a'])
  shard.nowMs = 5_000
  await write(shard, 1, 'x')
  const { lastIndex } = shard.head.store.log(0)
  const closing = cutAt(shard.head, wall(5_000))
  await turn()
  t.is(shard.head.store.log(0).lastIndex, lastIndex, 'a NOOP never jumps ahead')
  shard.nowMs = 5_001
  while (shard.head.store.log(0).lastIndex === lastIndex) await new Promise(resolve => setTimeout(resolve, 1))
  const cut = await settle(shard, closing)
  t.is(cut.index, lastIndex)
  t.deepEqual(cut.stamp, { lamport: 2, wallMs: 5_000 })
  t.is(shard.head.store.log(0).lastStamp.wallMs, 5_001)
})

test('a batch is seen whole or not at all', async t => {
  const shard = new MemoryShard(['a'])
  await write(shard, 1, 'x')
  await write(shard, 2, 'x', 'y', 'z')
  const log = shard.head.store.log(0)
  const { lamport: last } = log.lastStamp
  t.is((await cutAt(shard.head, lamport(last))).index, 5)
  t.is((await cutAt(shard.head, lamport(last - 1))).index, 2)
  t.is((await cutAt(shard.head, lamport(last - 2))).index, 2)
  t.is((await cutAt(shard.head, { kind: 'index', index: 4 })).index, 2)
})

test('a moment before the first entry is index 0', async t => {
  const shard = new MemoryShard(['a'])
  const cut = await cutAt(shard.head, wall(999))
  t.like(cut, { shard: 'shard_0', index: 0, epoch: 0, stamp: undefined, horizonIndex: 0 })
})

test('what is still to come is refused, and nothing is written for it', async t => {
  const shard = new MemoryShard(['a', 'b'])
  await write(shard, 1, 'x')
  const { head } = shard
  for (const moment of [wall(1_001), lamport(1_000), { kind: 'index', index: 3 } as const]) {
    const error = await failure(settle(shard, cutAt(head, moment)))
    t.is(error.code, 'OUT_OF_RANGE')
    t.regex(error.message, /still to come: the newest time of shard_0 is 1970-01-01T00:00:01.000Z \(Lamport/)
    t.regex(error.message, /index 2\)$/)
  }
  t.is(head.store.log(0).lastIndex, 2)
})

test('a replica that cannot tell names the head, and answers once it can', async t => {
  const shard = new MemoryShard(['a', 'b'])
  await write(shard, 1, 'x')
  const follower = shard.replicas.get('b')!
  shard.nowMs = 2_000
  const error = await failure(cutAt(follower, wall(1_500)))
  t.like(error, { code: 'BEHIND', hint: 'the-head:1' })
  t.is((await failure(follower.host.past.newest())).code, 'BEHIND')
  const cut = await settle(shard, cutAt(shard.head, wall(1_500)))
  await write(shard, 2, 'y')
  t.deepEqual(await cutAt(follower, wall(1_500)), cut)
})

test('nothing is answered before all members hold what closes the shard', async t => {
  const shard = new MemoryShard(['a', 'b'])
  await write(shard, 1, 'x')
  shard.nowMs = 2_000
  let answered: number | undefined
  const closing = cutAt(shard.head, wall(1_500)).then(cut => {
    answered = cut.index
  })
  for (let round = 0; round < 5; round += 1) {
    await turn()
    shard.settle(['b'])
  }
  t.is(shard.head.store.log(0).lastIndex, 3)
  t.is(answered, undefined)
  await settle(shard, closing)
  t.is(answered, 2)
})

test('a shard that has too few members to commit closes at nothing new', async t => {
  const shard = new MemoryShard(['a'], 2)
  shard.nowMs = 2_000
  const error = await failure(cutAt(shard.head, wall(1_500)))
  t.is(error.code, 'UNAVAILABLE')
  t.regex(error.message, /1 of 2 in-sync members/)
  t.is((await failure(shard.head.host.past.newest())).code, 'UNAVAILABLE')
})

test('a full disk is no reason for a NOOP', async t => {
  const shard = new MemoryShard(['a'])
  shard.nowMs = 2_000
  shard.diskFault = 'no space'
  t.is((await failure(cutAt(shard.head, wall(1_500)))).code, 'RESOURCE_EXHAUSTED')
})

test('the newest is what was written last, however often the shard was closed since', async t => {
  const shard = new MemoryShard(['a', 'b'])
  await write(shard, 1, 'x')
  for (let round = 0; round < 3; round += 1) {
    shard.nowMs += 100
    await settle(shard, cutAt(shard.head, wall(shard.nowMs - 1)))
  }
  t.is(shard.head.store.log(0).lastIndex, 5)
  t.is((await settle(shard, shard.head.host.past.newest())).index, 2)
})

test('who waits for a closing can give up', async t => {
  const shard = new MemoryShard(['a', 'b'])
  shard.nowMs = 2_000
  const controller = new AbortController()
  const closing = shard.head.host.past.cut(wall(1_500), controller.signal)
  await turn()
  controller.abort(new VarveError('CANCELLED', 'enough'))
  t.is((await failure(closing)).message, 'enough')
  t.is((await settle(shard, cutAt(shard.head, wall(1_500)))).index, 1)
})

test('a reserved key is refused at the head, alone and in a batch', async t => {
  const shard = new MemoryShard(['a'])
  const sink = new TestSink()
  const batch = [{ key: 'x', flags: WriteFlag.BATCH_CONTINUES }, { key: '\0varve/x' }]
  shard.head.host.handleFrame(writes(1, 'strong', [{ key: '\0varve/x' }, { key: '\0varv' }]), sink)
  shard.head.host.handleFrame(writes(3, 'strong', batch), sink)
  await turn()
  shard.settle()
  t.like(sink.of(1), { code: 'INVALID_ARGUMENT', outcome: 'failed' })
  t.is(sink.of(2).kind, 'done')
  t.is(sink.of(3).code, 'INVALID_ARGUMENT')
  t.is(sink.of(4).code, 'INVALID_ARGUMENT')
  t.is(shard.head.store.log(0).lastIndex, 2)
})
