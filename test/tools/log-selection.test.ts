import test from 'ava'
import type { LogRecord } from '../../src/log/record-codec.js'
import type { LogLine } from '../../tools/log-line.js'
import { mergeByLamport, mergeByLamportBackward } from '../../tools/log-merge.js'
import { type MomentContext, type SelectionOptions, selectRanges } from '../../tools/log-selection.js'
import type { LogSource } from '../../tools/log-source.js'
import { chainOf } from '../log/record-chain.js'

/** Two shards: entries 1 to 9 with Lamport 1 to 9, and 1 to 4 with 11 to 14. Record `n` has the wall time `n` s. */
const logs: Readonly<Record<string, LogRecord[]>> = {
  shard_0: stamped([2, 3, 4], 0, 1),
  shard_1: stamped([1, 3], 1, 11),
}

function stamped(lengths: number[], shard: number, lamport: number): LogRecord[] {
  let end = chainOf([1])[0]!
  return lengths.map((count, at) => {
    const before = at === 0 ? undefined : end
    const from = before && {
      lastIndex: before.lastIndex,
      lastHash: before.hash,
      lastStamp: { lamport: before.lastLamport, wallMs: 0 },
    }
    const first = before === undefined ? lamport : before.lastLamport + 1
    end = chainOf([count], { shard, lamport: first, wallMs: (at + 1) * 1_000 }, from)[0]!
    return end
  })
}

const source: LogSource = {
  shards: ['shard_0', 'shard_1'],
  isLive: false,
  ordinal: shard => Number(shard.slice(-1)),
  origin: () => 'here',
  logInfo: async shard => {
    const lastIndex = logs[shard]!.at(-1)!.lastIndex
    const none = { logId: '', baseIndex: 0, base: undefined, baseSizeBytes: 0, epochs: [] }
    return { ...none, lastIndex, commitIndex: lastIndex }
  },
  commitIndex: async shard => logs[shard]!.at(-1)!.lastIndex,
  async *records(shard, from, to) {
    for (const record of logs[shard]!) if (record.lastIndex >= from && record.firstIndex <= to) yield record
  },
  async *orphans() {},
  baseBlob: async () => undefined,
  close: async () => {},
}

const context: MomentContext = { nowMs: 10_000, tag: async () => ({ lamport: 5 }) }

async function select(options: SelectionOptions, changes: Partial<MomentContext> = {}): Promise<string[]> {
  const ranges = await selectRanges(options, source, { ...context, ...changes })
  return ranges.map(({ shard, firstIndex, lastIndex }) => `${shard} ${firstIndex}-${lastIndex}`)
}

test('Without options all of all shards is meant', async t => {
  t.deepEqual(await select({}), ['shard_0 1-9', 'shard_1 1-4'])
  t.deepEqual(await select({ shard: 'shard_1' }), ['shard_1 1-4'])
})

test('An index is that entry in its shard, and its Lamport time in all others', async t => {
  t.deepEqual(await select({ from: 'index:shard_1/2', to: 'index:shard_1/3' }), [
    'shard_0 10-9',
    'shard_1 2-3',
  ])
  t.deepEqual(await select({ from: 'index:shard_0/4' }), ['shard_0 4-9', 'shard_1 1-4'])
  t.deepEqual(await select({ shard: 'shard_0', from: '5', to: '7' }), ['shard_0 5-7'])
  t.deepEqual(await select({ shard: 'shard_1', from: 'index:shard_0/5' }), ['shard_1 1-4'])
})

test('Lamport times, wall times and tags bound the entries by their stamps, both ends included', async t => {
  t.deepEqual(await select({ from: 'lamport:5', to: 'lamport:12' }), ['shard_0 5-9', 'shard_1 1-2'])
  t.deepEqual(await select({ from: '8s ago', to: '8s ago' }), ['shard_0 3-5', 'shard_1 2-4'])
  t.deepEqual(await select({ from: '7500ms ago' }), ['shard_0 6-9', 'shard_1 5-4'])
  t.deepEqual(await select({ to: 'before-deploy' }), ['shard_0 1-5', 'shard_1 1-0'])
  t.deepEqual(await select({ from: 'start', to: 'now' }), ['shard_0 1-9', 'shard_1 1-4'])
  t.deepEqual(await select({ from: 'now' }), ['shard_0 10-9', 'shard_1 5-4'])
})

test('A beginning before the first entry is the first entry, an end after the last one up to now is the last one', async t => {
  t.deepEqual(await select({ from: '10s ago', to: '0s ago' }), ['shard_0 1-9', 'shard_1 1-4'])
})

test('What makes no sense is refused in one line', async t => {
  const refused: [SelectionOptions, RegExp][] = [
    [{ shard: 'shard_9' }, /^shard "shard_9" given, the cluster has shard_0, shard_1$/],
    [{ from: '5' }, /^--from: an index counts in one shard; say which/],
    [{ from: 'index:shard_9/5' }, /^--from: shard "shard_9" given, the cluster has/],
    [{ from: '???' }, /^--from: "\?\?\?" given, allowed is start, now/],
    [
      { from: 'index:shard_0/10' },
      /^--from: "index:shard_0\/10" is in the future: .* shard_0\/9 of .*lamport:9$/,
    ],
    [
      { to: 'lamport:15' },
      /^--to: "lamport:15" is in the future: the newest entry is shard_1\/4 of .*lamport:14$/,
    ],
    [{ to: '2030-01-01' }, /^--to: "2030-01-01" is in the future/],
    [
      { to: '11s ago' },
      /^--to: "11s ago" is before the first entry, which is shard_0\/1 of 1970-01-01T00:00:01.000Z/,
    ],
    [{ to: 'index:shard_0/0' }, /^--to: "index:shard_0\/0" is before the first entry/],
  ]
  for (const [options, message] of refused) await t.throwsAsync(select(options), { message })
})

test('What is followed may begin in the future', async t => {
  t.deepEqual(await select({ shard: 'shard_0', from: 'index:shard_0/12' }, { follows: true }), [
    'shard_0 12-9',
  ])
})

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

async function* log(shard: string, ...lamports: number[]) {
  for (const lamport of lamports) yield line({ shard, lamport })
}

test('Several logs become one in the order of Lamport time, shards in their order where times are equal', async t => {
  const merged: string[] = []
  for await (const { shard, lamport } of mergeByLamport([log('a', 1, 4, 4), log('b'), log('c', 2, 4, 9)])) {
    merged.push(`${shard}${lamport}`)
  }
  t.deepEqual(merged, ['a1', 'c2', 'a4', 'a4', 'c4', 'c9'])
  const backward: string[] = []
  for await (const { shard, lamport } of mergeByLamportBackward([log('a', 4, 4, 1), log('c', 9, 4, 2)])) {
    backward.push(`${shard}${lamport}`)
  }
  t.deepEqual(backward, ['c9', 'c4', 'a4', 'a4', 'c2', 'a1'])
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
