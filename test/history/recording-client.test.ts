/** A recorded client does what a client does, and what it did is a history that the checkers accept. */
import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test from 'ava'
import { connect } from '../../src/client/client.js'
import { startLocalCluster } from '../../src/node/local-cluster.js'
import type { HistoryOperation } from '../../tools/history/history-event.js'
import { checkLinearizable } from '../../tools/history/linearizability.js'
import { machineNowMs, RecordingClient } from '../../tools/history/recording-client.js'

test('calls against a cluster are recorded as they ended', async t => {
  const dataDir = mkdtempSync(join(tmpdir(), 'varve-recording-'))
  t.teardown(() => rmSync(dataDir, { recursive: true, force: true }))
  await using cluster = await startLocalCluster({ shards: 1, replicas: 3, dataDir })
  const client = await connect(cluster.endpoints, { consistency: 'strong', timeoutMs: 30_000 })
  const operations: HistoryOperation[] = []
  const sink = { write: (operation: HistoryOperation) => void operations.push(operation) }
  const recorded = new RecordingClient(client, { name: 'c1', sink, consistency: 'strong' })

  const written = await recorded.set('k', 'a')
  t.is((await recorded.getEntry('k', { consistency: 'session' })).value, 'a')
  t.is(await recorded.scan('a', 10), 1)
  await recorded.delete('k', { consistency: 'session' })
  t.is((await recorded.set('k', 'b', { ifIndex: 77 })).applied, false)
  await t.throwsAsync(recorded.set('', 'x'), { code: 'INVALID_ARGUMENT' })
  t.is((await recorded.getEntry('k')).found, false)
  await client.close()
  await t.throwsAsync(recorded.getEntry('k'), { code: 'CLOSED' })
  recorded.close()

  t.deepEqual(
    operations.map(({ id, type, value, consistency, outcome }) => [id, type, value, consistency, outcome]),
    [
      [1, 'set', 'a', 'strong', 'ok'],
      [2, 'get', 'a', 'session', 'ok'],
      [3, 'scan', null, 'strong', 'ok'],
      [4, 'delete', null, 'strong', 'ok'],
      [5, 'set', 'b', 'strong', 'failed'],
      [6, 'set', 'x', 'strong', 'failed'],
      [7, 'get', null, 'strong', 'ok'],
      [8, 'get', null, 'strong', 'failed'],
    ],
  )
  t.like(operations[0]!.position, { shard: written.shard, index: written.index, committed: true })
  t.true(cluster.endpoints.includes(operations[1]!.node!))
  t.regex(operations[5]!.error!, /^INVALID_ARGUMENT: /)
  t.true(operations.every(({ invokedMs, returnedMs }) => returnedMs! >= invokedMs))
  t.true(checkLinearizable(operations).ok)
})

test('what has not ended when the recording is closed is unknown', t => {
  const operations: HistoryOperation[] = []
  const never = { set: () => new Promise(() => {}) } as never
  const sink = { write: (operation: HistoryOperation) => void operations.push(operation) }
  const recorded = new RecordingClient(never, { name: 'c1', sink, consistency: 'weak', nowMs: () => 5 })
  void recorded.set('k', 'a')
  recorded.close()
  t.like(operations[0], {
    type: 'set',
    outcome: 'unknown',
    returnedMs: null,
    consistency: 'weak',
    invokedMs: 5,
  })
})

test('what was to be invoked earlier than it was says so, and nothing else does', async t => {
  const operations: HistoryOperation[] = []
  const client = { delete: async () => ({ applied: true }) } as never
  const sink = { write: (operation: HistoryOperation) => void operations.push(operation) }
  const recorded = new RecordingClient(client, { name: 'c1', sink, consistency: 'weak', nowMs: () => 5 })
  for (const intendedMs of [undefined, 3, 5]) await recorded.delete('k', {}, intendedMs)
  t.deepEqual(
    operations.map(each => [each.intendedMs, each.invokedMs]),
    [
      [undefined, 5],
      [3, 5],
      [undefined, 5],
    ],
  )
})

test('the clock is one for all processes of the machine', t => {
  const before = machineNowMs()
  const script = 'process.stdout.write(String(Number(process.hrtime.bigint()) / 1e6))'
  const within = Number(execFileSync(process.execPath, ['-e', script], { encoding: 'utf8' }))
  const after = machineNowMs()
  t.true(before < within && within < after, `${before} ${within} ${after}`)
})
