/** Descriptions of workloads: what is filled in, and what is refused in which words. */
import test from 'ava'
import { CommandError } from '../../../tools/exit-codes.js'
import { parseWorkload } from '../../../tools/experiment/workload/workload-spec.js'

const normal = { kind: 'normal', operations: 100 }

test('what a description leaves out has defaults', t => {
  t.deepEqual(parseWorkload(normal, 'x'), {
    kind: 'normal',
    keys: 400,
    writeShare: 0.5,
    deleteShare: 0,
    valueSizeBytes: 100,
    clients: 1,
    operations: 100,
    connections: 1,
    timeoutMs: 10_000,
    keyPrefix: '',
  })
  t.like(parseWorkload({ kind: 'write-heavy', duration: 2 }, 'x'), {
    writeShare: 0.9,
    durationMs: 2_000,
    operations: 200_000,
  })
  t.like(parseWorkload({ ...normal, kind: 'hot-cold' }, 'x'), { hot: { keys: 10, share: 0.9 } })
  t.like(parseWorkload({ ...normal, kind: 'ycsb', workload: 'D' }, 'x'), { records: 1_000, zipfian: 0.99 })
  t.like(parseWorkload({ kind: 'run-file', file: 'a.txt' }, 'x'), { clients: 1, operations: 1_000_000 })
})

test('lengths of time are seconds or texts, and are kept in milliseconds', t => {
  const given = { kind: 'normal', duration: '500ms', timeout: 1.5 }
  t.like(parseWorkload(given, 'x'), { durationMs: 500, timeoutMs: 1_500 })
})

test('a ramp says its most clients, and clients share four connections', t => {
  const ramp = [
    { clients: 2, for: '1s' },
    { clients: 16, for: 2 },
  ]
  t.like(parseWorkload({ kind: 'normal', ramp }, 'x'), {
    clients: 16,
    connections: 4,
    operations: 200_000,
    ramp: [
      { clients: 2, forMs: 1_000 },
      { clients: 16, forMs: 2_000 },
    ],
  })
})

test('an open loop has the operations that its rate makes, and a bound of those under way', t => {
  t.like(parseWorkload({ kind: 'normal', ratePerSecond: 300, duration: '1500ms' }, 'x'), {
    clients: 256,
    operations: 450,
  })
})

const refused: [unknown, string][] = [
  [undefined, 'x: nothing given, a workload is an object'],
  ['normal', 'x: "normal" given, a workload is an object'],
  [{}, 'x: kind: nothing given, allowed are "run-file", "normal", "hot-cold", "write-heavy" and "ycsb"'],
  [
    { ...normal, kind: 'cold' },
    'x: kind: "cold" given, allowed are "run-file", "normal", "hot-cold", "write-heavy" and "ycsb"',
  ],
  [{ ...normal, keys: 0 }, 'x: keys: 0 given, allowed is a whole number from 1 to 1000000'],
  [{ ...normal, keys: 1.5 }, 'x: keys: 1.5 given, allowed is a whole number from 1 to 1000000'],
  [{ ...normal, valueSize: 15 }, 'x: valueSize: 15 given, allowed is a whole number from 16 to 65536'],
  [{ ...normal, writeShare: 2 }, 'x: writeShare: 2 given, allowed is a number from 0 to 1'],
  [{ ...normal, clients: 5000 }, 'x: clients: 5000 given, allowed is a whole number from 1 to 4096'],
  [
    { ...normal, duration: '0s' },
    'x: duration: "0s" given, allowed is a length of time such as 500ms, 10s or 2m, at most 86400 s; a number is seconds',
  ],
  [
    { ...normal, timeout: '1h' },
    'x: timeout: "1h" given, allowed is a length of time such as 500ms, 10s or 2m, at most 600 s; a number is seconds',
  ],
  [
    { kind: 'normal', ramp: [{ clients: 1 }] },
    'x: ramp[0].for: nothing given, allowed is a length of time such as 500ms, 10s or 2m, at most 86400 s; a number is seconds',
  ],
  [
    { kind: 'normal', ramp: [{ clients: 1, for: 1, until: 2 }] },
    'x: ramp[0].until: no such field, allowed are clients, for',
  ],
  [
    { kind: 'normal' },
    'x: operations: nothing given, expected is operations, duration or ramp: when does it end?',
  ],
  [
    { kind: 'normal', clients: 2, ramp: [{ clients: 1, for: 1 }] },
    'x: clients: 2 given, allowed is either this or a ramp',
  ],
  [
    { kind: 'normal', ratePerSecond: 2, ramp: [{ clients: 1, for: 1 }] },
    'x: ratePerSecond: 2 given, allowed is either this or a ramp',
  ],
  [
    { ...normal, connections: 3, clients: 2 },
    'x: connections: 3 given, allowed are at most as many as clients, 2',
  ],
  [
    { kind: 'normal', ratePerSecond: 20_000, duration: '1m' },
    'x: ratePerSecond: 20000 given, which makes 1200000 operations in the duration, allowed are at most 1000000',
  ],
  [
    { ...normal, kind: 'hot-cold', keys: 10 },
    'x: hotKeys: nothing given, which makes 10 hot keys of 10, allowed are fewer hot keys than keys',
  ],
  [{ ...normal, kind: 'ycsb', workload: 'G' }, 'x: workload: "G" given, allowed are "A" to "F"'],
  [
    { ...normal, kind: 'ycsb', workload: 'A', zipfian: 1 },
    'x: zipfian: 1 given, allowed is a number above 0 and below 1',
  ],
  [
    { kind: 'ycsb', workload: 'F', operations: 500_000 },
    'x: operations: 500000 given, which makes 1001000 recorded with the preload, allowed are at most 1000000',
  ],
]

for (const [given, message] of refused) {
  test(`refused: ${message}`, t => {
    const error = t.throws(() => parseWorkload(given, 'x'), { instanceOf: CommandError })
    t.is(error.message, message)
  })
}

test('a field that is not of that kind is unknown, and those that are get named', t => {
  const runFile = { kind: 'run-file', file: 'a.txt', keys: 3 }
  const { message } = t.throws(() => parseWorkload(runFile, 'run.json: workload'))
  t.regex(message, /^run\.json: workload: keys: no such field, allowed are kind, file, clients, .*keyPrefix$/)
})
