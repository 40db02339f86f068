import { status } from '@grpc/grpc-js'
import test from 'ava'
import { Consistency } from '../../src/generated/varve/v1/kv.js'
import { HOPS_MAX } from '../../src/node/forwarding.js'
import { type FakeNode, fakeCluster, mapOf } from './support/fake-host.js'
import { clientOf, context, errorOf, get, header, keysOf, limitedSet, set } from './support/kv-calls.js'

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

test('when the time is over, the error says what held the call up and whether the write may have happened', async t => {
  const nodes = await fakeCluster(t, { shards: [[0], []], nodes: 2 })
  const [node, outsider] = nodes as [FakeNode, FakeNode]
  const [key, headless] = [keysOf(0, 1)[0]!, keysOf(1, 1)[0]!]
  const waiting = await limitedSet(clientOf(t, outsider), headless, 3_000)
  t.is(waiting.code, status.UNAVAILABLE)
  t.regex(waiting.details, /shard_1 has no head now: 0 of 2 members/)
  t.is(header(waiting, 'varve-outcome'), 'failed')
  node.shard(0).isHead = false
  const refused = await limitedSet(clientOf(t, node), key, 3_000)
  t.is(refused.code, status.DEADLINE_EXCEEDED)
  t.regex(refused.details, /NOT_HEAD/)
  t.is(header(refused, 'varve-outcome'), 'failed')
  node.shard(0).onFrame = () => false
  const silent = await limitedSet(clientOf(t, outsider), key, 3_000)
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
  const error = await limitedSet(clientOf(t, a), 'k', 3_000)
  t.regex(error.details, new RegExp(`passed on ${HOPS_MAX} times|no replica|no answer within`))
})
