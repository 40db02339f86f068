import test from 'ava'
import { type NodeInfo, NodeStatus, ReplicaStatus } from '../../src/generated/varve/v1/cluster.js'
import { progressOf, progressText } from '../../tools/learner-progress.js'
import { type Gathered, statusObject, statusText } from '../../tools/status-report.js'
import { chain, mapOf } from './shards.js'

const learner = { address: 'h:3', upstream: 'h:2', index: 300, baseReceivedBytes: 0, baseTotalBytes: 0 }

function info(fields: Partial<NodeInfo>): NodeInfo {
  const rest = { silentMs: 3, clockOffsetMs: 0, replicas: [], left: [], version: '0.1.0', fault: '' }
  return { address: 'h:1', incarnation: 1, state: 'alive', ...rest, ...fields }
}

function gathered(fields: Partial<Gathered> = {}): Gathered {
  const replica = { ...ReplicaStatus.decode(new Uint8Array()), shard: 'shard_0', lastIndex: 1_000 }
  const status = { ...NodeStatus.decode(new Uint8Array()), address: 'h:1', role: 'node', replicas: [replica] }
  return {
    map: mapOf({ ...chain('shard_0', 0, ['h:1', 'h:2']), learners: [learner] }),
    processes: [
      { address: 'h:1', status, problem: undefined },
      { address: 'h:2', status: undefined, problem: 'nobody answers at h:2' },
    ],
    nodes: [info({}), info({ address: 'h:4' }), info({ address: 'h:5', state: 'gone', left: ['shard_0'] })],
    ...fields,
  }
}

test('A learner is shown with how far it is by the head, and a shard with how many replicas it wants', async t => {
  const text = await statusText(gathered())
  t.regex(text, /shard_0 +1 +ACTIVE +chain +h:1 +2 of 3 \(needs 2\)/)
  t.regex(text, /shard_0 +h:3 +h:2 +300 of 1,000 entries \(30 %\)/)
  const [shard] = (statusObject(gathered()) as { shards: Record<string, unknown>[] }).shards
  t.is(shard!.wanted, 3)
  t.deepEqual(shard!.learners, [
    {
      address: 'h:3',
      upstream: 'h:2',
      index: 300,
      baseReceivedBytes: 0,
      baseTotalBytes: 0,
      headIndex: 1_000,
      percent: 30,
    },
  ])
})

test('Nodes that hold nothing are told with what is known of them; without the coordinator that is unknown', async t => {
  const text = await statusText(gathered())
  t.regex(text, /^node h:4 is in no shard \(alive\)$/m)
  t.regex(text, /^node h:5 is in no shard \(gone; left shard_0\)$/m)
  t.notRegex(text, /node h:1 is in no/)
  const { idle } = statusObject(gathered()) as { idle: unknown[] }
  t.deepEqual(idle, [
    { address: 'h:4', state: 'alive', left: [], fault: null },
    { address: 'h:5', state: 'gone', left: ['shard_0'], fault: null },
  ])
  t.is((statusObject(gathered({ nodes: undefined })) as { idle: unknown }).idle, null)
})

test('What is wrong with a member is told below the tables', async t => {
  const fault = 'its clock is 4,000 ms ahead'
  t.regex(
    await statusText(gathered({ nodes: [info({ fault })] })),
    /^node h:1: its clock is 4,000 ms ahead$/m,
  )
})

test('A base on its way is told in bytes, then the log in entries; 100 % is all of it and nothing less', t => {
  const base = { ...learner, index: 0, baseReceivedBytes: 12_000_000, baseTotalBytes: 80_000_000 }
  t.is(progressText(progressOf(base, 1_000)), 'base 12 MB of 80 MB (15 %)')
  const received = { ...base, index: 999_999, baseReceivedBytes: 80_000_000 }
  t.is(progressText(progressOf(received, 1_000_000)), '999,999 of 1,000,000 entries (99 %)')
  t.is(progressOf({ ...learner, index: 1_000 }, 1_000).percent, 100)
  t.is(progressOf({ ...learner, index: 1_001 }, 1_000).percent, 100)
  t.is(progressOf({ ...learner, index: 0 }, 0).percent, 100)
  t.is(progressText(progressOf(learner, undefined)), 'at 300')
})
