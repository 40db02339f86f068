/** The load's process against a cluster: what it did is in its history, all of it, whatever ended it. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { type LocalCluster, startLocalCluster } from '../../../src/node/local-cluster.js'
import type {
  BegunEvent,
  LoadProcessEvent,
  LoadTotals,
  PrepareRequest,
  ProgressEvent,
  RunRequest,
  StopMessage,
} from '../../../tools/experiment/workload/load-protocol.js'
import type { Workload } from '../../../tools/experiment/workload/workload.js'
import { isWrite } from '../../../tools/history/history-event.js'
import { type History, readHistory } from '../../../tools/history/history-file.js'
import { checkLinearizable } from '../../../tools/history/linearizability.js'
import { WorkerProcess } from '../../../tools/worker/worker-process.js'
import { mixed, runFile, ycsb } from './support.js'

const MAIN = new URL('../../../tools/experiment/workload/load-main.ts', import.meta.url)

let cluster: LocalCluster
test.before(async () => {
  cluster = await startLocalCluster({ shards: 1, replicas: 3 })
})
test.after.always(() => cluster.close())

interface Ran {
  readonly totals: LoadTotals
  readonly events: readonly LoadProcessEvent[]
  readonly history: History
}

/** A process for a load, which ends with the test, and its orders: strong operations on the cluster of these tests. */
function newLoad(t: ExecutionContext, workload: Workload, modes: Partial<PrepareRequest> = {}) {
  const folder = mkdtempSync(join(tmpdir(), 'varve-load-'))
  const worker = new WorkerProcess(MAIN, 'the load', { onExit: () => () => {} })
  t.teardown(async () => {
    await worker.stop()
    rmSync(folder, { recursive: true, force: true })
  })
  const orders: PrepareRequest = {
    kind: 'prepare',
    run: 'r',
    endpoints: cluster.endpoints,
    workload,
    seed: 3,
    consistency: 'strong',
    reads: 'strong',
    historyFile: join(folder, 'history.jsonl'),
    ...modes,
  }
  return { worker, orders }
}

/** Makes a load in a process of its own. `onEvent` may tell it to stop. */
async function run(
  t: ExecutionContext,
  workload: Workload,
  modes: Partial<PrepareRequest> = {},
  onEvent: (event: LoadProcessEvent, stop: () => void) => void = () => {},
): Promise<Ran> {
  const { worker, orders } = newLoad(t, workload, modes)
  const events: LoadProcessEvent[] = []
  const stop = () => worker.tell({ kind: 'stop' } satisfies StopMessage)
  await worker.ask(orders)
  const totals = await worker.ask<LoadTotals>({ kind: 'run' } satisfies RunRequest, event => {
    events.push(event as LoadProcessEvent)
    onEvent(event as LoadProcessEvent, stop)
  })
  return { totals, events, history: readHistory(orders.historyFile) }
}

test('all operations of a run file are in the history, those of a key in the order of the file', async t => {
  const folder = mkdtempSync(join(tmpdir(), 'varve-load-'))
  t.teardown(() => rmSync(folder, { recursive: true, force: true }))
  const file = join(folder, 'run.txt')
  const keys = ['ada', 'bob', 'cy']
  const lines = Array.from({ length: 120 }, (_, at) => {
    const key = keys[(at * at) % keys.length]!
    return at % 3 === 0 ? `set ${key} value ${at}` : at % 3 === 1 ? `get ${key}` : `delete ${key}`
  })
  writeFileSync(file, `${lines.join('\n')}\n`)
  const workload = runFile(file, { clients: 8, connections: 2, keyPrefix: 'file-' })
  for (const consistency of ['strong', 'weak'] as const) {
    const { totals, history } = await run(t, workload, { consistency, reads: 'session' })
    t.like(totals, { answered: 120, failed: 0, unknown: 0, notBegun: 0 })
    for (const key of keys) {
      const found = history.operations
        .filter(operation => operation.key === `file-${key}`)
        .sort((a, b) => a.invokedMs - b.invokedMs)
      t.deepEqual(
        found.map(({ type, value }) => (type === 'set' ? `set ${key} ${value}` : `${type} ${key}`)),
        lines.filter(line => line.split(' ')[1] === key),
      )
      t.true(found.every((each, at) => at === 0 || each.invokedMs >= found[at - 1]!.returnedMs!))
    }
    t.true(history.operations.every(each => each.consistency === (isWrite(each) ? consistency : 'session')))
    t.like(history.header.about, { run: 'r', seed: 3, consistency })
  }
})

test('told to stop, a load ends early with a whole history', async t => {
  const workload = mixed({ operations: 1_000_000, duration: '1h', clients: 8, keyPrefix: 'stop-' })
  const { totals, events, history } = await run(t, workload, {}, (event, stop) => {
    if (event.kind === 'progress' && event.answered > 0) stop()
  })
  t.is(totals.failed + totals.unknown, 0)
  t.true(totals.answered > 0 && totals.answered < 1_000_000)
  t.is(history.operations.length, totals.answered)
  t.false(history.isCutShort)
  t.is(Math.max(...history.operations.map(({ returnedMs }) => returnedMs!)), totals.lastReturnedMonotonicMs!)
  const begun = events[0] as BegunEvent
  t.like(begun, { kind: 'begun', clients: 8 })
  t.true(history.operations.every(({ invokedMs }) => invokedMs >= begun.monotonicMs))
  t.true(history.operations.every(({ intendedMs }) => intendedMs === undefined))
  t.true(checkLinearizable(history.operations).ok)
})

test('told to stop before it runs, a load has begun and ended', async t => {
  const { worker, orders } = newLoad(t, mixed({ clients: 2, keyPrefix: 'never-' }))
  await worker.ask(orders)
  worker.tell({ kind: 'stop' } satisfies StopMessage)
  const events: unknown[] = []
  const totals = await worker.ask({ kind: 'run' }, event => events.push(event))
  t.deepEqual(totals, { answered: 0, failed: 0, unknown: 0, notBegun: 0, lastReturnedMonotonicMs: null })
  t.like(events, [{ kind: 'begun', clients: 2 }])
  t.deepEqual(readHistory(orders.historyFile).operations, [])
})

test('a load goes on when its cluster is gone, and records what became of each operation', async t => {
  const lost = await startLocalCluster({ shards: 1, replicas: 1 })
  t.teardown(() => lost.close())
  const workload = mixed({ operations: 1_000_000, duration: '1h', clients: 4, timeout: '300ms' })
  let seen: ProgressEvent | undefined
  const { totals, history } = await run(t, workload, { endpoints: lost.endpoints }, (event, stop) => {
    if (event.kind !== 'progress') return
    if (seen === undefined && event.answered > 0) {
      seen = event
      void lost.close()
    }
    if (event.failed + event.unknown > 8) stop()
  })
  t.true(totals.failed + totals.unknown > 8)
  t.is(history.operations.length, totals.answered + totals.failed + totals.unknown)
  t.true(history.operations.every(({ outcome, error }) => outcome === 'ok' || error !== null))
  t.true(checkLinearizable(history.operations, { concurrentMax: 24 }).ok)
})

test('an open loop records when each operation was to begin', async t => {
  const workload = mixed({ operations: 60, ratePerSecond: 200, clients: 4, keyPrefix: 'open-' })
  const { totals, history } = await run(t, workload, { consistency: 'weak', reads: 'weak' })
  t.is(totals.answered + totals.failed, 60)
  const late = history.operations.filter(({ intendedMs }) => intendedMs !== undefined)
  t.true(late.length > 0 && late.every(({ intendedMs, invokedMs }) => intendedMs! < invokedMs))
  const intended = history.operations.map(each => each.intendedMs ?? each.invokedMs).sort((a, b) => a - b)
  t.true(intended.every((ms, at) => Math.abs(ms - intended[0]! - at * 5) < 1))
})

test('YCSB begins with its records, and all that it does is recorded', async t => {
  for (const name of ['E', 'F']) {
    const workload = ycsb(name, { records: 40, operations: 200, clients: 4, keyPrefix: `ycsb-${name}-` })
    const { totals, events, history } = await run(t, workload)
    const begun = events[0] as BegunEvent
    const before = history.operations.filter(({ invokedMs }) => invokedMs < begun.monotonicMs)
    t.is(before.length, 40)
    t.true(
      before.every(({ client, type, outcome }) => client === 'load' && type === 'set' && outcome === 'ok'),
    )
    t.is(history.operations.length, 40 + totals.answered)
    const count = (type: string) => history.operations.filter(each => each.type === type).length
    if (name === 'E') t.is(count('scan') + count('set'), 240)
    else t.is(count('get'), 200)
    t.true(checkLinearizable(history.operations).ok)
  }
})

test('a ramp says its steps', async t => {
  const ramp = [1, 4, 2].map(clients => ({ clients, for: '100ms' }))
  const { events, history } = await run(t, mixed({ operations: 5_000, ramp, keyPrefix: 'ramp-' }))
  const steps = events.filter(
    (event): event is Exclude<LoadProcessEvent, ProgressEvent> => event.kind !== 'progress',
  )
  t.deepEqual(
    steps.map(({ kind, clients }) => [kind, clients]),
    [
      ['begun', 1],
      ['step', 4],
      ['step', 2],
    ],
  )
  t.is(new Set(history.operations.map(({ client }) => client)).size, 4)
})

test('a load that cannot be made says why', async t => {
  await t.throwsAsync(run(t, runFile('/nowhere/run.txt')), { message: /the load: .*\/nowhere\/run\.txt/ })
  const { worker } = newLoad(t, mixed())
  await t.throwsAsync(worker.ask({ kind: 'run' }), { message: /the load: .*not prepared/ })
  const nobody = { endpoints: ['127.0.0.1'] }
  await t.throwsAsync(run(t, mixed(), nobody), { message: /the load: .*127\.0\.0\.1/ })
})
