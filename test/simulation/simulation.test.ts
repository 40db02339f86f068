/** A time-boxed run of the simulator, and that what it says can be relied on. docs/simulator.md is about it. */
import { fork } from 'node:child_process'
import anyTest, { type TestFn } from 'ava'
import { type BuiltSimulator, buildSimulator } from './built.js'
import { EXPECTED, EXPECTED_FROM_SEEDS } from './runner/coverage.js'
import type { SeedAnswer, SeedRequest } from './runner/messages.js'
import { neverHit, reportOf } from './runner/report.js'

const test = anyTest as TestFn<BuiltSimulator>

/** No new seed is begun after so many seconds, however few were run: the machine may be busy. */
const SECONDS = 30

test.before(async t => {
  t.timeout(120_000)
  t.context = await buildSimulator('test-simulation')
})

test.serial('every seed of a time-boxed run keeps every promise', async t => {
  t.timeout(170_000)
  const { exitCode, output } = await t.context.run('--seeds', '2000', '--seconds', String(SECONDS))
  const failed = output.indexOf(' failed: ')
  t.log(failed < 0 ? output.split('\n').slice(-3).join('\n') : output.slice(failed - 20))
  t.is(exitCode, 0)
})

test.serial('a seed is the same byte for byte in another process', async t => {
  t.timeout(120_000)
  const [one, other] = await Promise.all([1, 2].map(() => t.context.run('--seed', '7', '--trace')))
  t.is(one!.exitCode, 0)
  t.true(one!.output.split('\n').length > 1_000)
  t.true(one!.output === other!.output)
})

test.serial('a seed is the same whatever ran before it in its process', async t => {
  t.timeout(120_000)
  const [[alone], [, , last]] = await Promise.all([
    answersTo(t.context, [11]),
    answersTo(t.context, [3, 8, 11]),
  ])
  t.truthy(alone)
  t.deepEqual(last, alone)
})

test('what cannot be understood is explained', async t => {
  for (const args of [['--seeds', 'x'], ['--trace'], ['--theme', 'none'], ['--mutant', 'none'], ['--no']]) {
    const { exitCode, output } = await t.context.run(...args)
    t.is(exitCode, 1)
    t.regex(output, /usage: npm run sim/)
  }
})

const TOTALS = { seeds: EXPECTED_FROM_SEEDS, simulatedMs: 1, realMs: 1, events: 0, operations: 0 }

test('a run that never met a fault or a transition says which', t => {
  const settings = { without: [], theme: undefined }
  const counts = new Map(EXPECTED.slice(1).map(what => [what, 1]))
  t.deepEqual(neverHit({ ...TOTALS, counts, failures: [] }, settings), EXPECTED.slice(0, 1))
  t.deepEqual(neverHit({ ...TOTALS, seeds: 1, counts, failures: [] }, settings), [])
})

test('a failure comes with the command that replays it', t => {
  const failures = [{ seed: 5, reason: 'a promise was broken' }]
  const settings = { without: ['split'], theme: 'disks' as const }
  const lines = reportOf({ ...TOTALS, counts: new Map(), failures }, settings)
  t.true(lines.includes('seed 5 failed: a promise was broken'))
  t.true(lines.includes("again: npm run sim -- --seed 5 --trace --without 'split' --theme disks"))
})

/** What one worker answers to these seeds, in order. */
async function answersTo(simulator: BuiltSimulator, seeds: readonly number[]): Promise<SeedAnswer[]> {
  const child = fork(simulator.path('runner/worker-main.js'), { execArgv: [] })
  const answers: SeedAnswer[] = []
  for (const seed of seeds) {
    const request: SeedRequest = { seed, without: [], theme: undefined }
    answers.push(
      await new Promise<SeedAnswer>((resolve, reject) => {
        child.once('message', answer => resolve(answer as SeedAnswer))
        child.once('exit', code => reject(new Error(`the worker ended with ${code}`)))
        child.send(request)
      }),
    )
    child.removeAllListeners('exit')
  }
  child.disconnect()
  return answers
}
