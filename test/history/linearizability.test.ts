/** The linearizability checker: hand-made histories, and the definition itself as the judge of random ones. */
import test from 'ava'
import fc from 'fast-check'
import type { HistoryOperation } from '../../tools/history/history-event.js'
import { checkLinearizable } from '../../tools/history/linearizability.js'
import { isLinearizableByDefinition } from './support/brute-force.js'
import { del, get, set } from './support/operations.js'

const good: Record<string, HistoryOperation[]> = {
  'nothing happened': [],
  'one after the other': [set('a', 0, 1), get('a', 2, 3), del(4, 5), get(null, 6, 7)],
  'a read during a write sees the old or the new value': [
    ...[set('a', 0, 1), set('b', 2, 9), get('a', 3, 4), get('b', 5, 6)],
  ],
  'an unknown write takes effect late': [
    ...[set('a', 0, 1), set('b', 2, null), get('a', 10, 11), get('b', 12, 13)],
  ],
  'an unknown write never takes effect': [set('a', 0, 1), set('b', 2, null), get('a', 10, 11)],
  'an unknown delete takes effect between two reads': [
    ...[set('a', 0, 1), del(2, null), get('a', 5, 6), get(null, 7, 8), set('b', 9, 10), get('b', 11, 12)],
  ],
  'a weak write is seen after it was acknowledged': [
    ...[set('a', 0, 1), set('b', 2, 3, { consistency: 'weak' }), get('a', 4, 5), get('b', 6, 7)],
  ],
  'a weak write is lost': [set('a', 0, 1), set('b', 2, 3, { consistency: 'weak' }), get('a', 4, 5)],
  'weak and session reads may be stale': [
    ...[set('a', 0, 1), set('b', 2, 3), get('a', 4, 5, { consistency: 'weak' })],
    get(null, 6, 7, { consistency: 'session' }),
  ],
  'operations that touch in time may be in either order': [set('a', 0, 5), set('b', 5, 9), get('a', 10, 11)],
  'a failed read says nothing': [set('a', 0, 1), get('z', 2, 3, { outcome: 'failed' })],
}

for (const [title, operations] of Object.entries(good)) {
  test(`linearizable: ${title}`, t => {
    t.like(checkLinearizable(operations), { ok: true })
  })
}

const bad: Record<string, HistoryOperation[]> = {
  'a stale read': [set('a', 0, 1), set('b', 2, 3), get('a', 4, 5)],
  'a lost write': [set('a', 0, 1), get(null, 2, 3)],
  'a read that goes back in time': [set('a', 0, 1), set('b', 2, 9), get('b', 3, 4), get('a', 5, 6)],
  'an unknown write that is seen and then not': [
    ...[set('a', 0, 1), set('b', 2, null), get('b', 3, 4), get('a', 5, 6)],
  ],
  'one delete that takes effect twice': [
    ...[set('a', 0, 1), del(2, null), get(null, 3, 4), set('b', 5, 6), get(null, 7, 8)],
  ],
  'a value that nobody wrote': [set('a', 0, 1), get('z', 2, 3)],
  'a value whose write certainly failed': [set('a', 0, 1, { outcome: 'failed' }), get('a', 2, 3)],
  'a value that is read before it is written': [get('a', 0, 1), set('a', 2, 3)],
  'a weak write that is undone after a strong read saw it': [
    ...[set('a', 0, 1), set('b', 2, 3, { consistency: 'weak' }), get('b', 4, 5), get('a', 6, 7)],
  ],
  'two readers that disagree on the order of two writes': [
    ...[set('a', 0, 10), set('b', 0, 10), get('a', 11, 12), get('b', 13, 14)],
  ],
}

for (const [title, operations] of Object.entries(bad)) {
  test(`not linearizable: ${title}`, t => {
    const verdict = checkLinearizable(operations)
    t.false(verdict.ok)
    if (!verdict.ok) {
      t.is(verdict.reason, 'violated')
      t.is(verdict.key, 'k')
      t.regex(verdict.explanation, /cannot be explained/)
    }
  })
}

test('keys are judged each by itself, and the verdict names the one that is wrong', t => {
  const verdict = checkLinearizable([
    ...[set('a', 0, 1, { key: 'x' }), get('a', 2, 3, { key: 'x' })],
    ...[set('a', 0, 1, { key: 'y' }), get(null, 2, 3, { key: 'y' })],
  ])
  t.like(verdict, { ok: false, key: 'y' })
})

test('more than ten operations at once on a key are too many to judge', t => {
  const writes = (count: number) => Array.from({ length: count }, (_, at) => set(`v${at}`, 0, 10))
  t.true(checkLinearizable(writes(10)).ok)
  const verdict = checkLinearizable(writes(11))
  t.like(verdict, { ok: false, reason: 'too concurrent', key: 'k' })
  t.true(checkLinearizable(writes(11), { concurrentMax: 12 }).ok)
  t.throws(() => checkLinearizable([], { concurrentMax: 0 }), { instanceOf: TypeError })
})

test('writes of unknown outcome that nobody saw do not count as concurrent', t => {
  const unknown = Array.from({ length: 500 }, (_, at) => set(`u${at}`, at, null))
  const deletes = Array.from({ length: 500 }, (_, at) => del(at, null))
  t.true(checkLinearizable([...unknown, ...deletes, set('a', 600, 601), get('a', 602, 603)]).ok)
})

test('two writes of the same value to a key are refused', t => {
  t.throws(() => checkLinearizable([set('a', 0, 1), set('a', 2, 3)]), { instanceOf: TypeError })
})

test('a long history of eight clients is judged in little memory', t => {
  const operations: HistoryOperation[] = []
  let value: string | null = null
  // Operations overlap by eight, and each takes effect as it begins.
  for (let at = 0; at < 40_000; at += 1) {
    if (at % 3 === 0) {
      value = `v${at}`
      operations.push(set(value, at, at + 7.5))
    } else {
      operations.push(get(value, at, at + 7.5))
    }
  }
  t.like(checkLinearizable(operations), { ok: true, operations: 40_000 })
})

const tinyHistory = fc
  .array(
    fc.record({
      kind: fc.constantFrom('set', 'get', 'get', 'delete'),
      from: fc.nat(12),
      length: fc.nat(6),
      how: fc.constantFrom('strong', 'strong', 'strong', 'weak', 'unknown', 'failed'),
      read: fc.nat(4),
    }),
    { minLength: 1, maxLength: 7 },
  )
  .map(shapes => {
    const values = shapes.flatMap(({ kind }, at) => (kind === 'set' ? [`v${at}`] : []))
    return shapes.map(({ kind, from, length, how, read }, at) => {
      const outcome = how === 'unknown' || how === 'failed' ? how : 'ok'
      const more = { outcome, consistency: how === 'weak' ? 'weak' : 'strong' } as const
      if (kind === 'set') return set(`v${at}`, from, from + length, more)
      if (kind === 'delete') return del(from, from + length, more)
      return get(values[read] ?? null, from, from + length, more)
    })
  })

test('a scan takes no part', t => {
  const operations = [
    set('a', 0, 1),
    get(null, 2, 3, { type: 'scan' }),
    get(null, 2, 3, { type: 'scan', key: 'b' }),
  ]
  t.like(checkLinearizable(operations), { ok: true, keys: 1, operations: 1 })
})

test('the verdict is that of the definition, on random tiny histories', t => {
  const seen = { good: 0, bad: 0 }
  fc.assert(
    fc.property(tinyHistory, operations => {
      const expected = isLinearizableByDefinition(operations)
      seen[expected ? 'good' : 'bad'] += 1
      return checkLinearizable(operations).ok === expected
    }),
    { numRuns: 5_000 },
  )
  // Of either kind there are enough; some 560 are bad, give or take a few times 22.
  t.true(seen.good > 300 && seen.bad > 300, JSON.stringify(seen))
})
