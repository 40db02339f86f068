/** What runs show together is computed from their recordings. */
import test from 'ava'
import { availability } from '../../tools/experiment/builtin/availability.js'
import { sameOperations, writesLost } from '../../tools/experiment/builtin/conclude.js'
import { pauses, requests } from '../../tools/experiment/builtin/pauses.js'
import { plannedRuns, readExperimentValue } from '../../tools/experiment/description/variants.js'
import type { FaultEvent } from '../../tools/experiment/record/events.js'
import type { RecordedOperation, RecordedRun } from '../../tools/experiment/record/recorded-run.js'
import type { JudgedRun } from '../../tools/experiment/run-experiment.js'
import { summarize } from '../../tools/experiment/summary/run-summary.js'
import { at, entry, operation, smallRun } from '../figures/support/small-run.js'

const planned = plannedRuns(
  readExperimentValue(
    { name: 'x', workload: { kind: 'normal', operations: 9 }, variants: [{ name: 'a' }, { name: 'b' }] },
    'x',
  ),
)

function judged(run: Partial<RecordedRun>, which = 0): JudgedRun {
  const recorded = { ...smallRun(run), name: planned[which]!.name }
  return { planned: planned[which]!, run: recorded, summary: summarize(planned[which]!, recorded, []) }
}

function fault(action: FaultEvent['action'], target: string, atMs: number): FaultEvent {
  return { type: 'fault', run: 'small', atMs, action, target, node: 'a', shard: '', tookMs: 1 }
}

/** Sets of these values by one client, one after another. */
function sets(values: readonly string[]): RecordedOperation[] {
  return values.map((value, id) => operation({ id, value, invokedMs: id * 10, position: at(id + 1) }))
}

test('runs that send the same are found to, as far as both went', t => {
  const [verdict] = sameOperations([
    judged({ operations: sets(['1', '2', '3']) }),
    judged({ operations: sets(['1', '2']) }, 1),
  ])
  t.true(verdict!.ok)
  t.regex(verdict!.found, /^2 operations of 2 runs/)
})

test('one operation that differs is found, with its client', t => {
  const [verdict] = sameOperations([
    judged({ operations: sets(['1', '2']) }),
    judged({ operations: sets(['1', '9']) }, 1),
  ])
  t.false(verdict!.ok)
  t.regex(verdict!.found, /operation 2 of c differs between a and b/)
})

test('what a read found is no difference in what was asked', t => {
  const read = (value: string) => [operation({ type: 'get', value, position: at(1) })]
  t.true(sameOperations([judged({ operations: read('x') }), judged({ operations: read('y') }, 1)])[0]!.ok)
})

test('writes are counted as lost by mode, and a weak one that is an orphan is excused', t => {
  const strong = operation({ consistency: 'strong', key: 's', value: 's', position: at(1) })
  const weak = operation({ key: 'w', value: 'w', position: at(2) })
  const log = [entry(1, 's', 0, { value: 's' })]
  const orphans = [entry(2, 'w', 0, { value: 'w' })]
  const kept = writesLost([judged({ operations: [strong, weak], log, orphans })])
  t.true(kept.ok)
  t.is(kept.found, 'strong: 0 of 1; weak: 1 of 1, 1 of them found as orphans')
  t.false(writesLost([judged({ operations: [strong, weak], log })]).ok)
  t.false(writesLost([judged({ operations: [strong], log: [] })]).ok)
})

test('a pause is the longest time without an answer between a fault and the next', t => {
  const operations = [5, 90, 100, 420, 430, 900].map(returnedMs =>
    operation({ invokedMs: returnedMs - 1, returnedMs }),
  )
  const { run } = judged({ operations, faults: [fault('kill', 'HEAD', 95), fault('start', 'last', 425)] })
  t.is(pauses(run).found, 'kill HEAD 320 ms, start 470 ms')
})

test('operations that failed are told, with those that found nobody', t => {
  const failed = operation({ outcome: 'failed', position: null, error: 'UNAVAILABLE: nobody' })
  const verdict = requests([judged({ operations: [...sets(['1']), failed] })])
  t.false(verdict.ok)
  t.is(verdict.found, '1 operation failed, 1 with UNAVAILABLE')
  t.true(requests([judged({ operations: sets(['1']) })]).ok)
})

test('who must live is read off from what was answered between the kills', t => {
  const endMs = 12_000
  const about = { ...smallRun().about, shards: { s: ['a', 'b', 'c'] } }
  const faults = [3_000, 6_000, 9_000].map(ms => fault('kill', 'HEAD', ms))
  const loads = [
    { type: 'load', run: 'small', atMs: 0, state: 'begun', clients: 2 },
    { type: 'load', run: 'small', atMs: endMs, state: 'ended', clients: 0 },
  ] as const
  /** Answered while so many live, one every 100 ms. */
  const asked = (consistency: 'strong' | 'weak', type: 'get' | 'set', least: number) =>
    Array.from({ length: endMs / 100 }, (_, step) => {
      const alive = 3 - Math.floor((step * 100) / 3_000)
      const ok = alive >= least
      const given = { consistency, type, invokedMs: step * 100, value: `${consistency}${type}${step}` }
      return operation(ok ? given : { ...given, outcome: 'failed', position: null })
    })
  const operations = [
    ...asked('strong', 'set', 2),
    ...asked('strong', 'get', 2),
    ...asked('weak', 'set', 1),
    ...asked('weak', 'get', 2),
  ]
  const found = availability
    .conclude([judged({ about, faults, loads, operations })])
    .filter(({ what }) => what.startsWith('how many must live'))
  t.deepEqual(
    found.map(({ what, ok }) => [what.split(' for ')[1], ok]),
    [
      ['strong writes', true],
      ['strong reads', true],
      ['weak writes', true],
      ['weak reads', false],
    ],
  )
  t.regex(found[3]!.found, /^2 of 3 \(answered with 3, 2 alive: 100\.0 %; 1, 0 alive: 0\.0 %\)$/)
})
