import test from 'ava'
import { type HeldKey, keyDifferences } from '../../tools/key-differences.js'
import { type ReplicaAnswer, verdictOn } from '../../tools/replica-verdict.js'

function replica(changes: Partial<ReplicaAnswer & { reached: true }> = {}): ReplicaAnswer {
  return {
    address: 'h:1',
    reached: true,
    epoch: 1,
    commitIndex: 10,
    lastIndex: 10,
    state: 'aa',
    liveKeys: 3,
    lastHash: 'ff',
    ...changes,
  }
}
const gone: ReplicaAnswer = { address: 'h:2', reached: false, problem: 'does not answer' }

test('Replicas that hold the same log to its end are the same', t => {
  t.is(verdictOn([replica(), replica(), replica()]), 'same')
})

test('Another state at the same commit index is a difference, whoever is still behind or away', t => {
  t.is(verdictOn([replica(), replica({ state: 'bb' })]), 'differ')
  t.is(
    verdictOn([replica(), replica({ commitIndex: 4, state: 'cc' }), replica({ state: 'bb' }), gone]),
    'differ',
  )
})

test('Another log with the same state is a difference too', t => {
  t.is(verdictOn([replica(), replica({ lastHash: '00' })]), 'differ')
  t.is(verdictOn([replica(), replica({ lastHash: '' })]), 'same')
})

test('A replica that has not committed everything is behind, not different', t => {
  t.is(verdictOn([replica(), replica({ commitIndex: 4, lastIndex: 10, state: 'cc' })]), 'behind')
  t.is(verdictOn([replica({ lastIndex: 12 }), replica()]), 'behind')
})

test('A replica that does not answer is no agreement', t => {
  t.is(verdictOn([replica(), gone]), 'unreachable')
})

async function* held(...keys: [key: string, value: string, index: number][]): AsyncGenerator<HeldKey> {
  for (const [key, value, index] of keys) yield { key: Buffer.from(key), value: Buffer.from(value), index }
}

async function differing(left: AsyncIterable<HeldKey>, right: AsyncIterable<HeldKey>): Promise<string[]> {
  const found: string[] = []
  for await (const { key, left: a, right: b } of keyDifferences(left, right)) {
    found.push(`${key} ${a?.value ?? '-'} ${b?.value ?? '-'}`)
  }
  return found
}

test('The keys that are missing, or differ in value or index, are found on both sides', async t => {
  const left = held(['a', '1', 1], ['b', '2', 2], ['c', '3', 3], ['d', '4', 4])
  const right = held(['b', '2', 2], ['c', 'x', 3], ['d', '4', 5], ['e', '5', 6])
  t.deepEqual(await differing(left, right), ['a 1 -', 'c 3 x', 'd 4 4', 'e - 5'])
})

test('Equal replicas have no differing key', async t => {
  t.deepEqual(await differing(held(['a', '1', 1]), held(['a', '1', 1])), [])
  t.deepEqual(await differing(held(), held()), [])
})
