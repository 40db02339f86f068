import { status } from '@grpc/grpc-js'
import test from 'ava'
import { ResponseKind } from '../../src/client/session-frame.js'
import { SESSION_LIMITS } from '../../src/node/session-service.js'
import { fakeCluster } from './support/fake-host.js'
import { failureOf, RawSession, reads, valuesOf, writes } from './support/raw-session.js'

const alone = { shards: [[0]], nodes: 1 }

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
