import test from 'ava'
import { LinkLimits, type LinkStreamEvents, OutgoingLink } from '../../src/replication/outgoing-link.js'

/** A stream under the test's control: it takes `room` messages, the rest when told. */
class FakeStream {
  readonly written: Buffer[] = []
  readonly events: LinkStreamEvents
  destroyed = false
  room = Number.POSITIVE_INFINITY
  #taken: (() => void)[] = []

  constructor(events: LinkStreamEvents) {
    this.events = events
  }

  write(message: Buffer, taken: () => void): boolean {
    this.written.push(message)
    this.#taken.push(taken)
    this.room -= 1
    return this.room > 0
  }

  takeAll(): void {
    for (const taken of this.#taken.splice(0)) taken()
  }

  async end(): Promise<void> {}

  destroy(): void {
    this.destroyed = true
  }
}

function setUp(queuedBytesMax = 1_000) {
  const streams: FakeStream[] = []
  const downs: string[] = []
  const clock = { now: 0, refuse: false }
  const link = new OutgoingLink({
    open: events => {
      if (clock.refuse) throw new TypeError('no such address')
      const stream = new FakeStream(events)
      streams.push(stream)
      return stream
    },
    queuedBytesMax,
    now: () => clock.now,
    onDown: reason => downs.push(reason),
  })
  return { link, streams, downs, clock }
}

const message = (text: string) => Buffer.from(text)
const texts = (stream: FakeStream | undefined) => stream?.written.map(bytes => bytes.toString())

test('nothing is opened before the first message', t => {
  const { link, streams } = setUp()
  t.is(streams.length, 0)
  t.true(link.send(message('a')))
  t.is(streams.length, 1)
})

test('messages wait in order while the stream is full and go on when it has drained', t => {
  const { link, streams } = setUp()
  link.send(message('a'))
  streams[0]!.room = 1
  for (const text of ['b', 'c', 'd', 'e']) t.true(link.send(message(text)))
  t.deepEqual(texts(streams[0]), ['a', 'b'])
  streams[0]!.room = 2
  streams[0]!.events.drained()
  t.deepEqual(texts(streams[0]), ['a', 'b', 'c', 'd'])
  link.send(message('f'))
  streams[0]!.room = 10
  streams[0]!.events.drained()
  t.deepEqual(texts(streams[0]), ['a', 'b', 'c', 'd', 'e', 'f'])
})

test('a full queue drops, counts what the stream has not taken, and takes messages again afterwards', t => {
  const { link, streams } = setUp(10)
  t.true(link.send(message('12345')))
  t.true(link.send(message('12345')))
  t.false(link.send(message('1')))
  t.is(link.queuedBytes, 10)
  streams[0]!.takeAll()
  t.is(link.queuedBytes, 0)
  t.true(link.send(message('1')))
})

test('a message larger than the whole queue goes out when nothing else waits', t => {
  const { link } = setUp(10)
  t.true(link.send(message('more than ten bytes')))
  t.false(link.send(message('1')))
})

test('a break is told once, empties the queue, and opens again only when the back-off is over', t => {
  const { link, streams, downs, clock } = setUp()
  link.send(message('a'))
  const first = streams[0]!
  first.events.broken('reset')
  first.events.broken('reset again')
  t.deepEqual(downs, ['reset'])
  t.true(first.destroyed)
  t.is(link.queuedBytes, 0)
  t.false(link.mayOpen)
  t.false(link.send(message('b')))
  clock.now += LinkLimits.reconnectDelayMinMs
  t.true(link.send(message('c')))
  t.deepEqual(texts(streams[1]), ['c'])
  first.takeAll()
  t.is(link.queuedBytes, 1, 'the broken stream no longer counts')
})

test('the back-off doubles to its bound and starts over once a link stood', t => {
  const { link, streams, clock } = setUp()
  const waits: number[] = []
  for (let attempt = 0; attempt < 8; attempt += 1) {
    const since = clock.now
    while (!link.send(message('x'))) clock.now += 1
    waits.push(clock.now - since)
    streams.at(-1)!.events.broken('refused')
  }
  t.deepEqual(waits, [0, 50, 100, 200, 400, 800, 1_000, 1_000])
  clock.now += 1_000
  link.send(message('x'))
  streams.at(-1)!.events.opened()
  streams.at(-1)!.events.broken('reset')
  clock.now += LinkLimits.reconnectDelayMinMs
  t.true(link.mayOpen)
})

test('an address that cannot even be opened drops the message and is tried again later', t => {
  const { link, downs, clock } = setUp()
  clock.refuse = true
  t.false(link.send(message('a')))
  t.deepEqual(downs, [], 'no message was accepted, so none was lost')
  clock.refuse = false
  t.false(link.send(message('a')))
  clock.now += LinkLimits.reconnectDelayMinMs
  t.true(link.send(message('a')))
})

test('the end hands over what waits; afterwards nothing is sent and nothing is told', async t => {
  const { link, streams, downs } = setUp()
  link.send(message('a'))
  streams[0]!.room = 1
  for (const text of ['b', 'c', 'd']) link.send(message(text))
  await link.end()
  t.deepEqual(texts(streams[0]), ['a', 'b', 'c', 'd'])
  t.false(link.send(message('b')))
  streams[0]!.events.broken('late')
  t.deepEqual(downs, [])
})
