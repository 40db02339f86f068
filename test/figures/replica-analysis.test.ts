/** What is computed of replicas: divergence, lag, clocks, resources. */
import test from 'ava'
import { replicaClocks } from '../../tools/experiment/analysis/clocks.js'
import { divergence, staleKeysOverTime } from '../../tools/experiment/analysis/divergence.js'
import { heldOver } from '../../tools/experiment/analysis/hold-over.js'
import { replicaLags } from '../../tools/experiment/analysis/lag.js'
import { nodeUse } from '../../tools/experiment/analysis/node-use.js'
import { entry, sample, smallRun } from './support/small-run.js'

const log = [entry(1, 'x', 10), entry(2, 'y', 20), entry(3, 'x', 30), entry(4, 'x', 900)]

test('a replica is as many versions of a key behind as the head held when the replica was sampled', t => {
  const run = smallRun({ log, samples: [sample('a', 950, 4), sample('b', 40, 1), sample('b', 500, 2)] })
  const [early] = divergence(run, 9, 600)
  t.deepEqual(early!.keys, ['x', 'y'])
  t.deepEqual(early!.nodes, ['a', 'b'])
  t.deepEqual(early!.behind, [
    [null, 1],
    [null, 0],
  ])
})

test('a replica that has long been silent is compared with what the head holds at the moment', t => {
  const run = smallRun({ log: [...log, entry(5, 'y', 1_700)], samples: [sample('b', 500, 2)] })
  t.deepEqual(divergence(run, 9, 1_800)[0]!.behind, [
    [null, 2],
    [null, 1],
  ])
})

test('only the most written keys are shown, and those written as often by name', t => {
  const run = smallRun({ log: [entry(1, 'b', 1), entry(2, 'a', 2), entry(3, 'c', 3), entry(4, 'c', 4)] })
  t.deepEqual(divergence(run, 2)[0]!.keys, ['c', 'a'])
})

test('the share of stale samples counts a sample only where the newest version of the key was missing', t => {
  const samples = [sample('b', 5, 0), sample('b', 15, 0), sample('b', 25, 1), sample('b', 50, 3)]
  const [found] = divergence(smallRun({ log, samples }), 9)
  t.deepEqual(found!.staleShare, [
    [null, 1 / 4],
    [null, 1 / 4],
  ])
})

test('keys that a replica lacks are counted once each, and a silent time has no count', t => {
  const samples = [sample('b', 100, 0), sample('b', 150, 3), sample('b', 950, 3)]
  const [, b] = staleKeysOverTime(smallRun({ log, samples }), { fromMs: 0, toMs: 1_000 }, 4)
  t.deepEqual(b!.staleKeys, [1, null, null, 1])
})

test('lag is how many entries had been stamped that the replica did not hold', t => {
  const samples = [
    sample('b', 15, 0),
    sample('b', 25, 2),
    sample('b', 35, 2),
    sample('b', 45, 3),
    sample('b', 55, 3),
  ]
  const [, lag] = replicaLags(smallRun({ log, samples }))
  t.deepEqual(lag!.entriesBehind, [1, 0, 1, 0, 0])
  t.is(lag!.laggingMs, 20)
  t.is(lag!.longestMs, 10)
  t.is(lag!.answeringMs, 40)
  t.is(lag!.medianEntries, 0)
  t.is(lag!.p99Entries, 1)
})

test('time in which a replica was silent counts neither as lag nor as answering', t => {
  const samples = [sample('b', 100, 0), sample('b', 200, 0), sample('b', 3_000, 0), sample('b', 3_100, 0)]
  const loads = [{ type: 'load', run: 'small', atMs: 5_000, state: 'ended', clients: 0 }] as const
  const [, lag] = replicaLags(smallRun({ log, samples, loads }))
  t.is(lag!.answeringMs, 200)
  t.is(lag!.longestMs, 100)
})

test('a replica ahead of the final log is not behind by less than nothing', t => {
  t.deepEqual(replicaLags(smallRun({ log, samples: [sample('b', 15, 9)] }))[1]!.entriesBehind, [0])
})

test('a clock is behind what the head had stamped when it was read', t => {
  const samples = [sample('a', 25, 2), sample('b', 35, 1)]
  const [head, other] = replicaClocks(smallRun({ log, samples }))
  t.deepEqual(head!.readings, [{ atMs: 25, lamport: 2, behind: 0, isHead: true }])
  t.deepEqual(other!.readings, [{ atMs: 35, lamport: 1, behind: 2, isHead: false }])
})

test('CPU is what was used between samples, and a process that was started anew begins anew', t => {
  const samples = [
    sample('a', 100, 0, { cpuMs: 1_000, rssBytes: 5 }),
    sample('a', 200, 0, { cpuMs: 1_050, rssBytes: 9 }),
    sample('a', 600, 0, { cpuMs: 10, rssBytes: 2 }),
    sample('a', 700, 0, { cpuMs: 110, rssBytes: 3 }),
  ]
  const [use] = nodeUse(smallRun({ samples }), { fromMs: 0, toMs: 1_000 }, 4)
  t.deepEqual(use!.cpuPercent, [50, null, 100, null])
  t.deepEqual(use!.rssBytes, [9, null, 3, null])
})

test('a step between two samples has what the first said, and a step in which a sample is overdue has nothing', t => {
  const values = [1, null, 2, null, null, null, 3]
  t.deepEqual(heldOver(values, [5, 25, 65], 10), [1, 1, 2, 2, 2, 2, 3])
  t.deepEqual(heldOver(values, [5, 15, 65], 10), [1, 1, 2, 2, 2, null, 3])
  t.deepEqual(heldOver(values, [5], 10), values)
})
