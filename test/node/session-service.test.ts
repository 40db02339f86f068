import { type ClientDuplexStream, credentials, type ServiceError, status } from '@grpc/grpc-js'
import test, { type ExecutionContext } from 'ava'
import { KeyScratch, ReadFrameEncoder, WriteFrameBuilder, WriteSlab } from '../../src/client/frame-encoder.js'
import { ResponseKind } from '../../src/client/session-frame.js'
import { ResponseFrameReader } from '../../src/client/session-frame-reader.js'
import {
  KvClient,
  type SessionHello,
  type SessionRequest,
  type SessionResponse,
  type SessionWelcome,
} from '../../src/generated/varve/v1/kv.js'
import { Operation } from '../../src/log/entry.js'
import { SESSION_LIMITS } from '../../src/node/session-service.js'
import { type FakeNode, fakeCluster } from './support/fake-host.js'

/** A raw session: what a client in another language would have. */
class RawSession {
  readonly stream: ClientDuplexStream<SessionRequest, SessionResponse>
  readonly messages: SessionResponse[] = []
  error: ServiceError | undefined
  ended = false
  readonly #client: KvClient
  #waiting: (() => void)[] = []

  constructor(t: ExecutionContext, node: FakeNode) {
    this.#client = new KvClient(node.address, credentials.createInsecure(), {
      'grpc.use_local_subchannel_pool': 1,
      'grpc.max_receive_message_length': 64 * 1_048_576,
    })
    this.stream = this.#client.session()
    this.stream.on('error', (error: ServiceError) => {
      this.error = error
      this.#wake()
    })
    this.stream.on('end', () => {
      this.ended = true
      this.#wake()
    })
    t.teardown(() => this.close())
  }

  /** Begins to read answers. */
  read(): this {
    this.stream.on('data', (message: SessionResponse) => {
      this.messages.push(message)
      this.#wake()
    })
    return this
  }

  hello(fields: Partial<SessionHello> = {}, frames: Buffer[] = []): this {
    this.stream.write({
      hello: { clientId: Buffer.alloc(0), actor: '', stamp: undefined, ...fields },
      frames,
    })
    return this
  }

  send(...frames: Buffer[]): boolean {
    return this.stream.write({ hello: undefined, frames })
  }

  /**
   * Takes the welcome and then no more, except for what the stream's own buffer takes: 16 messages. (A stream of
   * grpc-js that was never read from takes everything in.)
   */
  async goDeaf(): Promise<this> {
    this.read().hello()
    await this.until(() => this.messages.length > 0)
    this.stream.pause()
    return this
  }

  get welcome(): SessionWelcome | undefined {
    return this.messages[0]?.welcome
  }

  get answers(): Buffer[] {
    return this.messages.flatMap(({ frames }) => frames)
  }

  async until(condition: () => boolean): Promise<void> {
    while (!condition()) {
      await new Promise<void>(resolve => {
        this.#waiting.push(resolve)
      })
    }
  }

  close(): void {
    this.stream.cancel()
    this.#client.close()
  }

  #wake(): void {
    for (const resolve of this.#waiting.splice(0)) resolve()
  }
}

function writes(shard: number, firstId: number, pairs: readonly (readonly [string, string])[]): Buffer {
  const [scratch, slab, builder] = [new KeyScratch(), new WriteSlab(), new WriteFrameBuilder()]
  builder.begin()
  for (const [key, value] of pairs) {
    scratch.load(key)
    slab.append(Operation.SET, 0, 0, scratch, value)
    builder.add(slab.bytes, slab.start, slab.end)
  }
  const header = { shard, firstId, observedLamport: 0, consistency: 1 as const }
  return builder.finish({ ...header, acknowledgedBelowOrTokenIndex: 0, tokenEpoch: 0 })
}

function reads(shard: number, firstId: number, keys: readonly string[]): Buffer {
  const encoder = new ReadFrameEncoder()
  encoder.begin()
  for (const key of keys) encoder.add(key)
  const header = { shard, firstId, observedLamport: 0, consistency: 2 as const }
  return encoder.finish({ ...header, acknowledgedBelowOrTokenIndex: 0, tokenEpoch: 0 })
}

/** Values that the answers to reads bring; null where the key was not found. */
function valuesOf(answers: readonly Buffer[]): (string | null)[] {
  const reader = new ResponseFrameReader()
  const values: (string | null)[] = []
  for (const answer of answers) {
    reader.reset(answer)
    if (reader.kind !== ResponseKind.READ_RESULTS) continue
    while (reader.next()) {
      const { valueStart, valueLength, flags } = reader
      values.push((flags & 1) === 0 ? null : answer.toString('latin1', valueStart, valueStart + valueLength))
    }
  }
  return values
}

function failureOf(answer: Buffer) {
  const reader = new ResponseFrameReader()
  reader.reset(answer)
  return { error: reader.failure(), count: reader.count, firstId: reader.firstId }
}

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

test('a client that never reads its answers is held back and harms no other', async t => {
  const limits = { ...SESSION_LIMITS, pauseAtBytes: 1_000_000, endAtBytes: 40_000_000 }
  const [node] = await fakeCluster(t, { ...alone, sessionLimits: limits })
  const shard = node!.shard(0)
  const value = 'v'.repeat(100_000)
  const deaf = await new RawSession(t, node!).goDeaf()
  deaf.send(writes(0, 1, [['k', value]]))
  // Each message asks for a megabyte.
  const askFor = (from: number, to: number) => {
    for (let at = from; at < to; at += 1) deaf.send(reads(0, at * 10, Array<string>(10).fill('k')))
  }
  const good = new RawSession(t, node!).read().hello()
  const exchange = async (count: number) => {
    const before = good.answers.length
    for (let at = 0; at < count; at += 1) {
      good.send(reads(0, before + at, ['none']))
      await good.until(() => good.answers.length === before + at + 1)
    }
  }
  askFor(0, 30)
  while (shard.frames < 1 + 30) await new Promise(setImmediate)
  await exchange(50)
  askFor(30, 40)
  await exchange(50)
  t.is(shard.frames, 1 + 30 + 100, 'the node does not read the deaf client on')
  // When it listens at last it gets what was kept and is told to ask again for the rest: nothing is lost unsaid.
  deaf.stream.resume()
  let answered = 0
  await deaf.until(() => {
    answered = deaf.answers.reduce((sum, answer) => sum + answer.readUInt32LE(4), 0)
    return answered === 1 + 400
  })
  t.is(answered, 1 + 400)
})

test('answers beyond the bound are refused one by one where they may be asked again', async t => {
  const limits = { ...SESSION_LIMITS, endAtBytes: 1_000_000 }
  const [node] = await fakeCluster(t, { ...alone, sessionLimits: limits })
  const session = new RawSession(t, node!).read().hello({}, [writes(0, 1, [['k', 'v'.repeat(300_000)]])])
  await session.until(() => session.answers.length === 1)
  session.send(...Array.from({ length: 10 }, (_, at) => reads(0, at, ['k'])))
  await session.until(() => session.answers.length === 11)
  const refused = session.answers.filter(answer => answer[1] === ResponseKind.FAILED)
  t.true(refused.length > 0 && refused.length < 10)
  t.like(failureOf(refused[0]!).error, { code: 'RESOURCE_EXHAUSTED', retryable: true })
  t.is(valuesOf(session.answers).length, 10 - refused.length)
})

test('a client that does not read its answers for too long loses its session', async t => {
  const limits = { ...SESSION_LIMITS, pauseAtBytes: 1_000_000, stuckMs: 500, cutAfterMs: 50 }
  const [node] = await fakeCluster(t, { ...alone, sessionLimits: limits })
  const deaf = await new RawSession(t, node!).goDeaf()
  deaf.send(writes(0, 1, [['k', 'v'.repeat(1_000_000)]]))
  let closed: () => boolean = () => false
  node!.shard(0).onFrame = (_frame, sink) => {
    closed = () => sink.closed
    return true
  }
  for (let at = 0; at < 30; at += 1) deaf.send(reads(0, at, ['k']))
  while (!closed()) await new Promise(setImmediate)
  // It still does not read. Where the end cannot reach it behind the answers, its stream is cut.
  await deaf.until(() => deaf.error !== undefined)
  t.true([status.CANCELLED, status.RESOURCE_EXHAUSTED].includes(deaf.error!.code), `${deaf.error!.code}`)
})

test('with too many operations in flight nothing more is read until some are answered', async t => {
  const limits = { ...SESSION_LIMITS, operationsInFlightMax: 100 }
  const [node] = await fakeCluster(t, { ...alone, sessionLimits: limits })
  const shard = node!.shard(0)
  const held: (() => void)[] = []
  shard.onFrame = (frame, sink) => {
    held.push(() => shard.fail(frame, sink, 'UNAVAILABLE'))
    return false
  }
  const session = new RawSession(t, node!).read().hello()
  for (let at = 0; at < 200; at += 1) session.send(reads(0, at * 10, Array<string>(10).fill('k')))
  while (shard.frames < 11) await new Promise(setImmediate)
  const good = new RawSession(t, node!).read().hello()
  await good.until(() => good.welcome !== undefined)
  t.is(shard.frames, 11)
  while (session.answers.length < 200) {
    for (const answer of held.splice(0)) answer()
    await new Promise(setImmediate)
  }
  t.is(shard.frames, 200)
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
