/** What is written into a folder is what is read from it. */
import { appendFileSync, existsSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { CommandError } from '../../tools/exit-codes.js'
import { ExperimentFolder } from '../../tools/experiment/record/experiment-folder.js'
import { readExperiment } from '../../tools/experiment/record/read-experiment.js'
import { Recorder } from '../../tools/experiment/record/recorder.js'
import { failoverChain } from '../figures/support/made-experiments.js'
import { tempFolder } from '../tools/temp-folder.js'
import { writeRecorded } from './support/recorded-folder.js'

test('runs come back as they were recorded', async t => {
  const made = failoverChain()
  const path = join(tempFolder(t), 'made')
  await writeRecorded(path, made)
  const [run] = (await readExperiment(path)).runs
  const [expected] = made.runs
  t.deepEqual(run!.about, expected!.about)
  t.deepEqual(run!.samples, expected!.samples)
  t.deepEqual(run!.memberships, expected!.memberships)
  t.deepEqual(run!.faults, expected!.faults)
  t.is(run!.operations.length, expected!.operations.length)
  t.is(run!.log.length, expected!.log.length)
  const middle = Math.floor(run!.operations.length / 2)
  t.true(Math.abs(run!.operations[middle]!.invokedMs - expected!.operations[middle]!.invokedMs) < 0.001)
  t.true(Math.abs(run!.log[7]!.stampedMs - expected!.log[7]!.stampedMs) < 0.001)
})

test('what was recorded until a process was killed can be read', async t => {
  const path = join(tempFolder(t), 'made')
  const folder = await writeRecorded(path, failoverChain())
  const whole = (await readExperiment(path)).runs[0]!
  appendFileSync(folder.eventsFile, '{"type":"sample","run":"chain","atMs":1')
  appendFileSync(folder.historyFile, '{"run":"chain","client":"c1","id":')
  const cut = (await readExperiment(path)).runs[0]!
  t.is(cut.samples.length, whole.samples.length)
  t.is(cut.operations.length, whole.operations.length)
})

test('a history that was cut off in the middle of a line is taken over without it', async t => {
  const folder = new ExperimentFolder(join(tempFolder(t), 'cut'))
  folder.create()
  const recorder = new Recorder(folder, {})
  writeFileSync(folder.historyPart('a'), '{"format":"varve-history","version":2}\n{"client":"c"}\n{"client":')
  await recorder.takeHistory('a')
  recorder.close()
  t.false(existsSync(folder.historyPart('a')))
  t.throws(() => new ExperimentFolder(folder.path).checkNew(), { message: /is not empty/ })
})

test('a line that makes no sense is told with its file and number', async t => {
  const path = join(tempFolder(t), 'made')
  const folder = await writeRecorded(path, failoverChain())
  writeFileSync(folder.historyFile, '{"format":"varve-history","version":2}\n{"run":"chain","client":7}\n')
  await t.throwsAsync(readExperiment(path), { message: /history\.jsonl, line 2: "client" is 7/ })
  writeFileSync(folder.eventsFile, '{"format":"other"}\n{}\n')
  await t.throwsAsync(readExperiment(path), {
    instanceOf: CommandError,
    message: /events\.jsonl: format other/,
  })
})

test('a full disk is told when the run is over, not by a timer', async t => {
  const folder = new ExperimentFolder(join(tempFolder(t), 'full'))
  folder.create()
  symlinkSync('/dev/full', folder.eventsFile)
  const recorder = new Recorder(folder, {})
  t.notThrows(() => recorder.flush())
  await t.throwsAsync(recorder.takeHistory('a'), { code: 'ENOSPC' })
  recorder.close()
})
