import test from 'ava'
import {
  FrameConsistency,
  ReadResultFlag,
  ResponseKind,
  WriteFlag,
  WriteResultFlag,
} from '../../src/client/session-frame.js'
import { shardOfKey } from '../../src/client/shard-of-key.js'
import type { WatchResponse } from '../../src/generated/varve/v1/kv.js'
import { EntryFlag, Operation } from '../../src/log/entry.js'
import { LogError } from '../../src/log/errors.js'
import { MemoryShard, reads, TestSink, turn, writes } from './support/memory-shard.js'

test('a strong write is answered when every member has synced it, a weak one when the head has', async t => {
  const shard = new MemoryShard(['a', 'b', 'c'])
  const strong = new TestSink('s')
  const weak = new TestSink('w')
  shard.head.host.handleFrame(writes(1, 'strong', [{ key: 'x', value: '1' }]), strong)
  shard.head.host.handleFrame(writes(1, 'weak', [{ key: 'y', value: '2' }]), weak)
  await turn()
  t.is(weak.outcomes.length, 0)
  shard.settle(['c'])
  t.deepEqual(weak.of(1), { id: 1, kind: 'done', index: 3, flags: 0 })
  t.is(strong.outcomes.length, 0)
  shard.settle()
  t.deepEqual(strong.of(1), { id: 1, kind: 'done', index: 2, flags: 1 })
  t.deepEqual(shard.alarms, [])
})

test('writes of one turn become one record and one answer for each session', async t => {
  const shard = new MemoryShard(['a', 'b'])
  const [one, two] = [new TestSink('1'), new TestSink('2')]
  const many = Array.from({ length: 50 }, (_, at) => ({ key: `k${at}`, value: 'v' }))
  shard.head.host.handleFrame(writes(1, 'strong', many), one)
  shard.head.host.handleFrame(writes(1, 'strong', many), two)
  await turn()
  const log = shard.head.store.log(0)
  t.is(log.recordAt(2)!.count, 100)
  shard.settle()
  t.deepEqual(one.kinds, [ResponseKind.WRITES_DONE])
  t.is(two.of(50).index, 101)
  t.is(log.recordAt(100)!.entry(98).previous % 8_192, 48, 'previous-links point into the same record')
})

test('a repeated request is answered with the original result and not done again', async t => {
  const shard = new MemoryShard(['a', 'b'])
  const frame = () =>
    writes(1, 'strong', [
      { key: 'x', value: '1' },
      { key: 'x', value: '2' },
    ])
  const sink = new TestSink()
  shard.head.host.handleFrame(frame(), sink)
  await turn()
  shard.settle()
  const again = new TestSink()
  shard.head.host.handleFrame(frame(), again)
  await turn()
  shard.settle()
  t.is(again.of(1).index, sink.of(1).index)
  t.is(again.of(2).index, sink.of(2).index)
  t.is(shard.head.store.log(0).lastIndex, 3)
})

test('a repeat within the same turn is recognised too', async t => {
  const shard = new MemoryShard(['a'])
  const [one, two] = [new TestSink('same'), new TestSink('same')]
  shard.head.host.handleFrame(writes(7, 'weak', [{ key: 'x', value: '1' }]), one)
  shard.head.host.handleFrame(writes(7, 'weak', [{ key: 'x', value: '1' }]), two)
  await turn()
  shard.settle()
  t.is(one.of(7).index, 2)
  t.is(two.of(7).index, 2)
  t.is(shard.head.store.log(0).lastIndex, 2)
})

test('a condition that does not hold is logged as a NOOP and answered as not applied, also when repeated', async t => {
  const shard = new MemoryShard(['a', 'b'])
  const sink = new TestSink()
  const { host } = shard.head
  host.handleFrame(writes(1, 'strong', [{ key: 'x', value: '1', flags: WriteFlag.IF_ABSENT }]), sink)
  await turn()
  host.handleFrame(writes(2, 'strong', [{ key: 'x', value: '2', flags: WriteFlag.IF_ABSENT }]), sink)
  await turn()
  host.handleFrame(
    writes(3, 'strong', [{ key: 'x', value: '3', flags: WriteFlag.IF_INDEX, ifIndex: 2 }]),
    sink,
  )
  await turn()
  shard.settle()
  t.truthy(sink.of(1).flags! & WriteResultFlag.APPLIED)
  t.falsy(sink.of(2).flags! & WriteResultFlag.APPLIED)
  t.truthy(sink.of(3).flags! & WriteResultFlag.APPLIED)
  const entry = shard.head.store.log(0).recordAt(3)!.entry(0)
  t.is(entry.operation, Operation.NOOP)
  t.true(entry.refused)
  const again = new TestSink()
  host.handleFrame(writes(2, 'strong', [{ key: 'x', value: '2', flags: WriteFlag.IF_ABSENT }]), again)
  await turn()
  shard.settle()
  t.falsy(again.of(2).flags! & WriteResultFlag.APPLIED)
  t.is(again.of(2).index, 3)
})

test('the previous value comes back on request', async t => {
  const shard = new MemoryShard(['a'])
  const sink = new TestSink()
  const previous = WriteFlag.RETURN_PREVIOUS
  const list = [
    { key: 'x', value: 'old', flags: previous },
    { key: 'x', value: 'new', flags: previous },
    { key: 'x', operation: Operation.DELETE, flags: previous },
    { key: 'x', value: 'again', flags: previous },
  ]
  shard.head.host.handleFrame(writes(1, 'strong', list), sink)
  await turn()
  shard.settle()
  t.falsy(sink.of(1).flags! & WriteResultFlag.PREVIOUS_FOUND)
  t.is(sink.of(2).value, 'old')
  t.is(sink.of(3).value, 'new')
  t.falsy(sink.of(4).flags! & WriteResultFlag.PREVIOUS_FOUND, 'a deleted key has no previous value')
})

test('a batch stands in one record as a whole, or not at all when a condition fails', async t => {
  const shard = new MemoryShard(['a', 'b'])
  const sink = new TestSink()
  const more = WriteFlag.BATCH_CONTINUES
  const { host } = shard.head
  host.handleFrame(
    writes(1, 'strong', [
      { key: 'x', value: '1', flags: more },
      { key: 'y', value: '2' },
    ]),
    sink,
  )
  await turn()
  const refused = [
    { key: 'x', value: '3', flags: more },
    { key: 'y', value: '4', flags: WriteFlag.IF_ABSENT },
  ]
  host.handleFrame(writes(3, 'strong', refused), sink)
  await turn()
  shard.settle()
  t.is(sink.of(2).index, 3)
  const record = shard.head.store.log(0).recordAt(2)!
  t.is(record.flags(0) & EntryFlag.BATCH_CONTINUES, EntryFlag.BATCH_CONTINUES)
  t.is(record.flags(1), 0)
  t.falsy(sink.of(3).flags! & WriteResultFlag.APPLIED)
  t.falsy(sink.of(4).flags! & WriteResultFlag.APPLIED)
  host.handleFrame(reads(1, FrameConsistency.STRONG, ['x', 'y']), sink)
  await turn()
  shard.settle()
  const values = sink.outcomes.filter(({ kind }) => kind === 'read').map(({ value }) => value)
  t.deepEqual(values, ['1', '2'])
})

test('a replica that is not the head refuses writes and names the head', async t => {
  const shard = new MemoryShard(['a', 'b'])
  const sink = new TestSink()
  shard.replicas.get('b')!.host.handleFrame(writes(1, 'weak', [{ key: 'x' }]), sink)
  await turn()
  t.is(sink.of(1).code, 'NOT_HEAD')
  t.is(sink.of(1).outcome, 'failed')
})

test('a key of another shard is refused by itself, the rest of the frame goes on', async t => {
  const shard = new MemoryShard(['a'], 1, 2)
  const sink = new TestSink()
  const keys = Array.from({ length: 20 }, (_, at) => `key-${at}`)
  const own = keys.filter(key => shardOfKey(Buffer.from(key), 2) === 0)
  const foreign = keys.find(key => shardOfKey(Buffer.from(key), 2) === 1)!
  const list = [{ key: own[0]! }, { key: foreign }, { key: own[1]! }]
  shard.head.host.handleFrame(writes(1, 'weak', list), sink)
  await turn()
  shard.settle()
  t.is(sink.of(1).kind, 'done')
  t.is(sink.of(2).code, 'WRONG_SHARD')
  t.is(sink.of(3).index, 3)
})

test('strong reads see only what is committed, weak ones what the replica has applied', async t => {
  const shard = new MemoryShard(['a', 'b'])
  const sink = new TestSink()
  shard.head.host.handleFrame(writes(1, 'weak', [{ key: 'x', value: 'new' }]), sink)
  await turn()
  shard.settle(['b'])
  const strong = new TestSink()
  const weak = new TestSink()
  shard.head.host.handleFrame(reads(1, FrameConsistency.STRONG, ['x']), strong)
  shard.head.host.handleFrame(reads(1, FrameConsistency.WEAK, ['x']), weak)
  await turn()
  shard.settle(['b'])
  t.falsy(strong.of(1).flags! & ReadResultFlag.FOUND)
  t.is(weak.of(1).value, 'new')
  t.is(weak.of(1).flags, ReadResultFlag.FOUND)
  shard.settle()
  const follower = new TestSink()
  shard.replicas.get('b')!.host.handleFrame(reads(1, FrameConsistency.STRONG, ['x']), follower)
  await turn()
  shard.settle()
  t.is(follower.of(1).value, 'new')
})

test('a session read is refused by a replica that has seen less than the session', async t => {
  const shard = new MemoryShard(['a', 'b'])
  const sink = new TestSink()
  const { host } = shard.head
  host.handleFrame(reads(1, FrameConsistency.SESSION, ['x'], { index: 5, epoch: 1 }), sink)
  t.is(sink.of(1).code, 'BEHIND')
  host.handleFrame(reads(2, FrameConsistency.SESSION, ['x'], { index: 1, epoch: 1 }), sink)
  t.is(sink.of(2).kind, 'read')
  host.handleFrame(reads(3, FrameConsistency.SESSION, ['x'], { index: 1, epoch: 0 }), sink)
  t.is(sink.of(3).code, 'TOKEN_LOST')
})

test('a head whose writes are not confirmed stops taking more, and goes on when they are', async t => {
  const shard = new MemoryShard(['a', 'b'])
  const sink = new TestSink()
  const megabyte = 'v'.repeat(1_000_000)
  let id = 1
  const write = async () => {
    shard.head.host.handleFrame(writes(id, 'weak', [{ key: 'x', value: megabyte }]), sink)
    await turn()
    shard.settle(['b'])
    id += 1
    return sink.of(id - 1)
  }
  let last = await write()
  while (last.kind === 'done' && id < 100) last = await write()
  t.is(last.code, 'RESOURCE_EXHAUSTED')
  t.true(id > 60 && id < 75, `${id} writes of 1 MB were taken`)
  shard.settle()
  t.is((await write()).kind, 'done')
})

test('a head on a disk without room refuses writes and still answers reads', async t => {
  const shard = new MemoryShard(['a'])
  const sink = new TestSink()
  shard.head.host.handleFrame(writes(1, 'weak', [{ key: 'x', value: '1' }]), sink)
  await turn()
  shard.settle()
  shard.diskFault = 'the disk is full'
  shard.head.host.handleFrame(writes(2, 'weak', [{ key: 'x', value: '2' }]), sink)
  await turn()
  t.is(sink.of(2).code, 'RESOURCE_EXHAUSTED')
  t.is(sink.of(2).outcome, 'failed')
  const reader = new TestSink()
  shard.head.host.handleFrame(reads(1, FrameConsistency.WEAK, ['x']), reader)
  t.is(reader.of(1).value, '1')
})

test('when the epoch ends, what was not acknowledged ends as unknown', async t => {
  const shard = new MemoryShard(['a', 'b'])
  const sink = new TestSink()
  shard.head.host.handleFrame(writes(1, 'strong', [{ key: 'x', value: '1' }]), sink)
  await turn()
  const stamp = { lamport: 0, wallMs: 0 }
  const body = { $case: 'seal', value: {} } as const
  const seal = { from: 'coordinator', incarnation: 1, clusterId: '', stamp, shard: 0, epoch: 2, body }
  shard.head.driver.message(seal)
  shard.settle()
  t.is(sink.of(1).code, 'UNAVAILABLE')
  t.is(sink.of(1).outcome, 'unknown')
})

test('a watcher hears at once where it stands, and then every committed entry once', async t => {
  const shard = new MemoryShard(['a', 'b'])
  const sink = new TestSink()
  const ending = new AbortController()
  const request = {
    context: undefined,
    shard: 'shard_0',
    fromIndex: 0,
    prefix: Buffer.from('x'),
    tentative: false,
    snapshot: false,
  }
  const watch = shard.head.host.watch(request, ending.signal)[Symbol.asyncIterator]()
  const first = (await watch.next()).value!
  t.deepEqual([first.entries.length, first.throughIndex], [0, 1])
  const next = watch.next()
  shard.head.host.handleFrame(writes(1, 'strong', [{ key: 'y' }, { key: 'x1', value: 'v' }]), sink)
  await turn()
  shard.settle()
  const { entries, throughIndex }: WatchResponse = (await next).value!
  t.is(throughIndex, 3)
  t.deepEqual(
    entries.map(({ key, position }) => [key.toString(), position?.index, position?.committed]),
    [['x1', 3, true]],
  )
  ending.abort()
  t.true((await watch.next()).done)
})

test('a convoy of writes is broken into several records, in order, each answered as it commits', async t => {
  const shard = new MemoryShard(['a', 'b'])
  const sink = new TestSink()
  const many = Array.from({ length: 3_000 }, (_, at) => ({ key: `k${at}`, value: 'v' }))
  shard.head.host.handleFrame(writes(1, 'strong', many), sink)
  const log = shard.head.store.log(0)
  while (log.lastIndex < 3_001) await turn()
  const sizes: number[] = []
  for (let index = 2; index <= log.lastIndex; index += log.recordAt(index)!.count) {
    sizes.push(log.recordAt(index)!.count)
  }
  t.true(sizes.length >= 3, `records of ${sizes}`)
  t.true(Math.max(...sizes) <= 1_000)
  shard.settle()
  for (let id = 1; id <= 3_000; id += 1) t.is(sink.of(id).index, id + 1)
})

test('when the epoch ends between two records of a frame, the rest of it is refused', async t => {
  const shard = new MemoryShard(['a', 'b'])
  const sink = new TestSink()
  const many = Array.from({ length: 2_000 }, (_, at) => ({ key: `k${at}`, value: 'v' }))
  shard.head.host.handleFrame(writes(1, 'strong', many), sink)
  await turn()
  const stamp = { lamport: 0, wallMs: 0 }
  const body = { $case: 'seal', value: {} } as const
  shard.head.driver.message({
    from: 'coordinator',
    incarnation: 1,
    clusterId: '',
    stamp,
    shard: 0,
    epoch: 2,
    body,
  })
  await turn()
  await turn()
  t.is(sink.of(1).outcome, 'unknown', 'what was appended may live on')
  t.is(sink.of(2_000).outcome, 'failed', 'what was not is certainly not done')
  t.is(sink.outcomes.length, 2_000)
})

test('a damaged record costs the answer that needs it, not the write and not the process', async t => {
  const shard = new MemoryShard(['a'])
  const sink = new TestSink()
  const { host, store } = shard.head
  host.handleFrame(writes(1, 'weak', [{ key: 'x', value: 'old' }]), sink)
  await turn()
  shard.settle()
  const log = store.log(0)
  const read = log.read.bind(log)
  log.read = firstIndex => {
    if (firstIndex === 2) throw new LogError('LOG_DAMAGED', 'shard 0, index 2 is damaged')
    return read(firstIndex)
  }
  const flags = WriteFlag.RETURN_PREVIOUS
  host.handleFrame(writes(2, 'weak', [{ key: 'x', value: 'new', flags }, { key: 'y' }]), sink)
  await turn()
  shard.settle()
  t.is(sink.of(2).code, 'DATA_LOSS')
  t.is(sink.of(2).outcome, 'unknown')
  t.is(sink.of(3).kind, 'done')
  t.is(log.lastIndex, 4)
})
