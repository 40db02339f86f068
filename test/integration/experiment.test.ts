/** `varve experiment` as it is typed, on clusters of real processes. */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import test, { type ExecutionContext } from 'ava'
import { connect } from '../../src/client/client.js'
import { readExperiment } from '../../tools/experiment/record/read-experiment.js'
import type { ExperimentSummary } from '../../tools/experiment/summary/experiment-summary.js'
import { eventually } from '../support/eventually.js'
import { tempFolder } from '../tools/temp-folder.js'
import { TestCluster } from './support/processes.js'

const VARVE = fileURLToPath(new URL('../../dist/tools/varve.js', import.meta.url))

interface Running {
  readonly child: ChildProcess
  readonly output: () => string
  readonly ended: Promise<number | null>
}

/** Starts the built command; it is ended with the test, and its cluster with it. */
function varve(t: ExecutionContext, args: readonly string[]): Running {
  const child = spawn(process.execPath, [VARVE, ...args], { stdio: ['ignore', 'pipe', 'pipe'] })
  let output = ''
  const take = (text: string) => {
    output += text
  }
  child.stdout!.setEncoding('utf8').on('data', take)
  child.stderr!.setEncoding('utf8').on('data', take)
  t.teardown(() => void child.kill('SIGKILL'))
  const ended = once(child, 'close').then(([code]) => code as number | null)
  return { child, output: () => output, ended }
}

/** A description in a file, and a folder for its results. */
function given(t: ExecutionContext, description: object): { readonly file: string; readonly out: string } {
  const dir = tempFolder(t)
  const file = join(dir, 'x.json')
  writeFileSync(file, JSON.stringify({ name: 'x', ...description }))
  return { file, out: join(dir, 'out') }
}

function summaryIn(out: string): ExperimentSummary {
  return JSON.parse(readFileSync(join(out, 'summary.json'), 'utf8')) as ExperimentSummary
}

/** Command lines of processes that have to do with a folder. */
function processesOf(out: string): string[] {
  const all = execFileSync('ps', ['-ww', '-eo', 'args'], { encoding: 'utf8' }).split('\n')
  return all.filter(line => line.includes(out) && line.includes('-main.js'))
}

const cluster = { shards: 1, replicas: 3 }

test('an experiment with a failover leaves everything in its folder, keeps its promises and no process', async t => {
  const { file, out } = given(t, {
    cluster,
    workload: { kind: 'normal', clients: 4, keys: 20, duration: '6s', operations: 5_000 },
    faults: [
      { at: '1s', kill: 'HEAD' },
      { at: '3s', start: 'last' },
    ],
    variants: [
      { name: 'strong', consistency: 'strong' },
      { name: 'weak', consistency: 'weak' },
    ],
  })
  const run = varve(t, ['experiment', file, '--out', out])
  t.is(await run.ended, 0, run.output())
  const { runs, conclusions, unfinished } = summaryIn(out)
  t.deepEqual(unfinished, [])
  t.deepEqual(
    runs.map(({ name }) => name),
    ['strong', 'weak'],
  )
  for (const { verdicts, answered, failovers } of runs) {
    t.deepEqual(
      verdicts.filter(({ ok }) => !ok),
      [],
    )
    t.true(answered > 20)
    // On a busy machine a head may also be taken for gone.
    t.true(failovers.length >= 1)
  }
  t.true(conclusions.some(({ what, ok }) => what === 'the runs were given the same operations' && ok))
  const recorded = await readExperiment(out)
  t.deepEqual(
    recorded.runs[0]!.faults.map(({ action, problem }) => [action, problem]),
    [
      ['kill', undefined],
      ['start', undefined],
    ],
  )
  t.true(readFileSync(join(out, 'report.html'), 'utf8').includes('<svg'))
  t.true(readdirSync(join(out, 'figures')).includes('throughput-strong.svg'))
  t.false(existsSync(join(out, '.work')))
  t.deepEqual(processesOf(out), [])
})

/** Resolves when the load of the run has begun. */
function underLoad(run: Running): Promise<void> {
  return eventually(
    () => run.output().includes('under load'),
    () => `no load: ${run.output()}`,
  )
}

const endless = { cluster, workload: { kind: 'normal', clients: 2, duration: '10m', operations: 1_000_000 } }

test('Ctrl-C ends all processes, and what was recorded until then is written', async t => {
  const { file, out } = given(t, endless)
  const run = varve(t, ['experiment', file, '--out', out])
  await underLoad(run)
  run.child.kill('SIGINT')
  t.is(await run.ended, 1, run.output())
  t.regex(run.output(), /interrupted: what was recorded is in /)
  t.deepEqual(summaryIn(out).unfinished, ['x'])
  t.true((await readExperiment(out)).runs[0]!.operations.length > 0)
  t.true(existsSync(join(out, 'report.html')))
  t.deepEqual(processesOf(out), [])
})

test('an experiment that is killed leaves no process behind, a silent one neither', async t => {
  const { file, out } = given(t, { ...endless, faults: [{ at: '0.2s', pause: 'TAIL' }] })
  const run = varve(t, ['experiment', file, '--out', out])
  await underLoad(run)
  t.is(processesOf(out).length, 4)
  await eventually(
    () => readFileSync(join(out, 'events.jsonl'), 'utf8').includes('"action":"pause"'),
    () => 'nobody was made silent',
  )
  run.child.kill('SIGKILL')
  await run.ended
  await eventually(
    () => processesOf(out).length === 0,
    () => processesOf(out).join('\n'),
  )
  t.pass()
})

test('a cluster that runs already is used as it is, and goes on with what it held', async t => {
  const held = await TestCluster.start(t, { shards: 1, replicas: 3 })
  const client = await connect(held.endpoints)
  t.teardown(() => client.close())
  await client.set('held/before', 'yes')
  const { file, out } = given(t, { workload: { kind: 'normal', clients: 2, keys: 10, operations: 200 } })
  const endpoints = held.config.coordinator
  const run = varve(t, ['--endpoints', endpoints, 'experiment', file, '--out', out, '--running'])
  t.is(await run.ended, 0, run.output())
  t.is(await client.get('held/before'), 'yes')
  const keys: string[] = []
  for await (const { key } of client.scan({ keysOnly: true })) keys.push(key)
  t.true(keys.every(key => key === 'held/before' || key.startsWith('experiment/')))
  t.true(keys.length > 5)
})

test('runs on one running cluster do not see each other', async t => {
  const held = await TestCluster.start(t, { shards: 1, replicas: 3 })
  const { file, out } = given(t, {
    cluster: { endpoints: [held.config.coordinator] },
    workload: { kind: 'ycsb', workload: 'E', records: 50, clients: 3, operations: 300 },
    repetitions: 2,
  })
  const run = varve(t, ['experiment', file, '--out', out])
  t.is(await run.ended, 0, run.output())
  const { runs, conclusions } = summaryIn(out)
  t.deepEqual(
    runs.map(({ answered }) => answered),
    [300, 300],
  )
  t.true(runs[0]!.operations.some(({ scan }) => scan > 100))
  t.true(conclusions.every(({ ok }) => ok))
})

test('what cannot be done is told before anything is started', async t => {
  const { file, out } = given(t, { ...endless, faults: [{ at: '1s', start: 'n1' }] })
  const run = varve(t, ['experiment', file, '--out', out])
  t.is(await run.ended, 2)
  t.regex(run.output(), /^varve: .*faults\[0\]: start n1 at 1000 ms: 127\.0\.0\.1:\d+ runs then\n$/)
  t.false(existsSync(out))
})
