/** The checks of a history against its log: hand-made good and bad ones. */
import test from 'ava'
import type { HistoryOperation, LoggedEntry } from '../../tools/history/history-event.js'
import { checkLogOrder, type LogRule } from '../../tools/history/log-order.js'
import { checkWeakWrites } from '../../tools/history/weak-losses.js'
import { at, del, get, logged, set } from './support/operations.js'

const epoch = (index: number, number: number) =>
  logged(index, null, { type: 'other', key: '', epoch: number })

interface Case {
  readonly operations: HistoryOperation[]
  readonly log: LoggedEntry[]
}

const weak = { consistency: 'weak' } as const
const session = { consistency: 'session' } as const
const tentative = (index: number, number = 1) => ({ ...at(index, number), committed: false })

const good: Record<string, Case> = {
  'writes and reads stand where the answers said': {
    operations: [
      ...[set('a', 0, 1, { position: at(2) }), get('a', 2, 3, { position: at(2) })],
      ...[del(4, 5, { position: at(3) }), get(null, 6, 7, { position: at(3) })],
    ],
    log: [epoch(1, 1), logged(2, 'a'), logged(3, null)],
  },
  'a key that was never written has no position': {
    operations: [get(null, 0, 1, { position: at(0, 0) })],
    log: [],
  },
  'an unknown write stands in the log or does not': {
    operations: [set('a', 0, null), set('b', 0, null)],
    log: [logged(1, 'a')],
  },
  'a weak write was cut off, and its index was taken by another epoch': {
    operations: [
      ...[
        set('a', 0, 1, { ...weak, position: tentative(2) }),
        get('a', 2, 3, { ...weak, position: tentative(2) }),
      ],
      set('b', 4, 5, { position: at(3, 2) }),
    ],
    log: [epoch(1, 1), epoch(2, 2), logged(3, 'b', { epoch: 2 })],
  },
  'writes that overlap may stand in either order': {
    operations: [set('a', 0, 5, { position: at(2) }), set('b', 1, 4, { position: at(1) })],
    log: [logged(1, 'b'), logged(2, 'a')],
  },
  'a session goes back after its token was lost': {
    operations: [
      ...[set('a', 0, 1, { ...weak, position: at(2) })],
      ...[get('a', 2, 3, { ...session, outcome: 'failed', error: 'TOKEN_LOST: undone' })],
      ...[get(null, 4, 5, { ...session, position: at(0, 0) })],
    ],
    log: [epoch(1, 1), logged(2, 'a')],
  },
}

for (const [title, { operations, log }] of Object.entries(good)) {
  test(`right: ${title}`, t => {
    t.deepEqual(checkLogOrder(operations, log).violations, [])
  })
}

const bad: Record<string, Case & { readonly rule: LogRule }> = {
  'a strong write is not in the log': {
    rule: 'missing',
    operations: [set('a', 0, 1, { position: at(2) })],
    log: [epoch(1, 1)],
  },
  'a strong write gave way to another': {
    rule: 'misplaced',
    operations: [set('a', 0, 1, { position: at(1) })],
    log: [logged(1, 'b', { epoch: 2 })],
  },
  'a weak write that was said to be committed is gone': {
    rule: 'missing',
    operations: [set('a', 0, 1, { ...weak, position: at(1) })],
    log: [],
  },
  'a delete is a set in the log': {
    rule: 'misplaced',
    operations: [del(0, 1, { position: at(1) })],
    log: [logged(1, 'a')],
  },
  'a set stands twice': {
    rule: 'doubled',
    operations: [set('a', 0, 1, { position: at(1) })],
    log: [logged(1, 'a'), logged(2, 'a')],
  },
  'a delete stands twice under one request': {
    rule: 'doubled',
    operations: [del(0, null)],
    log: [logged(1, null, { request: 'x/7' }), logged(2, null, { request: 'x/7' })],
  },
  'a write that certainly failed stands in the log': {
    rule: 'refused',
    operations: [set('a', 0, 1, { outcome: 'failed' })],
    log: [logged(1, 'a')],
  },
  'a committed read saw something else': {
    rule: 'misplaced',
    operations: [get('a', 0, 1, { ...weak, position: at(1) })],
    log: [logged(1, 'b')],
  },
  'a read found nothing where the log has a value': {
    rule: 'misplaced',
    operations: [get(null, 0, 1, { position: at(1) })],
    log: [logged(1, 'b')],
  },
  'a committed read names an epoch that the log does not have there': {
    rule: 'misplaced',
    operations: [get('a', 0, 1, { position: at(1, 1) })],
    log: [logged(1, 'a', { epoch: 2 })],
  },
  'a later write stands before an earlier one, whoever made them': {
    rule: 'real time',
    operations: [
      set('a', 0, 1, { position: at(2), client: 'c1' }),
      set('b', 2, 3, { position: at(1), client: 'c2', key: 'other' }),
    ],
    log: [logged(1, 'b', { key: 'other' }), logged(2, 'a')],
  },
  'a strong read is older than a strong write before it': {
    rule: 'stale',
    operations: [
      ...[set('a', 0, 1, { position: at(1) }), set('b', 2, 3, { position: at(2) })],
      get('a', 4, 5, { position: at(1) }),
    ],
    log: [logged(1, 'a'), logged(2, 'b')],
  },
  'a client does not read its own write in a session': {
    rule: 'session',
    operations: [
      ...[set('a', 0, 1, { position: at(1) }), set('b', 2, 3, { ...weak, position: at(2) })],
      get('a', 4, 5, { ...session, position: at(1) }),
    ],
    log: [logged(1, 'a'), logged(2, 'b')],
  },
  'the log has a gap': { rule: 'log', operations: [], log: [logged(1, 'a'), logged(3, 'b')] },
  'an epoch falls': {
    rule: 'log',
    operations: [],
    log: [logged(1, 'a', { epoch: 2 }), logged(2, 'b', { epoch: 1 })],
  },
}

for (const [title, { operations, log, rule }] of Object.entries(bad)) {
  test(`wrong: ${title}`, t => {
    const { ok, violations } = checkLogOrder(operations, log)
    t.false(ok)
    t.true(
      violations.some(violation => violation.rule === rule),
      JSON.stringify(violations),
    )
  })
}

test('sessions are judged client by client', t => {
  const operations = [
    ...[set('a', 0, 1, { position: at(1) }), set('b', 2, 3, { position: at(2) })],
    get('a', 4, 5, { ...session, position: at(1), client: 'c2' }),
  ]
  t.true(checkLogOrder(operations, [logged(1, 'a'), logged(2, 'b')]).ok)
})

test('the place of each weak write is told: log, orphan or missing', t => {
  const operations = [
    set('kept', 0, 1, { ...weak, position: tentative(1) }),
    set('cut', 2, 3, { ...weak, position: tentative(2) }),
    del(4, 5, { ...weak, position: tentative(3) }),
    set('lost', 6, 7, { ...weak, position: tentative(4) }),
    set('written anew', 8, 9, { ...weak, position: tentative(5) }),
    set('strong', 0, 1, { position: at(9) }),
    set('unknown', 0, null, weak),
    get(null, 0, 1, { ...weak, type: 'scan' }),
  ]
  const log = [logged(1, 'kept'), epoch(2, 2), logged(3, 'written anew', { epoch: 2 })]
  const orphans = [logged(2, 'cut'), logged(3, null), logged(5, 'written anew')]
  t.deepEqual(
    checkWeakWrites(operations, log, orphans).map(({ where }) => where),
    ['log', 'orphan', 'orphan', 'missing', 'log'],
  )
})

test('an orphan of another epoch is another write', t => {
  const operations = [set('a', 0, 1, { ...weak, position: tentative(2, 1) })]
  const fates = checkWeakWrites(operations, [], [logged(2, 'a', { epoch: 2 })])
  t.deepEqual(
    fates.map(({ where }) => where),
    ['missing'],
  )
})
