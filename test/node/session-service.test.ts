import { credentials, type ServiceError, status } from '@grpc/grpc-js'
import test from 'ava'
import { KvClient } from '../../src/generated/varve/v1/kv.js'
import { fakeCluster } from './support/fake-host.js'
import { failureOf, RawSession, reads, valuesOf, writes } from './support/raw-session.js'

const alone = { shards: [[0]], nodes: 1 }

test('a session is welcomed with an id of its own, or keeps the one that it brought', async t => {
  const [node] = await fakeCluster(t, alone)
  const fresh = new RawSession(t, node!).read().hello()
  await fresh.until(() => fresh.welcome !== undefined)
  t.is(fresh.welcome!.clientId.length, 16)
  t.like(fresh.welcome, { node: node!.address, clusterId: 'fake', mapRevision: 1 })
  const known = new RawSession(t, node!).read().hello({ clientId: Buffer.alloc(16, 9) })
  await known.until(() => known.welcome !== undefined)
  t.deepEqual(known.welcome!.clientId, Buffer.alloc(16, 9))
})

test('frames of many shards are answered by their ids, and answers of one turn come in one message', async t => {
  const [node] = await fakeCluster(t, { shards: [[0], [0], [0]], nodes: 1 })
  const session = new RawSession(t, node!).read().hello({ actor: 'ada' }, [writes(0, 1, [['a', '1']])])
  session.send(
    writes(1, 1, [
      ['b', '2'],
      ['c', '3'],
    ]),
    writes(2, 1, [['d', '4']]),
  )
  session.send(reads(1, 1, ['b', 'x', 'c']), reads(0, 4, ['a']))
  await session.until(() => session.answers.length === 5)
  t.deepEqual(valuesOf(session.answers), ['2', null, '3', '1'])
  t.true(session.messages.length <= 4, `${session.messages.length} messages`)
  t.deepEqual(node!.shard(0).data.actors, ['ada'])
})

test('a shard that is not here is refused with the address of its head, and the session goes on', async t => {
  const nodes = await fakeCluster(t, { shards: [[0], [1]], nodes: 2 })
  const session = new RawSession(t, nodes[0]!).read().hello()
  session.send(
    writes(1, 8, [
      ['a', '1'],
      ['b', '2'],
    ]),
    reads(5, 3, ['k']),
    writes(0, 1, [['a', '1']]),
  )
  await session.until(() => session.answers.length === 3)
  const elsewhere = failureOf(session.answers[0]!)
  t.like(elsewhere, { count: 2, firstId: 8 })
  t.like(elsewhere.error, { code: 'NOT_MEMBER', retryable: true, outcome: 'failed', hint: nodes[1]!.address })
  const unknown = failureOf(session.answers[1]!)
  t.like(unknown.error, { code: 'UNKNOWN_SHARD', retryable: false })
  t.regex(unknown.error.message, /no shard number 5, the cluster has 2/)
})

test('a client that half-closes gets all its answers and a clean end', async t => {
  const [node] = await fakeCluster(t, alone)
  const session = new RawSession(t, node!).read().hello()
  for (let at = 0; at < 50; at += 1) session.send(writes(0, at + 1, [[`key ${at}`, 'v']]))
  session.stream.end()
  await session.until(() => session.ended)
  t.is(session.answers.length, 50)
  t.is(session.error, undefined)
})

const garbage: [string, (session: RawSession) => void, RegExp][] = [
  ['no hello', session => session.send(reads(0, 1, ['k'])), /has no hello/],
  ['a second hello', session => session.hello().hello(), /one hello/],
  [
    'a client id of 3 bytes',
    session => session.hello({ clientId: Buffer.alloc(3) }),
    /client id has 3 bytes/,
  ],
  ['an actor that is too long', session => session.hello({ actor: 'a'.repeat(300) }), /actor has 300 bytes/],
  [
    'an implausible stamp',
    session => session.hello({ stamp: { lamport: 2 ** 52, wallMs: 0 } }),
    /implausible/,
  ],
  ['an empty frame', session => session.hello().send(Buffer.alloc(0)), /malformed session frame/],
  ['random bytes', session => session.hello().send(Buffer.alloc(300, 0xa7)), /malformed session frame/],
  [
    'a cut frame',
    session => session.hello().send(reads(0, 1, ['key']).subarray(0, -1)),
    /malformed session frame/,
  ],
  [
    'garbage for a shard that is not here',
    session => session.hello().send(reads(7, 1, ['key']).subarray(0, -1)),
    /malformed session frame/,
  ],
  [
    'a message that is too large',
    session => session.hello().send(...Array<Buffer>(9).fill(Buffer.alloc(1_048_576))),
    /message has 9437184 bytes, at most 8388608/,
  ],
]

for (const [what, send, message] of garbage) {
  test(`${what} ends that session with INVALID_ARGUMENT and no other`, async t => {
    const [node] = await fakeCluster(t, alone)
    const good = new RawSession(t, node!).read().hello({}, [writes(0, 1, [['k', 'v']])])
    await good.until(() => good.answers.length === 1)
    const bad = new RawSession(t, node!).read()
    send(bad)
    await bad.until(() => bad.error !== undefined)
    t.is(bad.error!.code, status.INVALID_ARGUMENT)
    t.regex(bad.error!.details, message)
    good.send(reads(0, 1, ['k']))
    await good.until(() => good.answers.length === 2)
    t.deepEqual(valuesOf(good.answers), ['v'])
  })
}

test('bytes that are no message at all end that stream only', async t => {
  const [node] = await fakeCluster(t, alone)
  const client = new KvClient(node!.address, credentials.createInsecure())
  t.teardown(() => client.close())
  const asIs = (bytes: Buffer) => bytes
  const stream = client.makeBidiStreamRequest('/varve.v1.Kv/Session', asIs, asIs)
  const ended = new Promise<ServiceError>(resolve =>
    stream.on('error', error => resolve(error as ServiceError)),
  )
  stream.write(Buffer.alloc(64, 0xff))
  t.is((await ended).code, status.INTERNAL)
  const good = new RawSession(t, node!).read().hello({}, [writes(0, 1, [['k', 'v']])])
  await good.until(() => good.answers.length === 1)
  t.pass()
})

test('a client that goes in mid-stream leaves what it wrote, and its answers are dropped', async t => {
  const [node] = await fakeCluster(t, alone)
  const shard = node!.shard(0)
  const session = new RawSession(t, node!).read().hello()
  let closed: () => boolean = () => false
  shard.onFrame = (_frame, sink) => {
    closed = () => sink.closed
    return true
  }
  session.send(writes(0, 1, [['k', 'v']]))
  await session.until(() => session.answers.length === 1)
  shard.onFrame = () => false
  session.send(writes(0, 2, [['k', 'w']]))
  while (shard.frames < 2) await new Promise(setImmediate)
  t.false(closed())
  session.close()
  while (!closed()) await new Promise(setImmediate)
  t.is(shard.data.keys.get('k')?.value.toString(), 'v')
})

test('stopping the node ends its sessions with a reason', async t => {
  const [node] = await fakeCluster(t, alone)
  const session = new RawSession(t, node!).read().hello()
  await session.until(() => session.welcome !== undefined)
  await node!.server.stop()
  await session.until(() => session.error !== undefined)
  t.is(session.error!.code, status.UNAVAILABLE)
  t.regex(session.error!.details, /is stopping/)
})
