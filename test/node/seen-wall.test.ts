import test from 'ava'
import { connect } from '../../src/client/client.js'
import { HostBase } from '../../src/node/host-base.js'
import { fakeCluster } from './support/fake-host.js'
import { clientOf, context, keysOf, set } from './support/kv-calls.js'
import { RawSession } from './support/raw-session.js'

class Host extends HostBase {
  get wallMs(): number {
    return this.clock.wall()
  }
}

test('nothing is stamped below what a client has seen, unless that cannot be', t => {
  const host = new Host()
  const ahead = Date.now() + 300
  host.observeWall(ahead)
  t.true(host.wallMs >= ahead)
  for (const implausible of [Date.now() + 3_600_000, -1, 0.5, Number.NaN, 2 ** 60])
    host.observeWall(implausible)
  t.true(host.wallMs < Date.now() + 3_600_000)
})

test('a session tells each node what wall time its client has seen, once', async t => {
  const nodes = await fakeCluster(t, { shards: [[0], [1]], nodes: 2 })
  await using db = await connect(nodes.map(node => node.address))
  // The second time each is told what the other's welcome said.
  for (const value of ['1', '2']) for (const ordinal of [0, 1]) await db.set(keysOf(ordinal, 1)[0]!, value)
  for (const { host } of nodes) {
    t.true(host.wallMs > 1_700_000_000_000)
    host.wallMs = 0
  }
  for (const ordinal of [0, 1]) await db.set(keysOf(ordinal, 1)[0]!, '3')
  t.deepEqual(
    nodes.map(({ host }) => host.wallMs),
    [0, 0],
    'their answers had no later one',
  )
})

test('a raw session and a unary call may bring it as well', async t => {
  const [node] = await fakeCluster(t, { shards: [[0]], nodes: 1 })
  const session = new RawSession(t, node!).read().hello({ stamp: { lamport: 1, wallMs: 5 } })
  await session.until(() => session.welcome !== undefined)
  t.is(node!.host.wallMs, 5)
  session.stream.write({ hello: undefined, frames: [], wallMs: 7 })
  while (node!.host.wallMs !== 7) await new Promise(resolve => setTimeout(resolve, 1))
  const token = { parts: [], stamp: { lamport: 1, wallMs: 9 } }
  await set(clientOf(t, node!), 'k', 'v', { context: context({ token }) })
  t.is(node!.host.wallMs, 9)
})
