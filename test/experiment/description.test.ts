/** What a description may say, and how a wrong one is told. */
import { writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import test from 'ava'
import { CommandError } from '../../tools/exit-codes.js'
import { BUILTINS } from '../../tools/experiment/builtin/builtin.js'
import { checkMachine, planClusters } from '../../tools/experiment/description/cluster-plan.js'
import { withOptions } from '../../tools/experiment/description/overrides.js'
import { readDescriptionFile } from '../../tools/experiment/description/read-experiment-file.js'
import { withRunFiles } from '../../tools/experiment/description/run-files.js'
import { plannedRuns, readExperimentValue } from '../../tools/experiment/description/variants.js'
import { tempFolder } from '../tools/temp-folder.js'

const load = { kind: 'normal', operations: 10 }

test('what is left out is filled in', t => {
  const { name, title, repetitions, variants } = readExperimentValue({ name: 'x', workload: load }, 'x.json')
  t.deepEqual([name, title, repetitions, variants.length], ['x', 'x', 1, 1])
  const { seed, consistency, faults, settle, record } = variants[0]!.description
  t.deepEqual([seed, consistency, faults, settle, record.sampleEvery], [1, 'strong', [], 60_000, 100])
})

test('variants are merged over what they share, and a workload of another kind shares nothing', t => {
  const { variants } = readExperimentValue(
    {
      name: 'x',
      cluster: { replicas: 5, topology: 'chain' },
      workload: { kind: 'normal', operations: 10, keys: 7 },
      variants: [
        { name: 'star', cluster: { topology: 'star' }, workload: { clients: 3 } },
        { name: 'ycsb', workload: { kind: 'ycsb', workload: 'A', operations: 5 } },
      ],
    },
    'x.json',
  )
  const [star, ycsb] = variants.map(({ description }) => description)
  t.like(star!.cluster, { replicas: 5, topology: 'star' })
  t.like(star!.workload, { kind: 'normal', keys: 7, clients: 3, operations: 10 })
  t.like(ycsb!.workload, { kind: 'ycsb', operations: 5 })
  t.false('keys' in ycsb!.workload)
})

test('a variant takes a field away with null', t => {
  const ramp = [{ clients: 1, for: '1s' }]
  const { variants } = readExperimentValue(
    {
      name: 'x',
      workload: { kind: 'normal', ramp },
      variants: [{ name: 'a', workload: { ramp: null, operations: 5 } }],
    },
    'x.json',
  )
  t.like(variants[0]!.description.workload, { operations: 5, ramp: undefined })
})

test('repetitions have seeds of their own, the same for all variants', t => {
  const experiment = readExperimentValue(
    { name: 'x', seed: 7, repetitions: 2, workload: load, variants: [{ name: 'a' }, { name: 'b' }] },
    'x.json',
  )
  t.deepEqual(
    plannedRuns(experiment).map(({ name, description }) => [name, description.seed]),
    [
      ['a', 7],
      ['b', 7],
      ['a#2', 8],
      ['b#2', 8],
    ],
  )
})

const wrong: readonly [string, unknown, RegExp][] = [
  ['a list', [], /^x: expected an object/],
  ['no name', { workload: load }, /^x: name: nothing given, allowed are 1 to 64/],
  [
    'an unknown field',
    { name: 'x', workload: load, faultz: [] },
    /^x: faultz: no such field, allowed are name, .*faults/,
  ],
  [
    'an unknown field within',
    { name: 'x', cluster: { replica: 3 } },
    /^x: cluster\.replica: no such field, allowed are config/,
  ],
  [
    'a wrong word',
    { name: 'x', consistency: 'strange' },
    /^x: consistency: "strange" given, allowed are strong, weak, mixed/,
  ],
  [
    'too many replicas',
    { name: 'x', cluster: { replicas: 501 } },
    /^x: cluster\.replicas: 501 given, allowed is a whole number from 1 to 500/,
  ],
  ['a workload without an end', { name: 'x', workload: { kind: 'normal' } }, /^x: workload/],
  [
    'an unknown load',
    { name: 'x', workload: { kind: 'norm' } },
    /^x: workload\.kind: "norm" given, allowed are "run-file"/,
  ],
  [
    'a fault without an action',
    { name: 'x', workload: load, faults: [{ at: '1s' }] },
    /^x: faults\[0\]: .*no action, expected one of kill/,
  ],
  [
    'two actions at once',
    { name: 'x', workload: load, faults: [{ at: 1, kill: 'HEAD', stop: 'TAIL' }] },
    /kill and stop in one/,
  ],
  [
    'an unknown target',
    { name: 'x', workload: load, faults: [{ at: 1, kill: 'NECK' }] },
    /^x: faults\[0\]\.kill: "NECK" given, allowed are HEAD/,
  ],
  [
    'a start of a role',
    { name: 'x', workload: load, faults: [{ at: 1, start: 'HEAD' }] },
    /who is down or out has no role/,
  ],
  [
    'no time',
    { name: 'x', workload: load, faults: [{ kill: 'HEAD' }] },
    /^x: faults\[0\]\.at: nothing given, allowed is a length of time/,
  ],
  [
    'variants that repeat',
    { name: 'x', workload: load, variants: [{ name: 'a' }, { name: 'a' }] },
    /"a" given twice, names differ in letters and digits/,
  ],
  [
    'a field that variants share',
    { name: 'x', workload: load, variants: [{ name: 'a', repetitions: 2 }] },
    /^x: variants\[0\]: repetitions: it is the same for all/,
  ],
  [
    'a wrong variant',
    { name: 'x', workload: load, variants: [{ name: 'a', seed: -1 }] },
    /^x: variants\[0\]: seed: -1 given/,
  ],
]

for (const [what, given, message] of wrong) {
  test(`${what} is refused in one line that names the field`, t => {
    const error = t.throws(() => readExperimentValue(given, 'x'), { instanceOf: CommandError })
    t.regex(error!.message, message)
    t.false(error!.message.includes('\n'))
    t.is(error!.exitCode, 2)
  })
}

test('JSON and YAML are read alike, and what is neither is told', async t => {
  const dir = tempFolder(t)
  const write = (name: string, text: string) => {
    writeFileSync(join(dir, name), text)
    return join(dir, name)
  }
  const json = await readDescriptionFile(write('a.json', '{"name":"x","faults":[{"at":"1s","kill":"HEAD"}]}'))
  t.deepEqual(
    await readDescriptionFile(write('a.yaml', 'name: x\nfaults:\n  - { at: 1s, kill: HEAD }\n')),
    json,
  )
  await t.throwsAsync(readDescriptionFile(write('b.json', '{')), { message: /b\.json: not JSON/ })
  await t.throwsAsync(readDescriptionFile(write('b.yaml', 'a: [')), { message: /b\.yaml: not YAML/ })
  await t.throwsAsync(readDescriptionFile(write('c.json', '{"a":1,"a":2}')), {
    message: /c\.json: a: given twice/,
  })
  await t.throwsAsync(readDescriptionFile(write('c.yaml', 'a: 1\na: 2\n')), {
    message: /c\.yaml: not YAML.*unique/i,
  })
  await t.throwsAsync(readDescriptionFile(join(dir, 'none.yaml')), { message: /there is no such file/ })
})

test('run files are read before anything is started', async t => {
  const file = join(tempFolder(t), 'ops.txt')
  const experiment = readExperimentValue({ name: 'x', workload: { kind: 'run-file', file } }, 'x')
  await t.throwsAsync(withRunFiles(experiment), { message: /ops\.txt cannot be read \(ENOENT\)/ })
  writeFileSync(file, 'set a 1\nget a\nfetch a\n')
  await t.throwsAsync(withRunFiles(experiment), { message: /ops\.txt, line 3: expected "set KEY VALUE"/ })
  writeFileSync(file, 'set a 1\nget a\n')
  t.is((await withRunFiles(experiment)).variants[0]!.description.workload.operations, 2)
})

test('options of the command line reach every variant', t => {
  const given = {
    name: 'x',
    workload: { kind: 'normal', clients: 9, operations: 5 },
    variants: [{ name: 'a', workload: { keys: 3 } }, { name: 'b' }],
  }
  const changed = withOptions(given, { seed: 4, repetitions: 2, runFile: 'f.txt', endpoints: [] })
  const { repetitions, variants } = readExperimentValue(changed, 'x')
  t.is(repetitions, 2)
  for (const { description } of variants) {
    t.is(description.seed, 4)
    t.like(description.workload, { kind: 'run-file', file: 'f.txt', clients: 9 })
  }
})

test('a cluster that runs already takes the place of the one that is described', t => {
  const changed = withOptions(
    { name: 'x', workload: load, cluster: { replicas: 3 } },
    { running: true, endpoints: ['127.0.0.1:5000'] },
  )
  const { cluster } = readExperimentValue(changed, 'x').variants[0]!.description
  t.deepEqual(cluster.endpoints, ['127.0.0.1:5000'])
  t.is(cluster.replicas, undefined)
})

test('more processes than the memory holds are refused before any is started', async t => {
  const experiment = readExperimentValue({ name: 'x', workload: load, cluster: { replicas: 500 } }, 'x')
  const configs = [...(await planClusters(experiment, 'x', 20_000)).values()]
  const error = await t.throwsAsync(checkMachine(configs, 1e9), { instanceOf: CommandError })
  t.regex(
    error!.message,
    /^501 processes need about 5\d GB of memory, 1\.0 GB are free: give the cluster fewer replicas/,
  )
  t.is(error!.exitCode, 3)
})

test('an address that is in use is told before any process is started', async t => {
  const server = createServer()
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', () => resolve()))
  t.teardown(() => server.close())
  const { port } = server.address() as { port: number }
  const experiment = readExperimentValue({ name: 'x', workload: load, cluster: { replicas: 2 } }, 'x')
  const configs = [...(await planClusters(experiment, 'x', port)).values()]
  const error = await t.throwsAsync(checkMachine(configs, 1e12), { instanceOf: CommandError })
  t.regex(error!.message, /is in use.*: stop what listens there, or choose other ports with --base-port$/)
  t.is(error!.exitCode, 3)
})

test('every built-in experiment can be read, and its timeline can happen', async t => {
  for (const { description } of BUILTINS) {
    const experiment = readExperimentValue(description, description.name)
    t.true(experiment.about.length > 40)
    await t.notThrowsAsync(planClusters(experiment, description.name, 42_000), description.name)
  }
})
