import test from 'ava'
import type { Configuration, ReplicaSummary } from '../../src/generated/varve/v1/replication.js'
import { chooseHead, survivorFault } from '../../src/replication/head-choice.js'
import type { Membership } from '../../src/replication/membership.js'

const LOG_ID = 'a'.repeat(32)
const BASE_HASH = Buffer.alloc(32, 7)

/** What a replica holds: `[epoch, first index, last index]` each, all of one log. */
function summary(...spans: [number, number, number][]): ReplicaSummary {
  const epochs = spans.map(([epoch, startIndex, lastIndex]) => ({
    epoch,
    startIndex,
    lastIndex,
    hash: Buffer.alloc(32, lastIndex),
    startHash: BASE_HASH,
  }))
  const lastIndex = spans.at(-1)?.[2] ?? 0
  const logId = spans.length === 0 ? '' : LOG_ID
  return { shard: 0, adoptedEpoch: 9, logId, lastIndex, commitIndex: 0, epochs }
}

function membership(change: Partial<Membership> = {}): Membership {
  return {
    logId: LOG_ID,
    reservedEpoch: 9,
    current: null,
    active: null,
    activeEpochIndex: 0,
    wanted: 3,
    left: [],
    recovery: null,
    base: { epoch: 2 } as Configuration,
    baseEpochIndex: 11,
    baseEpochHash: BASE_HASH.toString('hex'),
    activeEpochs: [1, 2],
    reports: {},
    commitBound: 0,
    ...change,
  }
}

function choose(of: Membership, ...held: [string, ReplicaSummary][]): string | undefined {
  return chooseHead(of, ['a', 'b', 'c'], new Map(held))
}

test('the longest log of the last active epoch leads', t => {
  const shorter = summary([1, 1, 10], [2, 11, 20])
  const longer = summary([1, 1, 10], [2, 11, 25])
  t.is(choose(membership(), ['a', shorter], ['b', longer], ['c', shorter]), 'b')
})

test('a later active epoch counts more than a longer log', t => {
  const long = summary([1, 1, 90])
  const late = summary([1, 1, 10], [2, 11, 20])
  t.is(choose(membership(), ['a', long], ['b', late]), 'b')
})

test('entries of an epoch that never came into office do not count', t => {
  const proposed = summary([1, 1, 10], [2, 11, 20], [5, 21, 21])
  const longer = summary([1, 1, 10], [2, 11, 22])
  t.is(choose(membership(), ['a', proposed], ['b', longer]), 'b')
})

test('among equals the first in the old order leads', t => {
  const same = summary([1, 1, 10], [2, 11, 20])
  t.is(choose(membership(), ['c', same], ['b', same]), 'b')
  t.is(choose(membership(), ['c', same]), 'c')
})

test('nobody leads where nobody survived', t => {
  t.is(choose(membership()), undefined)
})

test('before the shard was ever in office the first one listed leads', t => {
  const unborn = membership({ base: null, activeEpochs: [] })
  t.is(choose(unborn, ['b', summary([3, 1, 1])], ['a', summary()]), 'a')
})

test('a survivor holds the beginning of the base epoch, by index and hash', t => {
  const held = summary([1, 1, 10], [2, 11, 20])
  t.is(survivorFault(membership(), 'a', held), undefined)
  t.regex(survivorFault(membership(), 'a', summary([1, 1, 30])) ?? '', /beginning of epoch 2/)
  t.regex(survivorFault(membership({ baseEpochIndex: 12 }), 'a', held) ?? '', /beginning of epoch 2/)
  t.regex(survivorFault(membership({ baseEpochHash: 'ff' }), 'a', held) ?? '', /beginning of epoch 2/)
})

test('a survivor has at least what it had reported', t => {
  const held = summary([1, 1, 10], [2, 11, 20])
  t.is(survivorFault(membership({ reports: { a: 20, b: 99 } }), 'a', held), undefined)
  t.regex(survivorFault(membership({ reports: { a: 21 } }), 'a', held) ?? '', /holds 20 entries.*reported 21/)
})

test('an empty log and a foreign one are no survivors', t => {
  t.regex(survivorFault(membership(), 'a', summary()) ?? '', /empty log/)
  const foreign = { ...summary([2, 11, 20]), logId: 'b'.repeat(32) }
  t.regex(survivorFault(membership(), 'a', foreign) ?? '', /another log/)
})

test('before the shard was ever in office every replica will do, but for one of another log', t => {
  const unborn = membership({ base: null, activeEpochs: [] })
  t.is(survivorFault(unborn, 'a', summary()), undefined)
  t.is(survivorFault(unborn, 'a', summary([3, 1, 1])), undefined)
  t.regex(survivorFault(unborn, 'a', { ...summary(), logId: 'b'.repeat(32) }) ?? '', /another log/)
})
