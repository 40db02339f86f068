/** Histories in which values repeat can be judged once each value is told apart by its place. */
import test from 'ava'
import { withDistinctValues } from '../../tools/history/distinct-values.js'
import type { HistoryOperation, LoggedEntry } from '../../tools/history/history-event.js'
import { checkLinearizable } from '../../tools/history/linearizability.js'

let lastId = 0

function set(
  value: string,
  index: number | null,
  invokedMs: number,
  outcome: HistoryOperation['outcome'] = 'ok',
) {
  return operation({ type: 'set', value, invokedMs, outcome }, index)
}

function get(value: string | null, index: number, invokedMs: number) {
  return operation({ type: 'get', value, invokedMs }, index)
}

function operation(given: Partial<HistoryOperation>, index: number | null): HistoryOperation {
  lastId += 1
  const position = index === null ? null : { shard: 's', epoch: 1, index, lamport: index, committed: true }
  return {
    client: 'c',
    id: lastId,
    type: 'get',
    key: 'k',
    value: null,
    consistency: 'strong',
    invokedMs: 0,
    returnedMs: given.outcome === 'unknown' ? null : (given.invokedMs ?? 0) + 1,
    outcome: 'ok',
    position,
    node: null,
    error: null,
    ...given,
  }
}

function entry(index: number, value: string | null): LoggedEntry {
  return { shard: 's', epoch: 1, index, type: value === null ? 'delete' : 'set', key: 'k', value }
}

function isLinearizable(operations: HistoryOperation[], log: LoggedEntry[]): boolean {
  return checkLinearizable(withDistinctValues({ operations, log, orphans: [] }).operations).ok
}

test('where no key has a value twice nothing is changed', t => {
  const given = { operations: [set('a', 1, 0), get('a', 1, 5)], log: [entry(1, 'a')], orphans: [] }
  t.deepEqual(withDistinctValues(given), given)
})

test('the same value written again is another one, in the log as well', t => {
  const operations = [set('a', 1, 0), set('b', 2, 10), set('a', 3, 20), get('a', 3, 30)]
  const log = [entry(1, 'a'), entry(2, 'b'), entry(3, 'a')]
  t.throws(() => checkLinearizable(operations), { instanceOf: TypeError })
  const told = withDistinctValues({ operations, log, orphans: [] })
  t.is(new Set(told.log.map(({ value }) => value)).size, 3)
  t.is(told.operations[3]!.value, told.operations[2]!.value)
  t.true(checkLinearizable(told.operations).ok)
})

test('a read of an old place is found out although the value is the same as the new one', t => {
  const log = [entry(1, 'a'), entry(2, 'a')]
  t.true(isLinearizable([set('a', 1, 0), set('a', 2, 10), get('a', 2, 20)], log))
  t.false(isLinearizable([set('a', 1, 0), set('a', 2, 10), get('a', 1, 20)], log))
})

test('a set of unknown outcome stands for an entry that nobody else claims', t => {
  const log = [entry(1, 'a'), entry(2, 'b'), entry(3, 'a')]
  const unknown = set('a', null, 20, 'unknown')
  t.true(isLinearizable([set('a', 1, 0), set('b', 2, 10), unknown, get('a', 3, 30)], log))
})

test('a read of an entry that nobody wrote is found out', t => {
  const log = [entry(1, 'a'), entry(2, 'b'), entry(3, 'a')]
  t.false(
    isLinearizable([set('a', 1, 0), set('b', 2, 10), set('a', null, 12, 'failed'), get('a', 3, 30)], log),
  )
})

test('of two sets of unknown outcome either may be the one that was done', t => {
  const first = set('a', null, 10, 'unknown')
  const second = set('a', null, 40, 'unknown')
  // The first one is seen before the second is invoked: the entry is the first one's.
  const log = [entry(1, 'a'), entry(2, 'a')]
  t.true(isLinearizable([set('a', 1, 0), second, first, get('a', 2, 20)], log))
})
