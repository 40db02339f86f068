/** The commands that read the past, on a running cluster and on its folder, against a model that keeps every version. */
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { startLocalCluster } from '../../src/node/local-cluster.js'
import { Random } from '../../tools/random.js'
import { type ModelMoment, PastModel, type Version, writeAtRandom } from './past-model.js'
import { tempFolder } from './temp-folder.js'
import { varveInProcess } from './varve-in-process.js'

const SEED = 20_261_120
const WRITES = 120
const MOMENTS = 8

/** What a command answered in JSON. */
type Answer = Record<string, unknown>
type EntryAnswer = Answer & { key: string; value?: string; shard: string; index: number; actor?: string }

/** Runs a command that must succeed, or find nothing. */
async function ask(t: ExecutionContext, args: readonly string[]): Promise<{ text: string; answer: Answer }> {
  const { exitCode, stdout, stderr } = await varveInProcess([...args, '-o', 'json'])
  t.true(exitCode === 0 || exitCode === 1, `${args.join(' ')}: ${exitCode} ${stderr}`)
  return { text: stdout, answer: JSON.parse(stdout) as Answer }
}

/** All questions about a moment, each with the answer that the model has for it. */
function questions(
  model: PastModel,
  random: Random,
  moment: ModelMoment,
): [string[], (a: Answer) => unknown, unknown][] {
  const keys = [...new Set(model.versions.map(({ key }) => key))]
  const key = keys[random.below(keys.length)]!
  const at = ['--at', moment.text]
  const held = (entries: unknown) =>
    (entries as EntryAnswer[]).map(each => [each.key, each.value, each.shard, each.index])
  const state = [...model.state(moment)].map(([name, { value, shard, index }]) => [name, value, shard, index])
  const [newest] = model.history(key, moment)
  return [
    [
      ['get', key, ...at],
      ({ found, value, index }) => [found, value, index],
      [newest?.value !== undefined, newest?.value ?? null, newest?.index ?? 0],
    ],
    [
      ['get', 'no such key', ...at],
      ({ found, index, committed }) => [found, index, committed],
      [false, 0, false],
    ],
    [['scan', ...at], ({ entries }) => held(entries), state],
    [
      ['scan', 'user/', '--reverse', '--limit', '3', ...at],
      ({ entries }) => held(entries),
      state
        .filter(([name]) => String(name).startsWith('user/'))
        .reverse()
        .slice(0, 3),
    ],
    [
      ['blame', 'cart/', ...at],
      ({ entries }) => (entries as EntryAnswer[]).map(each => [each.key, each.actor ?? '']),
      [...model.state(moment, 'cart/')].map(([name, { actor }]) => [name, actor]),
    ],
    [
      ['history', key, ...at],
      ({ entries }) => (entries as (EntryAnswer & { state: string })[]).map(versionOf),
      model
        .history(key, moment)
        .map(each => [each.value, each.index, each.actor, each.lamport, each.wallMs, 'committed']),
    ],
  ]
}

function versionOf(entry: Answer): unknown[] {
  const { operation, value, index, actor = '', lamport, wallMs, state } = entry
  return [operation === 'delete' ? undefined : value, index, actor, lamport, wallMs, state]
}

/** `diff` between two moments, and what the model has for it. */
function diffQuestion(model: PastModel, from: ModelMoment, to: ModelMoment): [string[], unknown] {
  const before = model.state(from)
  const after = model.state(to)
  const keys = [...new Set([...before.keys(), ...after.keys()])].sort()
  const expected = keys
    .filter(key => before.get(key)?.value !== after.get(key)?.value)
    .map(key => {
      const change = !before.has(key) ? 'added' : after.has(key) ? 'changed' : 'removed'
      const [made] = model.history(key, to)
      return [change, key, before.get(key)?.index, made?.index, made?.actor]
    })
  return [['diff', '--from', from.text, '--to', to.text], expected]
}

function differencesIn({ differences }: Answer): unknown {
  return (differences as (Answer & { before: EntryAnswer | null; after: EntryAnswer | null })[]).map(
    ({ change, key, before, after }) => [change, key, before?.index, after?.index, after?.actor ?? ''],
  )
}

function randomMoments(model: PastModel, random: Random): ModelMoment[] {
  const { versions } = model
  const last = new Set(versions.filter((each, at) => each.unit !== versions[at + 1]?.unit))
  const ends = versions.filter(each => last.has(each))
  const any = (): Version => versions[random.below(versions.length)]!
  return Array.from({ length: MOMENTS }, (_, at) => {
    if (at % 3 === 0) return model.atLamport(any().lamport)
    if (at % 3 === 1) return model.atWall(any().wallMs)
    return model.atEntry(ends[random.below(ends.length)]!)
  })
}

test.serial(
  'at any moment each command answers as a model that keeps every version, and the same offline',
  async t => {
    const dataDir = join(tempFolder(t), 'data')
    const random = new Random(SEED)
    const model = new PastModel()
    const cluster = await startLocalCluster({ shards: 3, replicas: 1, dataDir })
    t.teardown(() => cluster.close())
    const online = ['--endpoints', cluster.endpoints[0]!]
    await writeAtRandom(cluster, model, random, WRITES)
    const moments = randomMoments(model, random)
    // So much comes after them that the logs tell that they are committed.
    const later = new PastModel()
    await writeAtRandom(cluster, later, random, 30)

    const answers: [string[], string][] = []
    for (const moment of moments) {
      for (const [args, read, expected] of questions(model, random, moment)) {
        const { text, answer } = await ask(t, [...args, ...online])
        t.deepEqual(read(answer), expected, args.join(' '))
        answers.push([args, text])
      }
    }
    const times = moments
      .filter(({ text }) => text.startsWith('lamport'))
      .sort((a, b) => lamportOf(a) - lamportOf(b))
    for (const [at, from] of times.slice(0, -1).entries()) {
      const [args, expected] = diffQuestion(model, from, times[at + 1]!)
      const { text, answer } = await ask(t, [...args, ...online])
      t.deepEqual(differencesIn(answer), expected, args.join(' '))
      answers.push([args, text])
    }
    for (const [args, text] of answers.slice(0, 10)) t.is((await ask(t, [...args, ...online])).text, text)

    await cluster.close()
    for (const [args, text] of answers)
      t.is((await ask(t, [...args, '--data', dataDir])).text, text, args.join(' '))
    const [args, text] = answers.at(-1)!
    t.is((await ask(t, [...args, '--data', join(dataDir, 'node-1')])).text, text)
  },
)

function lamportOf({ text }: ModelMoment): number {
  return Number(text.slice('lamport:'.length))
}
