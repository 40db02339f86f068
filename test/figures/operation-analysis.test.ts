/** What is computed of operations: rates, latencies, counts, staleness, rows of comparison. */
import test from 'ava'
import { latencyDistributions } from '../../tools/experiment/analysis/latency-distribution.js'
import { operationCounts } from '../../tools/experiment/analysis/operation-counts.js'
import { scalingRows } from '../../tools/experiment/analysis/scaling.js'
import { readStaleness } from '../../tools/experiment/analysis/staleness.js'
import { throughput } from '../../tools/experiment/analysis/throughput.js'
import { at, operation, sample, smallRun } from './support/small-run.js'

test('a bucket counts what came back in it, and latency begins when the operation was due', t => {
  const operations = [
    operation({ intendedMs: 10, invokedMs: 90, returnedMs: 110 }),
    operation({ invokedMs: 150, returnedMs: 152 }),
    operation({ invokedMs: 160, returnedMs: 180, outcome: 'failed' }),
    operation({ invokedMs: 210, returnedMs: null, outcome: 'unknown' }),
  ]
  const [first, second, third] = throughput(smallRun({ operations }), { fromMs: 0, toMs: 300 }, 100)
  t.deepEqual(first, { fromMs: 0, answeredPerSecond: 0, failedPerSecond: 0, p50Ms: null, p99Ms: null })
  t.deepEqual(second, { fromMs: 100, answeredPerSecond: 20, failedPerSecond: 10, p50Ms: 2, p99Ms: 100 })
  t.is(third!.failedPerSecond, 10)
})

test('latencies are told apart by kind and consistency, and end where one operation stands for the rest', t => {
  const operations = [...Array(1_000).keys()].map(id => {
    return operation({
      id,
      type: id % 2 === 0 ? 'get' : 'set',
      consistency: 'strong',
      returnedMs: 1 + Math.floor(id / 2),
    })
  })
  const [writes, reads] = latencyDistributions(smallRun({ operations }))
  t.deepEqual([writes!.kind, reads!.kind], ['write', 'read'])
  t.is(reads!.count, 500)
  t.is(Math.round(reads!.points[0]!.latencyMs), 250)
  t.true(Math.abs(reads!.points.at(-1)!.nines - Math.log10(500)) < 1e-9)
})

test('an operation counts for the shard that answered, and one without an answer for the shard of its key', t => {
  const shards = { s_0: ['a'], s_1: ['b'] }
  const about = { ...smallRun().about, shards }
  const position = { ...at(1), shard: 's_1' }
  const operations = [
    operation({ type: 'get', position }),
    operation({ type: 'delete', position: null, key: 'a', outcome: 'unknown' }),
  ]
  // CRC-32 of "a" is 0xe8b7be43, which is odd.
  t.deepEqual(operationCounts(smallRun({ about, operations })), [
    { shard: 's_0', set: 0, get: 0, delete: 0, scan: 0 },
    { shard: 's_1', set: 0, get: 1, delete: 1, scan: 0 },
  ])
})

test('a weak read is as stale as the acknowledged writes that it missed, and the oldest of them', t => {
  const writes = [10, 20, 30].map((ms, n) =>
    operation({ invokedMs: ms - 1, returnedMs: ms, position: at(n + 1) }),
  )
  const read = (invokedMs: number, index: number) =>
    operation({ type: 'get', invokedMs, position: at(index) })
  const stale = (operations: ReturnType<typeof operation>[]) => readStaleness(smallRun({ operations }))
  t.deepEqual(stale([...writes, read(100, 1)]), [{ versions: 2, ageMs: 80 }])
  t.deepEqual(stale([...writes, read(25, 2)]), [{ versions: 0, ageMs: 0 }])
  t.deepEqual(
    stale([...writes, read(30, 2)]),
    [{ versions: 0, ageMs: 0 }],
    'a write acknowledged at that very time',
  )
  t.deepEqual(
    stale([...writes, read(25, 3)]),
    [{ versions: 0, ageMs: 0 }],
    'a read may be ahead of acknowledgements',
  )
})

test('neither strong reads nor writes of other keys make staleness', t => {
  const operations = [
    operation({ key: 'other', returnedMs: 5, position: at(9) }),
    operation({ type: 'get', invokedMs: 50, position: at(1) }),
    operation({ type: 'get', invokedMs: 50, position: at(0), consistency: 'strong' }),
  ]
  t.deepEqual(readStaleness(smallRun({ operations })), [{ versions: 0, ageMs: 0 }])
})

test('a row of comparison takes its rate over the load and memory from the peaks of the processes', t => {
  const operations = [
    operation({ returnedMs: 4 }),
    operation({ returnedMs: 4 }),
    operation({ outcome: 'failed' }),
  ]
  const samples = [
    sample('a', 1, 0, { rssBytes: 7 }),
    sample('b', 2, 0, { rssBytes: 3 }),
    sample('a', 3, 0, { rssBytes: 5 }),
    sample('c', 3, 0, { rssBytes: 4 }),
  ]
  const [row] = scalingRows([smallRun({ operations, samples })])
  t.is(row!.operationsPerSecond, 2)
  t.deepEqual([row!.replicas, row!.shards, row!.clients], [2, 1, 2])
  t.deepEqual([row!.rssBytesMax, row!.rssBytesMedian], [7, 4])
  t.is(Math.round(row!.p99Ms), 4)
})

test('each step of a ramp has a row of its own, of the operations that began in it', t => {
  const loads = [
    { type: 'load', run: 'small', atMs: 0, state: 'begun', clients: 1 },
    { type: 'load', run: 'small', atMs: 500, state: 'step', clients: 8 },
    { type: 'load', run: 'small', atMs: 1_000, state: 'ended', clients: 0 },
  ] as const
  const operations = [10, 600, 700].map(invokedMs => operation({ invokedMs, returnedMs: invokedMs + 2 }))
  const rows = scalingRows([smallRun({ operations, loads })])
  t.deepEqual(
    rows.map(({ clients, operationsPerSecond }) => [clients, operationsPerSecond]),
    [
      [1, 2],
      [8, 4],
    ],
  )
})
