import test from 'ava'
import { describeEvent, type Event } from '../scenarios/harness/events.js'
import { ModelCluster } from '../scenarios/harness/model-cluster.js'
import { open } from '../scenarios/harness/network.js'
import { CLUSTER_ID, SHARD } from '../scenarios/harness/process.js'
import { nextRecord } from './support/records.js'

/** Two replicas in a chain, with the real coordinator, in office. */
function openCluster() {
  const events: Event[] = []
  const cluster = new ModelCluster({
    addresses: ['a', 'b'],
    topology: 'chain',
    minInSync: 1,
    onEvent: event => events.push(event),
  })
  cluster.startCoordinator()
  for (const node of cluster.nodes.values()) node.beat()
  cluster.settle()
  events.length = 0
  return { cluster, events, a: cluster.node('a'), b: cluster.node('b') }
}

test('a record is not appended where no writes are taken, and the log stays as it was', t => {
  const { a, b } = openCluster()
  const record = nextRecord(b.log, 1)
  t.throws(() => b.driver!.append(record), { message: /not the head/ })
  const late = nextRecord(a.log, 9)
  t.throws(() => a.driver!.append(late), { message: /record of epoch 9 refused in epoch 1/ })
  t.is(a.log.lastIndex, 1)
  t.is(b.log.lastIndex, 1)
})

test('a new head stamps above its log, however far its own clock is behind', t => {
  const { cluster, a, b } = openCluster()
  cluster.nowMs = 50_000
  a.write([['x', '1']], 'weak')
  cluster.network.deliver(cluster.network.link('a', 'b')[0]!)
  b.sync()
  a.crash()
  a.start()
  cluster.nowMs = 10
  a.beat()
  cluster.settle()
  t.true(b.driver?.replica.isHead)
  const [last, epoch] = [b.log.recordAt(2)!, b.log.recordAt(3)!]
  t.is(epoch.epoch, 2)
  t.true(epoch.lamport > last.lastLamport)
  t.is(last.wallMs, 50_000)
  t.is(epoch.wallMs, 50_000)
})

/** A record that b takes for one of a's. */
function forge(cluster: ModelCluster, record: Buffer): void {
  cluster.network.post('b', {
    from: 'a',
    incarnation: cluster.node('a').incarnation,
    clusterId: CLUSTER_ID,
    stamp: { lamport: 0, wallMs: 0 },
    shard: SHARD,
    epoch: 1,
    body: { $case: 'record', value: { record, commitIndex: 3 } },
  })
}

test('what breaks an invariant ends the process, and nothing is appended or sent after it', t => {
  const [{ cluster, events, a, b }, other] = [openCluster(), openCluster()]
  a.write([['x', '1']], 'strong')
  other.a.write([['y', '1']], 'strong')
  cluster.settle()
  other.cluster.settle()
  events.length = 0
  forge(cluster, nextRecord(other.a.log, 1).bytes)
  cluster.deliverAll()
  t.deepEqual(events.map(describeEvent), [
    'b: ALARM shard 0: the upstream sent a record at index 3 that does not follow this log',
  ])
  t.false(b.isUp)
  t.is(b.log.lastIndex, 2)
})

test('bytes that are no record are as good as lost: the follower asks anew', t => {
  const { cluster, events, a, b } = openCluster()
  const damaged = Buffer.from(nextRecord(b.log, 1).bytes)
  damaged[damaged.length - 1]! ^= 1
  forge(cluster, damaged)
  cluster.network.deliver(cluster.network.link('a', 'b')[0]!)
  t.deepEqual(
    cluster.network.link('b', 'a').map(message => open(message).body?.$case),
    ['follow'],
  )
  a.write([['x', '1']], 'strong')
  cluster.settle()
  t.true(events.some(({ type }) => type === 'acknowledged'))
})

test('a record that the transport did not take comes again by itself, without a broken link', t => {
  const { cluster, a, b } = openCluster()
  cluster.network.unreachable.add('b')
  a.write([['x', '1']], 'strong')
  a.sync()
  cluster.network.unreachable.clear()
  cluster.deliverAll()
  t.is(b.log.lastIndex, 1)
  a.driver!.tick()
  cluster.settle()
  t.is(b.log.lastIndex, 2)
  t.is(a.driver!.replica.commitIndex, 2)
})
