/** `varve replay`: the same from a running cluster and from its stopped folder, checked against a plain model. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { connect } from '../../src/index.js'
import { startLocalCluster } from '../../src/node/local-cluster.js'
import { replaySource } from '../../src/projection/replay-source.js'
import { openLogSource } from '../../tools/log-source.js'
import { withPast } from '../../tools/past/past-source.js'
import { Random } from '../../tools/random.js'
import { checkReplay } from '../../tools/replay/check.js'
import { LogSourceReplay } from '../../tools/replay/replay-logs.js'
import { type ModelMoment, PastModel, writeAtRandom } from './past-model.js'
import { tempFolder } from './temp-folder.js'
import { varve } from './varve-command.js'
import { varveInProcess } from './varve-in-process.js'

const OPTIONS = { endpoints: [], output: 'table', timeout: 10_000 } as const

/** The lines that a state of the model comes to. */
function stateOf(model: PastModel, moment: ModelMoment) {
  return [...model.state(moment)].map(([key, { value, shard, index, lamport, wallMs, actor }]) => {
    return { key, value, shard, index, lamport, wallMs, actor }
  })
}

/** What was written. The epoch is left out: on a busy machine there may be several. */
function linesOf(text: string): unknown[] {
  const lines = text.split('\n').filter(line => line !== '')
  return lines.map(line => {
    const { epoch, ...rest } = JSON.parse(line)
    return rest
  })
}

test.serial(
  'a replay writes what a plain model holds at any moment, of a running cluster and of its folder alike',
  async t => {
    const dataDir = tempFolder(t)
    const random = new Random(4)
    const model = new PastModel()
    const cluster = await startLocalCluster({ shards: 2, replicas: 2, dataDir })
    const live: { at: string; stdout: string }[] = []
    try {
      await writeAtRandom(cluster, model, random, 150)
      const endpoints = ['--endpoints', cluster.endpoints.join(',')]
      const checked = await varveInProcess(['replay', '--check', ...endpoints])
      t.is(checked.exitCode, 0, checked.stderr)
      t.regex(checked.stdout, /same {4}shard_0: the keys that the projection has/)
      t.regex(checked.stdout, /same {4}shard_1: the projection's state/)
      t.notRegex(checked.stdout, /DIFFER/)
      for (let i = 0; i < 8; i++) {
        const version = model.versions[random.below(model.versions.length)]!
        const moment = i % 2 === 0 ? model.atLamport(version.lamport) : model.atWall(version.wallMs)
        const { exitCode, stdout, stderr } = await varveInProcess([
          'replay',
          '--at',
          moment.text,
          ...endpoints,
        ])
        t.is(exitCode, 0, stderr)
        t.deepEqual(linesOf(stdout), stateOf(model, moment), moment.text)
        live.push({ at: moment.text, stdout })
      }
    } finally {
      await cluster.close()
    }
    for (const { at, stdout } of live) {
      const offline = await varveInProcess(['replay', '--at', at, '--data', dataDir])
      t.is(offline.exitCode, 0, offline.stderr)
      t.is(offline.stdout, stdout, at)
    }
    const file = join(dataDir, 'state.ndjson')
    const { exitCode, stdout } = await varveInProcess(['replay', '--data', dataDir, '--check', '--out', file])
    t.is(exitCode, 0)
    t.regex(stdout, /wrote \d+ keys to .*state\.ndjson\nsame {4}shard_0: /)
    const last = model.versions.at(-1)!
    t.deepEqual(linesOf(readFileSync(file, 'utf8')), stateOf(model, model.atLamport(last.lamport + 1_000)))
  },
)

test.serial('a state that is not what the folder holds is found out, with the keys that differ', async t => {
  const dataDir = tempFolder(t)
  const cluster = await startLocalCluster({ shards: 1, replicas: 1, dataDir })
  const model = new PastModel()
  await writeAtRandom(cluster, model, new Random(7), 60).finally(() => cluster.close())
  const options = { ...OPTIONS, data: dataDir }
  const logs = await openLogSource(options)
  t.teardown(() => logs.close())
  const moment = await withPast(options, past => past.resolve({ kind: 'now' }, '--at'))
  const source = new LogSourceReplay(logs, 'shard_0')
  const toIndex = moment.cuts.shard_0!.index
  const state = await replaySource(source, { toIndex })
  const target = { shard: 'shard_0', source, toIndex, commitIndex: toIndex, state }
  t.true((await checkReplay([target], moment, options)).every(({ same }) => same))

  const invented = Buffer.from('invented')
  state.keys.restore(invented, 0, invented.length, 8_192, false)
  const found = await checkReplay([target], moment, options)
  const projection = found.find(({ what }) => what === 'projection')
  t.false(projection?.same)
  t.deepEqual(projection?.differences, [{ key: invented, replayed: 1, found: 0 }])
})

test.serial('what cannot be replayed is refused, saying what was expected', async t => {
  const dataDir = tempFolder(t)
  const cluster = await startLocalCluster({ shards: 2, replicas: 1, dataDir })
  await writeAtRandom(cluster, new PastModel(), new Random(9), 20).finally(() => cluster.close())
  const data = ['--data', dataDir]
  const cases: readonly [args: readonly string[], code: number, line: RegExp][] = [
    [['--at', 'lamport:99999999', ...data], 2, /--at: lamport:99999999 .* the newest/],
    [['--at', '2001-01-01T00:00:00Z', ...data], 2, /before the first entry/],
    [['--at', 'half past', ...data], 2, /start, now, an index .* "5m ago"/],
    [['--shard', 'shard_7', ...data], 2, /shard_7/],
    [['--out', join(dataDir, 'no', 'such', 'folder'), ...data], 2, /ENOENT/],
    [['--step', '--out', 'x', ...data], 2, /--step.*cannot be used with.*--out/],
    [['--check', '--skip-damaged', ...data], 2, /--check with --skip-damaged/],
    [['--data', join(dataDir, 'nothing')], 2, /there is no such folder/],
    [['--endpoints', '127.0.0.1:1', '--timeout', '500ms'], 3, /nobody answers/],
  ]
  for (const [args, code, line] of cases) {
    const { exitCode, stderr } = await varveInProcess(['replay', ...args])
    t.is(exitCode, code, `${args.join(' ')}: ${stderr}`)
    t.regex(stderr, line)
  }
})

test.serial('the debugger goes both ways by lines on stdin, and ends well when they end', async t => {
  const dataDir = tempFolder(t)
  const cluster = await startLocalCluster({ shards: 1, replicas: 1, dataDir })
  const db = await connect(cluster.endpoints, { actor: 'ada' })
  await db.set('user/1', 'one')
  await db.set('user/2', 'two')
  await db.batch([
    { type: 'set', key: '{a}1', value: 'x' },
    { type: 'delete', key: 'user/1' },
  ])
  await db.set('user/2', 'TWO')
  await db.delete('user/1')
  await db.close()
  await cluster.close()
  const script = [
    'c user/2',
    'k',
    'g user/1',
    'p',
    'g',
    'c /^t/',
    'K',
    'j now',
    'c user/1',
    'ls user',
    'x',
    'h',
    'w',
  ]
  const { exitCode, stdout, stderr } = await varve(['replay', '--step', '--data', dataDir], script.join('\n'))
  t.is(exitCode, 0, stderr)
  const told = [
    /\d+ entries; h shows the commands\nbefore the first entry\n {2}shard_0: 0 of \d+ entries\n/,
    /set user\/2\n {2}- not written\n {2}\+ two\n {2}by ada, request \S+, record of index \d+\n/,
    /set user\/2\n {2}- two \(shard_0\/\d+, L\d+, by ada\)\n {2}\+ TWO\n/,
    /user\/1(: deleted| = one) \(/,
    /< shard_0\/\d+ .*\n {2}undone: set user\/2\n/,
    /user\/1(: deleted| = one) \(/,
    /no further value matches\n/,
    /> shard_0\/\d+ .*\n {2}set user\/1\n {2}- not written\n {2}\+ one\n/,
    /no further change of user\/1\n/,
    /user\/2 = TWO \(shard_0/,
    /1 key with the prefix user\n/,
    /"x" is no command: h shows all\n/,
    /n \[COUNT\] +next entry/,
    /after shard_0\/\d+ .*\n {2}shard_0: (\d+) of \1 entries\n$/,
  ]
  let rest = stdout
  for (const expected of told) {
    const match = expected.exec(rest)
    t.truthy(match, `${expected} in ${rest}`)
    rest = rest.slice((match?.index ?? 0) + (match?.[0].length ?? 0))
  }
  // Nothing is coloured for a pipe.
  t.false(stdout.includes('\u001b'))
})
