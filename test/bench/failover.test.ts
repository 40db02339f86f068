import test from 'ava'
import { type Failover, failoverText } from '../../tools/bench/scenario-failover.js'
import { SteadyWriter } from '../../tools/bench/steady-writer.js'
import type { Machine } from '../../tools/machine.js'

const machine: Machine = {
  cpu: 'any',
  cores: 2,
  memoryBytes: 1_048_576,
  system: 'any',
  node: 'v20',
  dataInMemory: false,
}

function failover(awayMs: number, more: Partial<Failover> = {}): Failover {
  return { topology: 'chain', kind: 'kill', role: 'head', awayMs, backMs: 100, ...more }
}

function targetOf(text: string, row: RegExp): string {
  const line = text.split('\n').find(each => row.test(each)) ?? ''
  return /: (met|missed)/.exec(line)?.[1] ?? line
}

test('A kill must be over soon in the median and at worst, a silent head at worst', async t => {
  const failovers = [
    ...[100, 200, 1_400].map(ms => failover(ms)),
    ...[100, 200, 1_600].map(ms => failover(ms, { role: 'middle' })),
    ...[600, 600, 700].map(ms => failover(ms, { role: 'tail' })),
    ...[1_200, 2_400].map(ms => failover(ms, { kind: 'stop' })),
    ...[1_200, 2_600].map(ms => failover(ms, { kind: 'stop', topology: 'star' })),
  ]
  const text = await failoverText({ machine, failovers })
  t.is(targetOf(text, /chain +kill +head/), 'met')
  t.is(targetOf(text, /chain +kill +middle/), 'missed')
  t.is(targetOf(text, /chain +kill +tail/), 'missed')
  t.is(targetOf(text, /chain +stop +head/), 'met')
  t.is(targetOf(text, /star +stop +head/), 'missed')
})

test('The writer has one write outstanding, and tells when one that was issued later is acknowledged', async t => {
  const pending: (() => void)[] = []
  const values: string[] = []
  const set = (_key: string, value: string) => {
    values.push(value)
    return new Promise<void>(resolve => pending.push(resolve))
  }
  const writer = new SteadyWriter({ set } as never)
  const begun = performance.now()
  t.deepEqual(values, ['1'])
  const next = writer.nextIssuedAfter(begun)
  pending.shift()!()
  await new Promise(resolve => setImmediate(resolve))
  t.deepEqual(values, ['1', '2'])
  t.is(writer.lastAcknowledged, 1)
  const stopped = writer.stop()
  pending.shift()!()
  t.true((await next) > begun)
  await stopped
  t.is(writer.lastAcknowledged, 2)
})

test('A write that fails ends the writer and whoever waits for it', async t => {
  const set = () => Promise.reject(new Error('the shard is away'))
  const writer = new SteadyWriter({ set } as never)
  await t.throwsAsync(writer.acknowledged(1), { message: 'the shard is away' })
  await t.throwsAsync(writer.stop(), { message: 'the shard is away' })
})
