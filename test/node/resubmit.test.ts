import test from 'ava'
import { WriteFlag } from '../../src/client/session-frame.js'
import type { ResubmitResponse } from '../../src/generated/varve/v1/cluster.js'
import { type Entry, Operation } from '../../src/generated/varve/v1/entry.js'
import { resubmitId } from '../../src/node/resubmit-id.js'
import { findRequests, requestName } from '../../src/node/resubmit-search.js'
import { MemoryShard, TestSink, turn, writes } from './support/memory-shard.js'

/** An epoch that is in no log here: what was cut off. */
const LOST_EPOCH = 7

/** As a node that was cut off lists it. */
function orphan(index: number, key: string, value: string, more: Partial<Entry> = {}): Entry {
  const stamp = { lamport: 100 + index, wallMs: 1_000 }
  return {
    position: { shard: 'shard_0', epoch: LOST_EPOCH, index, stamp, committed: false },
    operation: Operation.SET,
    key: Buffer.from(key),
    value: Buffer.from(value),
    previous: 0,
    clientId: new TestSink('lost').clientId,
    sequence: index,
    actor: 'ada',
    batchContinues: false,
    record: index,
    refused: false,
    ...more,
  }
}

/** Calls, and lets the shard work until it has answered. */
async function resubmit(
  shard: MemoryShard,
  entries: Entry[],
  host = shard.head.host,
): Promise<ResubmitResponse> {
  let isDone = false
  const call = host.resubmit({ shard: 'shard_0', entries })
  call.finally(() => (isDone = true)).catch(() => {})
  while (!isDone) {
    shard.settle()
    await turn()
  }
  return await call
}

const outcomes = ({ results }: ResubmitResponse) => results.map(({ outcome }) => outcome)
const indexes = ({ results }: ResubmitResponse) => results.map(({ position }) => position!.index)

test('orphans are written once, in their order, committed, with their keys, values and actor', async t => {
  const shard = new MemoryShard(['a', 'b', 'c'])
  const lost = [
    orphan(20, 'x', '1'),
    orphan(21, 'x', '2'),
    orphan(22, 'y', '', { operation: Operation.DELETE }),
  ]
  const first = await resubmit(shard, lost)
  t.deepEqual(outcomes(first), ['written', 'written', 'written'])
  t.deepEqual(indexes(first), [2, 3, 4])
  t.true(first.results.every(({ position }) => position!.committed && position!.epoch === 1))
  const entry = shard.head.store.log(0).recordAt(3)!.entry(1)
  t.deepEqual([entry.key.toString(), entry.value.toString(), entry.actor], ['x', '2', 'ada'])
  t.is(entry.sequence, 21)

  const again = await resubmit(shard, lost)
  t.deepEqual(outcomes(again), ['already resubmitted', 'already resubmitted', 'already resubmitted'])
  t.deepEqual(indexes(again), [2, 3, 4])
  t.is(shard.head.store.log(0).lastIndex, 4)
  t.deepEqual(shard.alarms, [])
})

test('every replica knows what was written anew, so that the next head does not write it again', async t => {
  const shard = new MemoryShard(['a', 'b'])
  await resubmit(shard, [orphan(20, 'x', '1')])
  const { clientId, sequence } = resubmitId({ shard: 0, epoch: LOST_EPOCH, index: 20, lamport: 120 })
  t.is(shard.replicas.get('b')!.projection.lookupRequest(clientId, sequence), 2)
})

test('two calls at the same time write once', async t => {
  const shard = new MemoryShard(['a', 'b'])
  const lost = [orphan(20, 'x', '1')]
  const both = await Promise.all([resubmit(shard, lost), resubmit(shard, lost)])
  t.deepEqual(both.flatMap(indexes), [2, 2])
  t.is(shard.head.store.log(0).lastIndex, 2)
})

test('an orphan whose original request is in the log is left alone, also where that was refused', async t => {
  const shard = new MemoryShard(['a', 'b'])
  const sink = new TestSink('lost')
  const again = [
    { key: 'x', value: '1' },
    { key: 'x', value: '9', flags: WriteFlag.IF_ABSENT },
  ]
  shard.head.host.handleFrame(writes(20, 'strong', again), sink)
  await turn()
  shard.settle()
  const response = await resubmit(shard, [orphan(20, 'x', '1'), orphan(21, 'x', '9'), orphan(22, 'z', 'new')])
  t.deepEqual(outcomes(response), ['in the log', 'in the log', 'written'])
  t.deepEqual(indexes(response), [2, 3, 4])
})

test('an entry that stands in the log itself is no orphan', async t => {
  const shard = new MemoryShard(['a'])
  const sink = new TestSink('other')
  shard.head.host.handleFrame(writes(1, 'strong', [{ key: 'x', value: '1' }]), sink)
  await turn()
  shard.settle()
  const position = {
    shard: 'shard_0',
    epoch: 1,
    index: 2,
    stamp: { lamport: 102, wallMs: 1 },
    committed: false,
  }
  t.deepEqual(outcomes(await resubmit(shard, [orphan(2, 'x', '1', { position })])), ['in the log'])
})

test('a request that the table has forgotten is looked for in the log itself', async t => {
  const shard = new MemoryShard(['a'])
  const sink = new TestSink('lost')
  const write = async (id: number) => {
    shard.head.host.handleFrame(writes(id, 'strong', [{ key: 'x', value: String(id) }]), sink)
    await turn()
    shard.settle()
  }
  await write(20)
  await write(100_000)
  t.is(shard.head.projection.lookupRequest(sink.clientId, 20), -1)
  const response = await resubmit(shard, [orphan(20, 'x', '20'), orphan(21, 'y', '21')])
  t.deepEqual(outcomes(response), ['in the log', 'written'])
  t.is(indexes(response)[0], 2)
})

test('a search in a log that has a base vouches only for epochs whose head knew all of that', async t => {
  const shard = new MemoryShard(['a'])
  const log = shard.head.store.log(0)
  const sink = new TestSink('other')
  shard.head.host.handleFrame(writes(1, 'strong', [{ key: 'x', value: '1' }]), sink)
  await turn()
  shard.settle()
  const request = { clientId: new TestSink('lost').clientId, sequence: 20 }
  t.true((await findRequests(log, [request])).covers(1))
  const records = log.records.bind(log)
  const based = new Proxy(log, { get: (_, name) => (name === 'baseIndex' ? 1 : Reflect.get(log, name)) })
  log.records = (from, to) => (from === 2 ? records(from, to) : (t.fail('read below the base') as never))
  const search = await findRequests(based, [request, { clientId: sink.clientId, sequence: 1 }])
  t.is(search.found.get(requestName(request)), 0)
  t.is(search.found.get(requestName({ clientId: sink.clientId, sequence: 1 })), 2)
  t.true(search.covers(1))
  t.false(search.covers(0))
})

test('an orphan older than what the shard remembers is refused, and nothing of its call is written', async t => {
  const shard = new MemoryShard(['a'])
  const { host, store } = shard.head
  // One client more than the table holds: the oldest is forgotten, and with it all that began no later.
  const floor = 10_000
  for (let at = 0; at <= 10_000; at += 1) {
    const sink = new TestSink('other')
    sink.clientId.writeBigUInt64BE(BigInt(floor + at), 0)
    host.handleFrame(writes(1, 'weak', [{ key: 'k', value: 'v' }]), sink)
  }
  const log = store.log(0)
  while (log.lastIndex < 10_002) await turn()
  shard.settle()
  const place = orphan(20_021, 'y', '2').position!
  const young = orphan(20_021, 'y', '2', {
    position: { ...place, stamp: { lamport: floor + 2_000, wallMs: 1_000 } },
  })
  const error = await t.throwsAsync(
    resubmit(shard, [
      young,
      orphan(20_020, 'x', '1', {
        position: { ...place, index: 20_020, stamp: { lamport: floor, wallMs: 1_000 } },
      }),
    ]),
    {
      code: 'SESSION_EXPIRED',
    },
  )
  t.regex(error!.message, /shard_0\/20020 of epoch 7 is older than the requests that the shard remembers/)
  t.is((error as { outcome?: string }).outcome, 'failed')
  t.is(log.lastIndex, 10_002)
  t.deepEqual(outcomes(await resubmit(shard, [young])), ['written'])
})

test('an atomic batch is written as one, and a part of it is refused', async t => {
  const shard = new MemoryShard(['a', 'b'])
  const batch = [
    orphan(20, 'x', '1', { batchContinues: true }),
    orphan(21, 'y', '2', { batchContinues: true }),
    orphan(22, 'z', '3'),
  ]
  for (const part of [batch.slice(0, 2), [batch[0]!, batch[2]!]]) {
    const error = await t.throwsAsync(resubmit(shard, part), { code: 'INVALID_ARGUMENT' })
    t.regex(error!.message, /belongs to an atomic batch that goes on at index 2\d: give all of it/)
  }
  const response = await resubmit(shard, [...batch, orphan(23, 'w', '4')])
  t.deepEqual(outcomes(response), ['written', 'written', 'written', 'written'])
  const log = shard.head.store.log(0)
  const continues = [2, 3, 4, 5].map(index => {
    const record = log.recordAt(index)!
    return record.entry(index - record.firstIndex).batchContinues
  })
  t.deepEqual(continues, [true, true, false, false])
  t.deepEqual(indexes(await resubmit(shard, batch)), [2, 3, 4])
})

test('only the head writes orphans anew; others name it', async t => {
  const shard = new MemoryShard(['a', 'b'])
  const call = resubmit(shard, [orphan(20, 'x', '1')], shard.replicas.get('b')!.host)
  const error = (await t.throwsAsync(call, { code: 'NOT_HEAD' })) as { hint?: string; outcome?: string }
  t.is(error.hint, 'the-head:1')
  t.is(error.outcome, 'failed')
})

test('a head that was replaced does not answer, not even that there is nothing to do', async t => {
  const shard = new MemoryShard(['a', 'b'])
  const lost = [orphan(20, 'x', '1')]
  await resubmit(shard, lost)
  const call = shard.head.host.resubmit({ shard: 'shard_0', entries: lost })
  await turn()
  const stamp = { lamport: 0, wallMs: 0 }
  const body = { $case: 'seal', value: {} } as const
  const seal = { from: 'coordinator', incarnation: 1, clusterId: '', stamp, shard: 0, epoch: 2, body }
  shard.head.driver.message(seal)
  shard.settle()
  await t.throwsAsync(call, { code: 'UNAVAILABLE' })
})

test('what cannot be written anew is refused by name', async t => {
  const shard = new MemoryShard(['a'], 1, 1)
  const place = orphan(20, 'x', '1').position!
  const bad: [Entry[], RegExp][] = [
    [[], /no orphans given/],
    [[orphan(20, '', '', { operation: Operation.EPOCH })], /shard_0\/20 of epoch 7 is neither/],
    [[orphan(20, 'x', '', { operation: Operation.NOOP })], /neither a SET nor a DELETE/],
    [[orphan(20, '', '1')], /a key has 0 bytes/],
    [[orphan(20, 'x', 'v', { position: undefined })], /has no position/],
    [[orphan(20, 'x', 'v', { position: { ...place, shard: 'shard_1' } })], /an orphan of shard_1/],
    [[orphan(20, 'x', 'v', { position: { ...place, epoch: 0 } })], /epoch 0, index 20/],
    [[orphan(20, 'x', 'v', { clientId: Buffer.alloc(3) })], /client id of 3 bytes/],
    [Array.from({ length: 10_001 }, () => orphan(20, 'x', 'v')), /at most 10000/],
  ]
  for (const [entries, message] of bad) {
    const error = await t.throwsAsync(resubmit(shard, entries), { code: 'INVALID_ARGUMENT' })
    t.regex(error!.message, message)
  }
  t.is(shard.head.store.log(0).lastIndex, 1)
})

test('the id of an orphan never changes, and begins with a stamp that is not younger than the orphan', t => {
  const place = { shard: 3, epoch: 5, index: 77, lamport: 2_050 }
  const { clientId, sequence } = resubmitId(place)
  t.is(sequence, 77)
  t.is(clientId.toString('hex'), '00000000000008017edabba355dc72d4')
  t.is(clientId.readBigUInt64BE(0), 2_049n)
  t.is(resubmitId({ ...place, lamport: 1 }).clientId.readBigUInt64BE(0), 1n)
  t.is(resubmitId({ ...place, lamport: 1_024 }).clientId.readBigUInt64BE(0), 1n)
  t.is(resubmitId({ ...place, lamport: 1_025 }).clientId.readBigUInt64BE(0), 1_025n)
  for (const other of [{ shard: 4 }, { epoch: 6 }]) {
    t.notDeepEqual(resubmitId({ ...place, ...other }).clientId, clientId)
  }
})
