/** A cluster is forked while it runs, and from its folders when it is stopped: the fork holds what it held at that time. */
import { execFile } from 'node:child_process'
import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import test, { type ExecutionContext } from 'ava'
import { connect } from '../../src/client/client.js'
import { Load } from './support/load.js'
import { TestCluster } from './support/processes.js'

const VARVE = fileURLToPath(new URL('../../dist/tools/varve.js', import.meta.url))

interface Result {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

async function varve(...args: string[]): Promise<Result> {
  const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('VARVE_')))
  try {
    const found = await promisify(execFile)(process.execPath, [VARVE, ...args], { env, maxBuffer: 2 ** 26 })
    return { code: 0, ...found }
  } catch (error) {
    const { code, stdout, stderr } = error as { code: number; stdout: string; stderr: string }
    return { code, stdout, stderr }
  }
}

interface Line {
  readonly key?: string
  readonly value?: string
  readonly index: number
  readonly lamport: number
  readonly operation: string
  readonly at?: object
}

/** Lines of the answer itself: what a time came to has one of its own. */
function linesOf({ stdout }: Result): Line[] {
  const lines = stdout.trim().split('\n')
  return lines
    .map(line => JSON.parse(line) as Line)
    .filter(({ key, at }) => key !== undefined && at === undefined)
}

/** Keys and values, in key order. */
function contentOf(result: Result): (string | undefined)[][] {
  return linesOf(result).map(({ key, value }) => [key, value])
}

/** A key's entries, newest first, without what tells two clusters apart. */
function historyOf(result: Result): object[] {
  return linesOf(result).map(({ index, lamport, operation, value }) => ({ index, lamport, operation, value }))
}

/** Starts the fork as a person would; it ends with the test. */
async function start(t: ExecutionContext, folder: string): Promise<string> {
  t.teardown(() => varve('down', '--data', folder))
  const started = await varve('up', '--data', folder, '--detach', '-o', 'json')
  t.is(started.code, 0, started.stderr)
  return (JSON.parse(started.stdout) as { coordinator: string }).coordinator
}

test('a fork, made while writes go on, starts and holds what the cluster held at that time', async t => {
  const cluster = await TestCluster.start(t, { shards: 2, replicas: 2 })
  const endpoints = cluster.endpoints.join(',')
  const load = await Load.start(cluster.endpoints, 'strong', 4)
  const client = await connect(cluster.endpoints, { actor: 'ada' })
  for (let round = 0; round < 3; round += 1) {
    for (let at = 0; at < 20; at += 1) await client.set(`key/${at}`, `${round}`)
    await client.batch([
      { type: 'set', key: '{b}1', value: `${round}` },
      { type: 'delete', key: '{b}2' },
    ])
  }
  const { lamport } = await client.delete('key/3')
  const at = `lamport:${lamport}`
  for (let key = 0; key < 20; key += 1) await client.set(`key/${key}`, 'later')
  await client.close()
  const out = join(cluster.dir, 'fork')
  mkdirSync(out)
  const forked = await varve('fork', '--at', at, '--out', out, '-e', endpoints, '-o', 'json')
  t.is(forked.code, 0, forked.stderr)
  t.false(existsSync(`${out}.partial`))
  await load.stop()
  const [before, historyThen, coordinator] = await Promise.all([
    varve('scan', '--at', at, '-e', endpoints, '-o', 'ndjson'),
    varve('history', 'key/3', '--at', at, '-e', endpoints, '-o', 'ndjson'),
    start(t, out),
  ])
  const [after, history] = await Promise.all([
    varve('scan', '-e', coordinator, '-o', 'ndjson'),
    varve('history', 'key/3', '-e', coordinator, '-o', 'ndjson'),
  ])
  t.deepEqual(contentOf(after), contentOf(before))
  t.deepEqual(historyOf(history), historyOf(historyThen))
  t.is(historyOf(history).length, 4)
  const written = await varve('set', 'key/3', 'in the fork', '-e', coordinator)
  t.is(written.code, 0, written.stderr)
  t.is((await varve('get', 'key/3', '-e', endpoints)).stdout.trim(), 'later', 'the original is left alone')

  await cluster.killAll()
  const stopped = join(cluster.dir, 'fork-of-stopped')
  const offline = await varve('fork', '--at', at, '--out', stopped, '--data', cluster.dir, '-o', 'json')
  t.is(offline.code, 0, offline.stderr)
  t.deepEqual(cutsOf(offline), cutsOf(forked), 'a stopped cluster is cut where the running one was')
  const again = await varve('scan', '--data', stopped, '-o', 'ndjson')
  t.deepEqual(contentOf(again), contentOf(before), 'the same, read from the folder of a fork that never ran')
})

function cutsOf({ stdout }: Result): Record<string, number> {
  const { cuts } = (JSON.parse(stdout) as { at: { cuts: Record<string, { index: number }> } }).at
  return Object.fromEntries(Object.entries(cuts).map(([shard, { index }]) => [shard, index]))
}

test('what cannot be forked leaves nothing behind, and says why', async t => {
  const cluster = await TestCluster.start(t, { shards: 1, replicas: 1 })
  const endpoints = cluster.endpoints.join(',')
  const taken = join(cluster.dir, 'taken')
  mkdirSync(taken)
  writeFileSync(join(taken, 'mine'), '')
  const out = join(cluster.dir, 'new')
  const [refused, future, early, alone] = await Promise.all([
    varve('fork', '--out', taken, '-e', endpoints),
    varve('fork', '--at', '2999-01-01', '--out', out, '-e', endpoints),
    varve('fork', '--at', '1999-01-01', '--out', out, '-e', endpoints),
    varve('fork', '--out', out, '--data', cluster.nodes[0]!.dataDir),
  ])
  t.deepEqual([refused.code, future.code, early.code, alone.code], [2, 2, 2, 2])
  t.regex(refused.stderr, /taken is not empty \(mine is in it\): expected an empty folder or a new one/)
  t.regex(future.stderr, /still to come/)
  t.regex(early.stderr, /before the first entry/)
  t.regex(alone.stderr, /a fork is made of a whole cluster's folder/)
  t.false(existsSync(out) || existsSync(`${out}.partial`))
})
