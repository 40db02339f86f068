/** What is said of a run is what its recording shows. */
import test from 'ava'
import type { RecordedRun } from '../../tools/experiment/record/recorded-run.js'
import { judgeRun } from '../../tools/experiment/verdicts/judge-run.js'
import { at, entry, operation, smallRun } from '../figures/support/small-run.js'

const strong = { consistency: 'strong' as const }
const quiet = { type: 'quiet' as const, run: 'small', atMs: 1_100, replicas: 2 }
const write = operation({ ...strong, id: 1, value: 'v1', position: at(1) })
const read = operation({ ...strong, id: 2, type: 'get', value: 'v1', position: at(1), invokedMs: 10 })

/** Verdicts by promise: true where it was kept. */
function verdicts(run: RecordedRun, problem?: string): Record<string, boolean> {
  return Object.fromEntries(judgeRun(run, problem).map(({ what, ok }) => [what, ok]))
}

const good = smallRun({ operations: [write, read], log: [entry(1, 'k', 0)], quiet })

test('a run in which all went well keeps every promise', t => {
  const found = verdicts(good)
  t.true(Object.values(found).every(Boolean))
  t.true(found['strong operations are linearizable'])
  t.false('weak losses are orphans' in found)
  t.false('faults were made as described' in found)
})

test('a strong write that is not in the log is lost', t => {
  const found = verdicts({ ...good, operations: [write], log: [] })
  t.false(found['acknowledged strong writes are in the log'])
})

test('a read of what was overwritten before is not linearizable', t => {
  const second = operation({ ...strong, id: 3, value: 'v2', position: at(2), invokedMs: 5 })
  const run = { ...good, operations: [write, second, read], log: [entry(1, 'k', 0), entry(2, 'k', 5)] }
  t.false(verdicts(run)['strong operations are linearizable'])
})

test('a weak write that a failover cut off must be an orphan', t => {
  const weak = operation({ value: 'w', position: { ...at(7), committed: false } })
  const run = { ...good, operations: [weak], log: [] }
  t.false(verdicts(run)['weak losses are orphans'])
  t.true(verdicts({ ...run, orphans: [entry(7, 'k', 0, { value: 'w' })] })['weak losses are orphans'])
})

test('replicas that were never found equal are a broken promise, and the reason is told', t => {
  const [equal] = judgeRun({ ...good, quiet: undefined }, 'after 60 s n2 holds less').filter(({ what }) =>
    what.startsWith('replicas are equal'),
  )
  t.false(equal!.ok)
  t.regex(equal!.found, /n2 holds less/)
})

test('without faults no operation may fail, with faults it is told', t => {
  const failed = operation({
    ...strong,
    id: 4,
    type: 'get',
    value: null,
    outcome: 'failed',
    position: null,
    error: 'UNAVAILABLE: nobody',
  })
  const operations = [...good.operations, failed]
  t.false(verdicts({ ...good, operations })['operations are answered'])
  const fault = {
    type: 'fault' as const,
    run: 'small',
    atMs: 1,
    action: 'kill' as const,
    target: 'HEAD',
    node: 'a',
    shard: '',
    tookMs: 1,
  }
  const judged = judgeRun({ ...good, operations, faults: [fault] }, undefined)
  t.regex(judged.find(({ what }) => what === 'operations are answered')!.found, /2 of 3; not: 1 UNAVAILABLE/)
})

test('a fault that could not be made is told', t => {
  const fault = {
    type: 'fault' as const,
    run: 'small',
    atMs: 1,
    action: 'kill' as const,
    target: 'HEAD',
    node: '',
    shard: '',
    tookMs: 1,
    problem: 'nobody leads',
  }
  t.false(verdicts({ ...good, faults: [fault] })['faults were made as described'])
})

test('a run in which nothing was answered proves nothing', t => {
  t.false(verdicts({ ...good, operations: [] })['operations are answered'])
})
