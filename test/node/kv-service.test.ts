import { credentials, Metadata, type ServiceError, status } from '@grpc/grpc-js'
import test, { type ExecutionContext } from 'ava'
import { shardOfKey } from '../../src/client/shard-of-key.js'
import { Operation } from '../../src/generated/varve/v1/entry.js'
import {
  type BatchOperation,
  Consistency,
  type GetResponse,
  KvClient,
  RequestContext,
  type ScanResponse,
  type WriteResponse,
} from '../../src/generated/varve/v1/kv.js'
import { HOPS_MAX } from '../../src/node/forwarding.js'
import { type FakeNode, fakeCluster, mapOf } from './support/fake-host.js'

const TWO_SHARDS = {
  shards: [
    [0, 1],
    [1, 0],
  ],
  nodes: 3,
}

function clientOf(t: ExecutionContext, node: FakeNode): KvClient {
  const client = new KvClient(node.address, credentials.createInsecure())
  t.teardown(() => client.close())
  return client
}

type Call<T> = (done: (error: ServiceError | null, response: T) => void) => unknown

function ask<T>(call: Call<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    call((error, response) => (error ? reject(error) : resolve(response)))
  })
}

const context = (fields: Partial<RequestContext> = {}): RequestContext => ({
  ...RequestContext.decode(new Uint8Array()),
  ...fields,
})

const set = (client: KvClient, key: string, value: string, more: object = {}) =>
  ask<WriteResponse>(done =>
    client.set(
      {
        context: undefined,
        key: Buffer.from(key),
        value: Buffer.from(value),
        condition: undefined,
        returnPrevious: false,
        ...more,
      },
      done,
    ),
  )

const get = (client: KvClient, key: string, fields: Partial<RequestContext> = {}) =>
  ask<GetResponse>(done => client.get({ context: context(fields), key: Buffer.from(key) }, done))

const del = (client: KvClient, key: string) =>
  ask<WriteResponse>(done =>
    client.delete(
      { context: undefined, key: Buffer.from(key), condition: undefined, returnPrevious: true },
      done,
    ),
  )

const scan = (client: KvClient, more: object = {}) =>
  ask<ScanResponse>(done =>
    client.scan(
      {
        context: undefined,
        shard: '',
        start: Buffer.alloc(0),
        end: Buffer.alloc(0),
        limit: 0,
        keysOnly: false,
        reverse: false,
        ...more,
      },
      done,
    ),
  )

const batch = (client: KvClient, operations: Partial<BatchOperation>[]) =>
  ask<{ results: WriteResponse[] }>(done =>
    client.batch(
      {
        context: undefined,
        operations: operations.map(each => ({
          operation: Operation.SET,
          key: Buffer.from('{b}'),
          value: Buffer.alloc(0),
          condition: undefined,
          returnPrevious: false,
          ...each,
        })),
      },
      done,
    ),
  )

/** A key of each shard. */
function keysOf(ordinal: number, count: number, shards = 2): string[] {
  const keys: string[] = []
  for (let at = 0; keys.length < count; at += 1) {
    if (shardOfKey(Buffer.from(`key-${at}`), shards) === ordinal) keys.push(`key-${at}`)
  }
  return keys
}

async function errorOf(promise: Promise<unknown>): Promise<ServiceError> {
  return await promise.then(
    () => {
      throw new Error('expected an error')
    },
    error => error as ServiceError,
  )
}

const header = (error: ServiceError, name: string) => error.metadata.get(name)[0]

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

test('a write with no request id is carried out once, even if its answer is lost', async t => {
  const nodes = await fakeCluster(t, { shards: [[0, 1]], nodes: 3 })
  const head = nodes[0]!.shard(0)
  for (const [at, node] of nodes.entries()) {
    head.onFrame = (frame, sink) => {
      head.onFrame = () => true
      head.handleFrame(frame, {
        ...sink,
        closed: false,
        send: () => head.fail(frame, sink, 'UNAVAILABLE', 'unknown'),
      })
      return false
    }
    t.true(
      (await set(clientOf(t, node), `key ${at}`, '1', { condition: { ifAbsent: true, ifIndex: undefined } }))
        .applied,
    )
    t.is(head.data.lastIndex, at + 1)
    t.is(head.frames, 3 * (at + 1))
  }
})

test('a node whose client id a shard has forgotten takes a new one', async t => {
  const [node] = await fakeCluster(t, { shards: [[0]], nodes: 1 })
  const client = clientOf(t, node!)
  const clientIds: string[] = []
  await set(client, 'a', '1')
  node!.shard(0).onFrame = (frame, sink) => {
    clientIds.push(sink.clientId.toString('hex'))
    if (clientIds.length > 1) return true
    node!.shard(0).fail(frame, sink, 'SESSION_EXPIRED')
    return false
  }
  t.true((await set(client, 'b', '1')).applied)
  t.is(new Set(clientIds).size, 2)
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

test('a write waits for a head, and goes through when the map names one', async t => {
  const shards = [[0, 1]]
  const nodes = await fakeCluster(t, { shards, nodes: 3 })
  const [head, next, outsider] = nodes as [FakeNode, FakeNode, FakeNode]
  head.shard(0).isHead = false
  const written = set(clientOf(t, outsider), 'k', 'v')
  while (head.shard(0).frames < 2) await new Promise(setImmediate)
  next.shard(0).isHead = true
  for (const { host } of nodes) host.setMap(mapOf(nodes, [[1, 0]], 2))
  t.true((await written).applied)
})

test('a refusal that names the head is followed there at once', async t => {
  const nodes = await fakeCluster(t, { shards: [[0, 1]], nodes: 3 })
  const [old, head, outsider] = nodes as [FakeNode, FakeNode, FakeNode]
  old.shard(0).isHead = false
  old.shard(0).headHint = head.address
  head.shard(0).isHead = true
  t.true((await set(clientOf(t, outsider), 'k', 'v')).applied)
  t.is(old.shard(0).frames, 1)
})

test('a head that hangs is given up when the map names another one, and the write is still done once', async t => {
  const nodes = await fakeCluster(t, { shards: [[0, 1]], nodes: 3 })
  const [old, head, outsider] = nodes as [FakeNode, FakeNode, FakeNode]
  old.shard(0).onFrame = () => false
  const written = set(clientOf(t, outsider), 'k', 'v')
  while (old.shard(0).frames < 1) await new Promise(setImmediate)
  head.shard(0).isHead = true
  for (const { host } of nodes) host.setMap(mapOf(nodes, [[1, 0]], 2))
  t.true((await written).applied)
  t.is(head.shard(0).data.lastIndex, 1)
})

const limitedSet = (client: KvClient, key: string, timeoutMs: number) => {
  const request = { context: undefined, key: Buffer.from(key), value: Buffer.from('v'), condition: undefined }
  const options = { deadline: Date.now() + timeoutMs }
  return errorOf(
    ask(done => client.set({ ...request, returnPrevious: false }, new Metadata(), options, done)),
  )
}

test('when the time is over, the error says what held the call up and whether the write may have happened', async t => {
  const nodes = await fakeCluster(t, { shards: [[0], []], nodes: 2 })
  const [node, outsider] = nodes as [FakeNode, FakeNode]
  const [key, headless] = [keysOf(0, 1)[0]!, keysOf(1, 1)[0]!]
  const waiting = await limitedSet(clientOf(t, outsider), headless, 1_000)
  t.is(waiting.code, status.UNAVAILABLE)
  t.regex(waiting.details, /shard_1 has no head now: 0 of 2 members/)
  t.is(header(waiting, 'varve-outcome'), 'failed')
  node.shard(0).isHead = false
  const refused = await limitedSet(clientOf(t, outsider), key, 1_000)
  t.is(refused.code, status.DEADLINE_EXCEEDED)
  t.regex(refused.details, /NOT_HEAD/)
  t.is(header(refused, 'varve-outcome'), 'failed')
  node.shard(0).onFrame = () => false
  const silent = await limitedSet(clientOf(t, outsider), key, 1_000)
  t.is(silent.code, status.DEADLINE_EXCEEDED)
  t.is(header(silent, 'varve-outcome'), 'unknown')
})

test('errors that no other node can mend are passed on as they are', async t => {
  const nodes = await fakeCluster(t, { shards: [[0]], nodes: 2 })
  const client = clientOf(t, nodes[1]!)
  const codes = [
    ['RESOURCE_EXHAUSTED', status.RESOURCE_EXHAUSTED],
    ['DATA_LOSS', status.DATA_LOSS],
    ['TOKEN_LOST', status.ABORTED],
  ] as const
  for (const [code, expected] of codes) {
    nodes[0]!.shard(0).onFrame = (frame, sink) => {
      nodes[0]!.shard(0).fail(frame, sink, code)
      return false
    }
    const error = await errorOf(get(client, 'k'))
    t.is(error.code, expected)
    t.is(header(error, 'varve-code'), code)
  }
})

test('a replica that is behind the session hands its read to another one', async t => {
  const nodes = await fakeCluster(t, { shards: [[0, 1]], nodes: 2 })
  const behind = nodes[1]!.shard(0)
  behind.onFrame = (frame, sink) => {
    behind.fail(frame, sink, 'BEHIND')
    return false
  }
  const token = { parts: [{ shard: 'shard_0', epoch: 1, index: 9 }], stamp: undefined }
  const read = await get(clientOf(t, nodes[1]!), 'k', { consistency: Consistency.SESSION, token })
  t.is(read.node, nodes[0]!.address)
})

test('a request that must be answered here is refused where it cannot be', async t => {
  const [head, follower, outsider] = await fakeCluster(t, { shards: [[0, 1]], nodes: 3 })
  const local = { localOnly: true }
  t.is((await get(clientOf(t, follower!), 'k', local)).node, follower!.address)
  t.is(header(await errorOf(get(clientOf(t, outsider!), 'k', local)), 'varve-code'), 'NOT_MEMBER')
  const refused = await errorOf(set(clientOf(t, follower!), 'k', 'v', { context: context(local) }))
  t.is(header(refused, 'varve-code'), 'NOT_HEAD')
  t.is(head!.shard(0).frames, 0)
})

test('nodes that take each other for the head do not pass a request on for ever', async t => {
  const nodes = await fakeCluster(t, { shards: [[0], [1]], nodes: 2 })
  const [a, b] = nodes as [FakeNode, FakeNode]
  a.host.shards.clear()
  b.host.shards.clear()
  a.host.setMap(mapOf(nodes, [[1], [1]], 2))
  b.host.setMap(mapOf(nodes, [[0], [0]], 2))
  const error = await limitedSet(clientOf(t, a), 'k', 800)
  t.regex(error.details, new RegExp(`passed on ${HOPS_MAX} times|no replica|no answer within`))
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
