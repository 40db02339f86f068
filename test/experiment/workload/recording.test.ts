/** What becomes of a load's operations on their way to the cluster and to the history. */
import test from 'ava'
import { HistoryTally } from '../../../tools/experiment/workload/history-tally.js'
import { performOperation } from '../../../tools/experiment/workload/perform-operation.js'
import { preload } from '../../../tools/experiment/workload/preload.js'
import type { HistoryOperation } from '../../../tools/history/history-event.js'
import { RecordingClient } from '../../../tools/history/recording-client.js'
import { at, get, set } from '../../history/support/operations.js'
import { ManualClock } from './manual-clock.js'
import { ycsb } from './support.js'

const MODES = { consistency: 'weak', reads: 'session' } as const

/** A recorded client whose calls end as `call` does. */
function recorded(call: (key: string) => Promise<unknown>) {
  const operations: HistoryOperation[] = []
  const sink = { write: (operation: HistoryOperation) => void operations.push(operation) }
  const client = { set: call, delete: call, getEntry: call } as never
  return { client: new RecordingClient(client, { name: 'c0', sink, consistency: 'weak' }), operations }
}

test('a tally counts by outcome and keeps the time of the last answer', t => {
  const tally = new HistoryTally({ write: () => {} }, () => t.fail())
  t.is(tally.lastReturnedMs, null)
  tally.write(set('a', 0, 9, { position: at(1) }))
  tally.write(get(null, 1, 5, { outcome: 'failed' }))
  tally.write(set('b', 2, null))
  t.deepEqual(tally.counts, { answered: 1, failed: 1, unknown: 1 })
  t.is(tally.lastReturnedMs, 9)
})

test('a history that cannot be written is heard of once, and not by the clients', t => {
  const full = new Error('ENOSPC')
  const heard: unknown[] = []
  let writes = 0
  const sink = {
    write: () => {
      writes += 1
      throw full
    },
  }
  const tally = new HistoryTally(sink, error => heard.push(error))
  tally.write(set('a', 0, 1))
  tally.write(set('b', 1, 2))
  t.deepEqual(heard, [full])
  t.is(writes, 1)
})

test('a read-modify-write is a read and then a write, each in its mode', async t => {
  const { client, operations } = recorded(async () => ({ applied: true }))
  const operation = { type: 'read-modify-write', key: 'k', value: 'v' } as const
  await performOperation(client, operation, MODES, { signal: new AbortController().signal })
  t.deepEqual(
    operations.map(({ type, consistency }) => [type, consistency]),
    [
      ['get', 'session'],
      ['set', 'weak'],
    ],
  )
  await performOperation(client, operation, MODES, { signal: AbortSignal.abort() })
  t.deepEqual(
    operations.slice(2).map(({ type }) => type),
    ['get'],
  )
})

test('a preload writes every record once', async t => {
  const keys: string[] = []
  const { client, operations } = recorded(async key => {
    keys.push(key)
    return { applied: true }
  })
  await preload(client, ycsb('C', { records: 100 }), new AbortController().signal, new ManualClock())
  t.deepEqual(
    keys,
    Array.from({ length: 100 }, (_, number) => `user${String(number).padStart(10, '0')}`),
  )
  t.true(operations.every(({ type, consistency }) => type === 'set' && consistency === 'strong'))
})

test('a preload that loses a record fails with what the record failed with', async t => {
  let calls = 0
  const { client } = recorded(async () => {
    calls += 1
    if (calls === 70) throw new Error('no space')
    return { applied: true }
  })
  const loading = preload(
    client,
    ycsb('C', { records: 1_000 }),
    new AbortController().signal,
    new ManualClock(),
  )
  await t.throwsAsync(loading, { message: 'no space' })
  t.true(calls < 200)
})
