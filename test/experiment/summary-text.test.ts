/** What is printed in the end says who broke what. */
import test from 'ava'
import { plannedRuns, readExperimentValue } from '../../tools/experiment/description/variants.js'
import { summarize } from '../../tools/experiment/summary/run-summary.js'
import { runRows, summaryText } from '../../tools/experiment/summary/summary-text.js'
import type { Verdict } from '../../tools/history/verdict.js'
import { at, operation, smallRun } from '../figures/support/small-run.js'

const [planned] = plannedRuns(
  readExperimentValue({ name: 'x', workload: { kind: 'normal', operations: 9 } }, 'x'),
)

function runCalled(name: string, verdicts: readonly Verdict[] = []) {
  const operations = [
    operation({ consistency: 'strong', returnedMs: 4 }),
    operation({ type: 'get', returnedMs: 2, position: at(1) }),
  ]
  return summarize(planned!, { ...smallRun({ operations }), name }, verdicts)
}

const kept: Verdict = { what: 'replicas are equal', ok: true, found: '3 replicas', violations: [] }
const broken: Verdict = {
  what: 'replicas are equal',
  ok: false,
  found: '1: n2 lags',
  violations: ['n2 lags'],
}

test('a promise has one line, which names the runs that broke it', async t => {
  const about = {
    format: 'varve-experiment',
    version: 1,
    name: 'x',
    title: 'X',
    about: '',
    command: '',
    startedMs: 0,
    tookMs: 1_500,
    machine: { cpu: '', cores: 1, memoryBytes: 1, system: '', node: '', dataInMemory: false },
    unfinished: ['c'],
    conclusions: [{ what: 'writes lost', ok: false, found: '2', violations: ['2'] }],
  } as const
  const text = await summaryText({ ...about, runs: [runCalled('a', [kept]), runCalled('b', [broken])] })
  t.regex(text, /^X: 1\.5 s\n/)
  t.regex(text, /replicas are equal +BROKEN in 1 of 2 +b: 1: n2 lags/)
  t.regex(text, /^! writes lost: 2$/m)
  t.regex(text, /not finished: c$/)
  t.regex(
    await summaryText({ ...about, runs: [runCalled('a', [kept])] }),
    /replicas are equal +kept +3 replicas/,
  )
})

test('writes and reads have columns of their own', t => {
  const [row] = runRows([runCalled('a')])
  t.deepEqual(row!.slice(5, 9), ['4.00 ms', '4.00 ms', '2.00 ms', '2.00 ms'])
})
