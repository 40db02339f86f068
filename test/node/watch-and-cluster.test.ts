import { type ClientReadableStream, credentials, type ServiceError, status } from '@grpc/grpc-js'
import test, { type ExecutionContext } from 'ava'
import {
  ClusterClient,
  type Digest,
  type NodeStatus,
  type ReadLogResponse,
  type ShardMap,
} from '../../src/generated/varve/v1/cluster.js'
import { KvClient, WatchRequest, type WatchResponse } from '../../src/generated/varve/v1/kv.js'
import { type FakeNode, fakeCluster, mapOf } from './support/fake-host.js'

function clientsOf(t: ExecutionContext, node: FakeNode) {
  const creds = credentials.createInsecure()
  const clients = { kv: new KvClient(node.address, creds), cluster: new ClusterClient(node.address, creds) }
  t.teardown(() => {
    clients.kv.close()
    clients.cluster.close()
  })
  return clients
}

/** What a stream brings, and how it ends. */
class Followed<T> {
  readonly messages: T[] = []
  error: ServiceError | undefined
  isOver = false
  #waiting: (() => void)[] = []

  constructor(readonly stream: ClientReadableStream<T>) {
    stream.on('data', (message: T) => {
      this.messages.push(message)
      this.#wake()
    })
    stream.on('error', (error: ServiceError) => {
      this.error = error
      this.isOver = true
      this.#wake()
    })
    stream.on('end', () => {
      this.isOver = true
      this.#wake()
    })
  }

  async until(condition: () => boolean): Promise<void> {
    while (!condition()) {
      await new Promise<void>(resolve => {
        this.#waiting.push(resolve)
      })
    }
  }

  #wake(): void {
    for (const resolve of this.#waiting.splice(0)) resolve()
  }
}

type Done<T> = (error: ServiceError | null, response: T) => void

const ask = <T>(call: (done: Done<T>) => unknown): Promise<T> =>
  new Promise((resolve, reject) => {
    call((error, response) => (error ? reject(error) : resolve(response)))
  })

const watchRequest = (fields: Partial<WatchRequest>): WatchRequest => ({
  ...WatchRequest.decode(new Uint8Array()),
  shard: 'shard_0',
  ...fields,
})

test('a shard is watched at any node, also at one that has no replica of it', async t => {
  const nodes = await fakeCluster(t, { shards: [[0], [1]], nodes: 3 })
  nodes[0]!.shard(0).data.lastIndex = 3
  for (const node of nodes) {
    const watch = new Followed<WatchResponse>(clientsOf(t, node).kv.watch(watchRequest({ fromIndex: 2 })))
    await watch.until(() => watch.messages.length >= 2)
    t.deepEqual(
      watch.messages.slice(0, 2).map(({ throughIndex }) => throughIndex),
      [2, 3],
    )
    const before = watch.messages.length
    nodes[0]!.shard(0).data.lastIndex += 1
    await watch.until(() => watch.messages.length > before)
    watch.stream.cancel()
    await watch.until(() => watch.isOver)
    t.is(watch.error?.code, status.CANCELLED)
    nodes[0]!.shard(0).data.lastIndex = 3
  }
})

test('a watcher that goes is forgotten by the replica, wherever it watched', async t => {
  const nodes = await fakeCluster(t, { shards: [[0]], nodes: 2 })
  const shard = nodes[0]!.shard(0)
  const signals: AbortSignal[] = []
  const watchHere = shard.watch.bind(shard)
  shard.watch = (request, signal) => {
    signals.push(signal)
    return watchHere(request, signal)
  }
  shard.data.lastIndex = 1
  for (const node of nodes) {
    const watch = new Followed<WatchResponse>(clientsOf(t, node).kv.watch(watchRequest({ fromIndex: 1 })))
    await watch.until(() => watch.messages.length === 1)
    watch.stream.cancel()
  }
  while (!signals.every(({ aborted }) => aborted)) await new Promise(setImmediate)
  t.is(signals.length, 2)
})

test('a watch that cannot be is refused with a reason', async t => {
  const [node] = await fakeCluster(t, { shards: [[0]], nodes: 1 })
  const { kv } = clientsOf(t, node!)
  const unknown = new Followed(kv.watch(watchRequest({ shard: 'shard_7' })))
  await unknown.until(() => unknown.isOver)
  t.is(unknown.error?.code, status.NOT_FOUND)
  t.regex(unknown.error!.details, /no shard "shard_7", the cluster has: shard_0/)
  const long = new Followed(kv.watch(watchRequest({ prefix: Buffer.alloc(5_000) })))
  await long.until(() => long.isOver)
  t.is(long.error?.code, status.INVALID_ARGUMENT)
})

test('a watcher that does not read stops the replica from reading on for it', async t => {
  const [node] = await fakeCluster(t, { shards: [[0]], nodes: 1 })
  const shard = node!.shard(0)
  let yielded = 0
  const big = Buffer.alloc(200_000)
  shard.watch = async function* () {
    for (;;) {
      yielded += 1
      const entry = { position: undefined, operation: 1, key: Buffer.from('k'), value: big, previous: 0 }
      const rest = {
        clientId: Buffer.alloc(0),
        sequence: 0,
        actor: '',
        batchContinues: false,
        record: 1,
        refused: false,
      }
      yield { entries: [{ ...entry, ...rest }], throughIndex: yielded, epoch: 1, snapshotIndex: 0 }
    }
  }
  const stream = clientsOf(t, node!).kv.watch(watchRequest({}))
  stream.on('error', () => {})
  await new Promise(resolve => stream.once('data', resolve))
  stream.pause()
  let before = -1
  while (before !== yielded) {
    before = yielded
    for (let turn = 0; turn < 50; turn += 1) await new Promise(setImmediate)
  }
  t.true(yielded < 60, `${yielded} yielded`)
  stream.resume()
  while (yielded < before + 20) await new Promise(setImmediate)
  stream.cancel()
  t.pass()
})

test('the shard map is given when there is one, and each newer one to whoever follows it', async t => {
  const nodes = await fakeCluster(t, { shards: [], nodes: 2 })
  const [node] = nodes as [FakeNode]
  const { cluster } = clientsOf(t, node)
  const error = await t.throwsAsync(
    ask<ShardMap>(done => cluster.getShardMap({}, done)),
    { message: /no shard map yet/ },
  )
  t.is((error as ServiceError).code, status.UNAVAILABLE)
  const maps = new Followed<ShardMap>(cluster.watchShardMap({}))
  node.host.setMap(mapOf(nodes, [[0]], 2))
  await maps.until(() => maps.messages.some(({ revision }) => revision === 2))
  t.is((await ask<ShardMap>(done => cluster.getShardMap({}, done))).revision, 2)
  node.host.setMap(mapOf(nodes, [[1, 0]], 3))
  await maps.until(() => maps.messages.at(-1)?.revision === 3)
  t.is(maps.messages.at(-1)!.shards[0]!.head, nodes[1]!.address)
  maps.stream.cancel()
})

test('status, log and digest are of this node, and of no other', async t => {
  const nodes = await fakeCluster(t, { shards: [[0], [1]], nodes: 2 })
  const { cluster } = clientsOf(t, nodes[0]!)
  nodes[0]!.shard(0).data.lastIndex = 4
  const nodeStatus = await ask<NodeStatus>(done => cluster.getNodeStatus({}, done))
  t.deepEqual(
    nodeStatus.replicas.map(({ shard }) => shard),
    ['shard_0'],
  )
  const log = new Followed<ReadLogResponse>(cluster.readLog({ shard: 'shard_0', fromIndex: 0, toIndex: 0 }))
  await log.until(() => log.isOver)
  t.is(log.error, undefined)
  t.deepEqual(
    log.messages.map(({ recordBytes }) => recordBytes),
    [1, 2, 3, 4],
  )
  const digest = await ask<Digest>(done => cluster.getDigest({ shard: 'shard_0' }, done))
  t.like(digest, { node: nodes[0]!.address, lastIndex: 4, state: Buffer.alloc(32, 4) })
  const elsewhere = await t.throwsAsync(ask<Digest>(done => cluster.getDigest({ shard: 'shard_1' }, done)))
  t.regex(elsewhere.message, /has no replica of shard_1/)
  t.is((elsewhere as ServiceError).metadata.get('varve-hint')[0], nodes[1]!.address)
  await t.throwsAsync(
    ask<Digest>(done => cluster.getDigest({ shard: 'nope' }, done)),
    { message: /no shard "nope"/ },
  )
})

test('a watched status comes at once and then again and again, each as it is then', async t => {
  const [node] = await fakeCluster(t, { shards: [[0]], nodes: 1 })
  const { cluster } = clientsOf(t, node!)
  const statuses = new Followed<NodeStatus>(cluster.watchNodeStatus({ intervalMs: 10 }))
  await statuses.until(() => statuses.messages.length >= 2)
  node!.shard(0).data.lastIndex = 7
  await statuses.until(() => statuses.messages.at(-1)!.replicas[0]!.lastIndex === 7)
  const times = statuses.messages.map(({ wallMs }) => wallMs)
  t.deepEqual(
    times,
    [...times].sort((a, b) => a - b),
  )
  statuses.stream.cancel()
  await statuses.until(() => statuses.isOver)
  const refused = new Followed<NodeStatus>(cluster.watchNodeStatus({ intervalMs: 9 }))
  await refused.until(() => refused.isOver)
  t.is(refused.error?.code, status.INVALID_ARGUMENT)
  t.regex(refused.error!.details, /interval_ms is 9, expected from 10 to 60000, or 0/)
})

test('stopping the node ends watches and maps with a reason', async t => {
  const [node] = await fakeCluster(t, { shards: [[0]], nodes: 1 })
  const { kv, cluster } = clientsOf(t, node!)
  const maps = new Followed(cluster.watchShardMap({}))
  const watch = new Followed(kv.watch(watchRequest({ fromIndex: 1 })))
  await maps.until(() => maps.messages.length === 1)
  node!.shard(0).data.lastIndex = 1
  await watch.until(() => watch.messages.length === 1)
  await node!.server.stop()
  for (const followed of [maps, watch]) {
    await followed.until(() => followed.isOver)
    t.is(followed.error?.code, status.UNAVAILABLE)
    t.regex(followed.error!.details, /is stopping/)
  }
})
