import { status } from '@grpc/grpc-js'
import test from 'ava'
import { shardOfKey } from '../../src/client/shard-of-key.js'
import { Operation } from '../../src/generated/varve/v1/entry.js'
import { Consistency } from '../../src/generated/varve/v1/kv.js'
import { fakeCluster } from './support/fake-host.js'
import { batch, clientOf, context, del, errorOf, get, header, keysOf, scan, set } from './support/kv-calls.js'

const TWO_SHARDS = {
  shards: [
    [0, 1],
    [1, 0],
  ],
  nodes: 3,
}

test('any node sets, gets and deletes any key, whichever node is the head, and one without replicas too', async t => {
  const nodes = await fakeCluster(t, TWO_SHARDS)
  for (const [at, node] of nodes.entries()) {
    const client = clientOf(t, node)
    for (const key of [...keysOf(0, 2), ...keysOf(1, 2)]) {
      const written = await set(client, key, `value ${at}`)
      t.true(written.applied)
      const shard = shardOfKey(Buffer.from(key), 2)
      t.like(written.position, { shard: `shard_${shard}`, epoch: 1, committed: true })
      const read = await get(client, key)
      t.like(read, { found: true, position: written.position })
      t.is(read.value.toString(), `value ${at}`)
      const deleted = await del(client, key)
      t.like(deleted, { applied: true, previous: { found: true, index: written.position!.index } })
      t.false((await get(client, key)).found)
    }
  }
  t.is(nodes[0]!.shard(0).data.lastIndex, 2 * 3 * 2)
})

test('a read is answered by the node itself where it has a replica', async t => {
  const [head, follower, outsider] = await fakeCluster(t, { shards: [[0, 1]], nodes: 3 })
  for (const consistency of [Consistency.STRONG, Consistency.WEAK, Consistency.SESSION]) {
    t.is((await get(clientOf(t, follower!), 'k', { consistency })).node, follower!.address)
  }
  t.is((await get(clientOf(t, outsider!), 'k', { consistency: Consistency.STRONG })).node, head!.address)
  const weak = await get(clientOf(t, outsider!), 'k', { consistency: Consistency.WEAK })
  t.true([head!.address, follower!.address].includes(weak.node))
})

test('a client that repeats a request id gets the answer of the original', async t => {
  const nodes = await fakeCluster(t, TWO_SHARDS)
  const requestId = { clientId: Buffer.alloc(16, 7), sequence: 5 }
  const first = await set(clientOf(t, nodes[0]!), 'k', '1', { context: context({ requestId }) })
  const again = await set(clientOf(t, nodes[2]!), 'k', '1', { context: context({ requestId }) })
  t.deepEqual(again, first)
})

test('a condition that does not hold is an answer, not an error', async t => {
  const [node] = await fakeCluster(t, { shards: [[0]], nodes: 1 })
  const client = clientOf(t, node!)
  const condition = (ifIndex: number | undefined, ifAbsent = false) => ({ condition: { ifIndex, ifAbsent } })
  const first = await set(client, 'k', '1', condition(undefined, true))
  t.true(first.applied)
  t.false((await set(client, 'k', '2', condition(undefined, true))).applied)
  t.false((await set(client, 'k', '2', condition(99))).applied)
  const second = await set(client, 'k', '2', { ...condition(first.position!.index), returnPrevious: true })
  t.true(second.applied)
  t.deepEqual(second.previous, { found: true, value: Buffer.from('1'), index: first.position!.index })
})

test('a batch is carried out whole, or not at all', async t => {
  const [head, other] = await fakeCluster(t, TWO_SHARDS)
  const client = clientOf(t, other!)
  const { results } = await batch(client, [
    { key: Buffer.from('{b}1'), value: Buffer.from('x') },
    { key: Buffer.from('{b}2'), value: Buffer.from('y') },
  ])
  t.is(results.length, 2)
  t.is(results[1]!.position!.index, results[0]!.position!.index + 1)
  const refused = await batch(client, [
    { key: Buffer.from('{b}1'), value: Buffer.from('z') },
    {
      key: Buffer.from('{b}2'),
      operation: Operation.DELETE,
      condition: { ifAbsent: true, ifIndex: undefined },
    },
  ])
  t.deepEqual(
    refused.results.map(({ applied }) => applied),
    [false, false],
  )
  t.is((await get(clientOf(t, head!), '{b}1')).value.toString(), 'x')
})

test('requests that break a limit are refused with what was given and what is allowed', async t => {
  const nodes = await fakeCluster(t, TWO_SHARDS)
  const client = clientOf(t, nodes[0]!)
  const [zero, one] = [keysOf(0, 1)[0]!, keysOf(1, 1)[0]!]
  const calls: [Promise<unknown>, RegExp][] = [
    [set(client, '', 'v'), /key has 0 bytes, 1 to 4096/],
    [set(client, 'k'.repeat(4_097), 'v'), /key has 4097 bytes/],
    [set(client, 'k', 'v'.repeat(1_048_577)), /value has 1048577 bytes, at most 1048576/],
    [set(client, 'k', 'v', { condition: { ifIndex: 1, ifAbsent: true } }), /both if_index and if_absent/],
    [set(client, 'k', 'v', { context: context({ actor: 'a'.repeat(257) }) }), /actor has 257 bytes/],
    [
      set(client, 'k', 'v', { context: context({ requestId: { clientId: Buffer.alloc(3), sequence: 1 } }) }),
      /client id has 3 bytes, expected 16/,
    ],
    [get(client, ''), /key has 0 bytes/],
    [batch(client, []), /no operations/],
    [batch(client, [{ operation: Operation.NOOP }]), /expected OPERATION_SET/],
    [batch(client, [{ operation: Operation.DELETE, value: Buffer.from('v') }]), /delete carries a value/],
    [batch(client, [{ key: Buffer.from(zero) }, { key: Buffer.from(one) }]), /fall into shard_0, shard_1/],
    [
      batch(client, [{ value: Buffer.alloc(700_000) }, { value: Buffer.alloc(700_000) }]),
      /batch has 1400006 bytes, at most 1048576/,
    ],
    [scan(client, { start: Buffer.alloc(5_000) }), /start has 5000 bytes/],
  ]
  for (const [call, message] of calls) {
    const error = await errorOf(call)
    t.is(error.code, status.INVALID_ARGUMENT)
    t.regex(error.details, message)
    t.is(header(error, 'varve-code'), 'INVALID_ARGUMENT')
  }
  const unknown = await errorOf(scan(client, { shard: 'shard_9' }))
  t.is(unknown.code, status.NOT_FOUND)
  t.regex(unknown.details, /no shard "shard_9", the cluster has: shard_0, shard_1/)
  t.true((await set(client, 'k'.repeat(4_096), 'v'.repeat(1_048_576))).applied)
})

test('a stamp that no clock of ours can have given is refused', async t => {
  const [node] = await fakeCluster(t, { shards: [[0]], nodes: 1 })
  const token = { parts: [], stamp: { lamport: Number.MAX_SAFE_INTEGER, wallMs: 0 } }
  const error = await errorOf(set(clientOf(t, node!), 'k', 'v', { context: context({ token }) }))
  t.is(error.code, status.INVALID_ARGUMENT)
})

test('before a process has a shard map it says so at once', async t => {
  const [node] = await fakeCluster(t, { shards: [], nodes: 1 })
  const error = await errorOf(set(clientOf(t, node!), 'k', 'v'))
  t.is(error.code, status.UNAVAILABLE)
  t.regex(error.details, /knows no shard map yet/)
  t.is(header(error, 'varve-outcome'), 'failed')
})

test('a scan of all shards comes in key order, page by page, forwards and backwards', async t => {
  const nodes = await fakeCluster(t, { shards: [[0], [1], [0]], nodes: 3 })
  const keys = Array.from({ length: 50 }, (_, at) => `key-${String(at).padStart(3, '0')}`)
  const client = clientOf(t, nodes[2]!)
  for (const key of keys) await set(client, key, `of ${key}`)
  const found: string[] = []
  let start = Buffer.from('key-010')
  for (let more = true; more; ) {
    const page = await scan(client, { start, end: Buffer.from('key-040'), limit: 7 })
    t.true(page.items.length <= 7)
    found.push(...page.items.map(item => item.key.toString()))
    t.true(page.items.every(({ key, value }) => value.toString() === `of ${key}`))
    more = page.more
    if (more) start = Buffer.concat([page.items.at(-1)!.key, Buffer.of(0)])
  }
  t.deepEqual(found, keys.slice(10, 40))
  const back = await scan(client, { reverse: true, keysOnly: true, limit: 5 })
  t.deepEqual(
    back.items.map(({ key }) => key.toString()),
    keys.slice(-5).reverse(),
  )
  t.true(back.items.every(({ value }) => value.length === 0))
  t.true(back.more)
  const one = await scan(client, { shard: 'shard_1' })
  t.true(one.items.length > 0 && one.items.every(({ position }) => position?.shard === 'shard_1'))
  t.false(one.more)
})
