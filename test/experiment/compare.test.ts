/** Two experiments side by side. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { CommandError } from '../../tools/exit-codes.js'
import { plannedRuns, readExperimentValue } from '../../tools/experiment/description/variants.js'
import { compareSummaries, comparisonRows } from '../../tools/experiment/summary/compare.js'
import { type ExperimentSummary, isGreen } from '../../tools/experiment/summary/experiment-summary.js'
import { summarize } from '../../tools/experiment/summary/run-summary.js'
import { writeRecorded } from '../experiment/support/recorded-folder.js'
import { operation, smallRun } from '../figures/support/small-run.js'
import { tempFolder } from '../tools/temp-folder.js'
import { varveInProcess } from '../tools/varve-in-process.js'

const [planned] = plannedRuns(
  readExperimentValue({ name: 'x', workload: { kind: 'normal', operations: 9 } }, 'x'),
)

/** A summary whose runs took so long for each of their writes. */
function summaryOf(runs: Readonly<Record<string, number>>): ExperimentSummary {
  return {
    format: 'varve-experiment',
    version: 1,
    name: 'x',
    title: 'X',
    about: '',
    command: 'varve experiment x',
    startedMs: 0,
    tookMs: 1,
    machine: { cpu: 'none', cores: 1, memoryBytes: 1, system: 's', node: 'v', dataInMemory: false },
    unfinished: [],
    runs: Object.entries(runs).map(([name, ms]) => {
      const operations = [operation({ consistency: 'strong', returnedMs: ms })]
      return summarize(planned!, { ...smallRun({ operations }), name }, [])
    }),
    conclusions: [],
  }
}

test('runs of the same name are compared, each figure with its ratio', t => {
  const rows = comparisonRows(compareSummaries(summaryOf({ a: 10, b: 5 }), summaryOf({ b: 20 })))
  t.deepEqual(
    rows.find(([, figure]) => figure === 'strong write, median'),
    ['', 'strong write, median', '5.00 ms', '20 ms', '4.00'],
  )
  t.true(rows.every(([run]) => run === '' || run === 'b'))
})

test('one run alone is compared with one run alone, whatever they are called', t => {
  t.true(compareSummaries(summaryOf({ a: 1 }), summaryOf({ b: 2 })).length > 5)
})

test('experiments without a run in common are refused with what they have', t => {
  const error = t.throws(() => compareSummaries(summaryOf({ a: 1, b: 1 }), summaryOf({ c: 1 })), {
    instanceOf: CommandError,
  })
  t.is(error!.message, 'no run is in both: the first has a, b, the second c')
})

test('an experiment is green only with all of its runs and promises', t => {
  const whole = summaryOf({ a: 1 })
  const broken = { what: 'x', ok: false, found: '', violations: [] }
  t.true(isGreen(whole))
  t.false(isGreen({ ...whole, unfinished: ['b'] }))
  t.false(isGreen({ ...whole, runs: [] }))
  t.false(isGreen({ ...whole, conclusions: [broken] }))
  t.false(isGreen({ ...whole, runs: [{ ...whole.runs[0]!, verdicts: [broken] }] }))
})

test.serial('the command prints a table, and writes a page with the figures of both', async t => {
  const dir = tempFolder(t)
  for (const [name, ms] of Object.entries({ one: 4, two: 8 })) {
    const operations = [operation({ consistency: 'strong', returnedMs: ms })]
    const folder = await writeRecorded(join(dir, name), {
      name,
      runs: [{ ...smallRun({ operations }), name: 'small' }],
    })
    writeFileSync(folder.summaryFile, JSON.stringify(summaryOf({ small: ms })))
  }
  const html = join(dir, 'both.html')
  const given = ['experiment', 'compare', join(dir, 'one'), join(dir, 'two')]
  const { exitCode, stdout } = await varveInProcess([...given, '--html', html])
  t.is(exitCode, 0)
  t.regex(stdout, /strong write, median +4\.\d\d ms +8\.\d\d ms +2\.00/)
  const json = JSON.parse((await varveInProcess(['-o', 'json', ...given])).stdout) as {
    figure: string
    ratio: number
  }[]
  t.is(json.find(({ figure }) => figure === 'strong write, median')!.ratio.toFixed(1), '2.0')
})

test.serial('the command lists and shows what comes with it', async t => {
  const list = JSON.parse((await varveInProcess(['-o', 'json', 'experiment', '--list'])).stdout) as {
    name: string
  }[]
  t.deepEqual(
    list.map(({ name }) => name),
    ['weak-vs-strong', 'chain-vs-star', 'failures', 'availability', 'scale', 'hot-cold'],
  )
  const shown = await varveInProcess(['experiment', 'availability', '--show', '--seed', '9'])
  t.is(JSON.parse(shown.stdout).seed, 9)
  const unknown = await varveInProcess(['experiment', 'weak'])
  t.is(unknown.exitCode, 2)
  t.regex(unknown.stderr, /^varve: no experiment is called "weak": expected weak-vs-strong, /)
})
