/** The judge of chaos runs: a run that kept every promise passes, and each broken promise is named. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test from 'ava'
import { at, del, get, logged, set } from '../history/support/operations.js'
import { type Evidence, loadEvidence, type RunFacts, saveEvidence } from './evidence.js'
import { judge } from './judge.js'
import { verdictTable } from './verdict-table.js'

const weak = { consistency: 'weak' } as const

const facts: RunFacts = {
  about: { seed: 7 },
  faults: [{ kind: 'coordinator', what: 'coordinator', beganMs: 100, endedMs: 200, isAlone: true }],
  replicas: 3,
  differences: [],
  convergedMs: 100,
  notConverged: undefined,
  unexpectedEnds: [],
  heads: { 'shard_0/1': '127.0.0.1:1', 'shard_0/2': '127.0.0.1:2' },
  damaged: [],
  relayedBytes: 1_000,
  notices: [],
}

const good: Evidence = {
  operations: [
    set('a', 0, 1, { position: at(2) }),
    set('w1', 2, 3, { ...weak, key: 'other', position: { ...at(3), committed: false } }),
    set('w2', 4, 5, { ...weak, key: 'other', position: { ...at(4), committed: false } }),
    del(6, 7, { position: at(5, 2) }),
    get(null, 8, 9, { position: at(5, 2) }),
    get('w1', 8, 9, { consistency: 'session', key: 'other', position: at(3) }),
  ],
  log: [
    logged(1, null, { type: 'other', key: '' }),
    logged(2, 'a'),
    logged(3, 'w1', { key: 'other' }),
    logged(4, null, { type: 'other', key: '', epoch: 2 }),
    logged(5, null, { epoch: 2 }),
  ],
  orphans: [logged(4, 'w2', { key: 'other' })],
  facts,
}

function broken(evidence: Evidence): string[] {
  return judge(evidence)
    .filter(({ ok }) => !ok)
    .map(({ what }) => what)
}

test('a run that kept every promise passes, and keeps it in a folder for a second look', t => {
  t.deepEqual(broken(good), [])
  t.false(verdictTable(judge(good)).includes('BROKEN'))
  const dir = mkdtempSync(join(tmpdir(), 'varve-judge-'))
  t.teardown(() => rmSync(dir, { recursive: true, force: true }))
  saveEvidence(dir, good)
  const again = loadEvidence(dir)
  t.deepEqual(broken(again), [])
  t.is(again.operations.length, good.operations.length)
})

const cases: [promise: string, evidence: Evidence][] = [
  ['strong operations are linearizable', { ...good, operations: [...good.operations, get('a', 10, 11)] }],
  [
    'acknowledged strong writes are in the log',
    { ...good, operations: [...good.operations, set('b', 10, 11, { position: at(6, 2) })] },
  ],
  ['no write is doubled', { ...good, log: [...good.log, logged(6, 'a', { epoch: 2 })] }],
  [
    'no failed write is done',
    {
      ...good,
      operations: [...good.operations, set('w1', 0, 1, { key: 'other', outcome: 'failed' })].slice(2),
    },
  ],
  ['answers and log agree', { ...good, log: good.log.filter(({ index }) => index !== 1 && index !== 4) }],
  [
    'log order is real-time order',
    {
      ...good,
      operations: [
        ...good.operations,
        get('a', 10, 11, { ...weak, consistency: 'session', position: at(2) }),
      ],
    },
  ],
  ['weak losses are orphans', { ...good, orphans: [] }],
  ['replicas are equal', { ...good, facts: { ...facts, differences: ['n1 and n2 differ'] } }],
  ['the cluster heals', { ...good, facts: { ...facts, convergedMs: undefined, notConverged: 'waits' } }],
  ['no process ends by itself', { ...good, facts: { ...facts, unexpectedEnds: ['n1 ended with 1'] } }],
  [
    'no request fails for want of a coordinator',
    { ...good, operations: [...good.operations, get(null, 120, 130, { outcome: 'failed' })] },
  ],
  ['work was done', { ...good, operations: good.operations.slice(0, -1) }],
  ['the network was under control', { ...good, facts: { ...facts, relayedBytes: 0 } }],
  ['faults were made', { ...good, facts: { ...facts, faults: [] } }],
]

for (const [promise, evidence] of cases) {
  test(`broken: ${promise}`, t => {
    t.true(broken(evidence).includes(promise), JSON.stringify(broken(evidence)))
  })
}

test('a weak write whose only copy was on a damaged disk is lost with it', t => {
  const damaged = (atMs: number, address: string) => ({
    ...good,
    orphans: [],
    facts: { ...facts, damaged: [{ address, atMs }] },
  })
  t.deepEqual(broken(damaged(50, '127.0.0.1:1')), [])
  t.deepEqual(broken(damaged(4, '127.0.0.1:1')), ['weak losses are orphans'], 'it was written later')
  t.deepEqual(broken(damaged(50, '127.0.0.1:2')), ['weak losses are orphans'], 'another node was the head')
})
