import test from 'ava'
import type { LogLine } from '../../tools/log-line.js'
import { mergeByLamport } from '../../tools/log-merge.js'
import { type SelectionOptions, selectLog } from '../../tools/log-selection.js'

const shards = ['shard_0', 'shard_1']

function line(changes: Partial<LogLine>): LogLine {
  return {
    shard: 'shard_0',
    index: 1,
    epoch: 1,
    lamport: 1,
    wallMs: 1_000,
    committed: true,
    operation: 'set',
    key: Buffer.from('key'),
    value: Buffer.from('value'),
    previous: 0,
    clientId: Buffer.alloc(16),
    sequence: 0,
    actor: '',
    batchContinues: false,
    refused: false,
    record: 1,
    ...changes,
  }
}

const select = (options: SelectionOptions) => selectLog(options, shards, 10_000)

test('Without options all of all shards is meant', t => {
  const selection = select({})
  t.deepEqual(selection.shards, shards)
  t.deepEqual([selection.fromIndex, selection.toIndex], [1, 0])
  t.is(selection.place(line({})), 'in')
})

test('An index that names its shard means that shard', t => {
  const selection = select({ from: 'index:shard_1/5', to: 'index:shard_1/7' })
  t.deepEqual(selection.shards, ['shard_1'])
  t.deepEqual([selection.fromIndex, selection.toIndex], [5, 7])
  t.deepEqual(select({ shard: 'shard_0', from: '5' }).fromIndex, 5)
})

test('Lamport and wall times bound the entries by their stamps, both ends included', t => {
  const lamport = select({ from: 'lamport:5', to: 'lamport:7' })
  t.deepEqual(
    [4, 5, 7, 8].map(at => lamport.place(line({ lamport: at }))),
    ['skip', 'in', 'in', 'after'],
  )
  const wall = select({ from: '5s ago', to: '1s ago' })
  t.deepEqual(
    [4_999, 5_000, 9_000, 9_001].map(at => wall.place(line({ wallMs: at }))),
    ['skip', 'in', 'in', 'after'],
  )
})

test('A prefix leaves out other keys', t => {
  const { place } = select({ prefix: 'user/' })
  t.is(place(line({ key: Buffer.from('user/7') })), 'in')
  t.is(place(line({ key: Buffer.from('use') })), 'skip')
})

test('What makes no sense is refused', t => {
  t.throws(() => select({ shard: 'shard_9' }), {
    message: 'shard "shard_9" given, the cluster has shard_0, shard_1',
  })
  t.throws(() => select({ from: '5' }), { message: /--from: an index counts in one shard/ })
  t.throws(() => select({ shard: 'shard_0', to: 'index:shard_1/5' }), {
    message: /shards shard_0 and shard_1 given/,
  })
  t.throws(() => select({ from: 'soon' }), { message: /^--from: "soon" given/ })
})

test('Several logs become one in the order of Lamport time, shards in their order where times are equal', async t => {
  async function* log(shard: string, ...lamports: number[]) {
    for (const lamport of lamports) yield line({ shard, lamport })
  }
  const merged: string[] = []
  for await (const { shard, lamport } of mergeByLamport([log('a', 1, 4, 4), log('b'), log('c', 2, 4, 9)])) {
    merged.push(`${shard}${lamport}`)
  }
  t.deepEqual(merged, ['a1', 'c2', 'a4', 'a4', 'c4', 'c9'])
})

test('Whoever stops reading a merged log early lets go of its sources', async t => {
  let closed = 0
  async function* endless(shard: string) {
    try {
      for (let lamport = 1; ; lamport++) yield line({ shard, lamport })
    } finally {
      closed++
    }
  }
  for await (const each of mergeByLamport([endless('a'), endless('b')])) {
    if (each.lamport === 3) break
  }
  t.is(closed, 2)
})
