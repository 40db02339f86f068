/** The calls that only the coordinator answers, through a real server and the inspector that operators' tools use. */
import test, { type ExecutionContext } from 'ava'
import { VarveError } from '../../src/client/errors.js'
import { Inspector } from '../../src/client/inspector.js'
import type { NodeInfo } from '../../src/generated/varve/v1/cluster.js'
import type { ClusterAdmin } from '../../src/node/cluster-admin.js'
import { FakeNode, fakeCluster, mapOf } from './support/fake-host.js'

const INFO: NodeInfo = {
  address: '127.0.0.1:5001',
  incarnation: 2 ** 46 + 1,
  state: 'alive',
  silentMs: 12,
  clockOffsetMs: -700,
  replicas: [{ shard: 'shard_0', role: 'head', index: 9 }],
  left: ['shard_1'],
  version: '0.1.0',
  fault: 'its clock is 700 ms behind',
}

function inspect(t: ExecutionContext): Inspector {
  const inspector = new Inspector({ timeoutMs: 30_000 })
  t.teardown(() => inspector.close())
  return inspector
}

function adminThatNotes(calls: unknown[]): ClusterAdmin {
  return {
    listNodes: () => ({ nodes: [INFO] }),
    leave: request => {
      calls.push(request)
      return { shards: ['shard_0'] }
    },
    join: request => {
      calls.push(request)
      return { shards: ['shard_0', 'shard_1'] }
    },
    recover: async request => {
      calls.push(request)
      return { head: INFO.address, epoch: 7, cutIndex: 120, lostToIndex: 150 }
    },
  }
}

test('the coordinator is asked by what it is given, and what it answers arrives as it is', async t => {
  const [coordinator] = (await fakeCluster(t, { shards: [], nodes: 1 })) as [FakeNode]
  const calls: unknown[] = []
  coordinator.host.admin = adminThatNotes(calls)
  const inspector = inspect(t)
  const { address } = coordinator
  t.deepEqual(await inspector.listNodes(address), { nodes: [INFO] })
  const leave = { address: 'h:1', shard: '', force: true }
  const join = { address: 'h:1', shard: 'shard_1' }
  const recover = { shard: 'shard_0', acceptDataLoss: true, address: 'h:2' }
  t.deepEqual(await inspector.leave(address, leave), { shards: ['shard_0'] })
  t.deepEqual(await inspector.join(address, join), { shards: ['shard_0', 'shard_1'] })
  t.like(await inspector.recover(address, recover), { head: INFO.address, epoch: 7, lostToIndex: 150 })
  t.deepEqual(calls, [leave, join, recover])
})

test('what a rule forbids arrives with its code and its words', async t => {
  const [coordinator] = (await fakeCluster(t, { shards: [], nodes: 1 })) as [FakeNode]
  const refusal = 'shard_0: 1 member would be left, strong requests need 2: give force to do it all the same'
  coordinator.host.admin = {
    ...adminThatNotes([]),
    leave: () => {
      throw new VarveError('FAILED_PRECONDITION', refusal)
    },
    recover: () => Promise.reject(new VarveError('INVALID_ARGUMENT', 'no such shard')),
  }
  const inspector = inspect(t)
  const leave = inspector.leave(coordinator.address, { address: 'h:1', shard: '', force: false })
  const error = await t.throwsAsync<VarveError>(leave, { instanceOf: VarveError, message: refusal })
  t.is(error?.code, 'FAILED_PRECONDITION')
  t.false(error?.retryable)
  const recover = inspector.recover(coordinator.address, { shard: 'x', acceptDataLoss: true, address: '' })
  t.is((await t.throwsAsync<VarveError>(recover))?.code, 'INVALID_ARGUMENT')
})

test('a node sends whoever asks it for such a thing to the coordinator', async t => {
  const nodes = await fakeCluster(t, { shards: [[0]], nodes: 2 })
  const [node, coordinator] = nodes as [FakeNode, FakeNode]
  const map = { ...mapOf(nodes, [[0]], 2), coordinator: coordinator.address }
  node.host.setMap(map)
  const inspector = inspect(t)
  const asks = [
    inspector.listNodes(node.address),
    inspector.leave(node.address, { address: 'h:1', shard: '', force: false }),
    inspector.join(node.address, { address: 'h:1', shard: '' }),
    inspector.recover(node.address, { shard: 'shard_0', acceptDataLoss: true, address: '' }),
  ]
  for (const ask of asks) {
    const error = await t.throwsAsync<VarveError>(ask, { message: /ask the coordinator, 127\.0\.0\.1:\d+$/ })
    t.is(error?.code, 'FAILED_PRECONDITION')
    t.is(error?.hint, coordinator.address)
  }
})

test('a node that does not know its coordinator yet says so, and may be asked again', async t => {
  const node = await new FakeNode().start()
  t.teardown(() => node.server.stop())
  const error = await t.throwsAsync<VarveError>(inspect(t).listNodes(node.address), {
    message: /does not know its coordinator yet/,
  })
  t.is(error?.code, 'UNAVAILABLE')
  t.true(error?.retryable)
})
