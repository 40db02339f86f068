/** The relays between processes: what is cut hears nothing, and nothing is lost or turned around when it heals. */
import { once } from 'node:events'
import { createServer, type Server, type Socket, connect as tcpConnect } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import test, { type ExecutionContext } from 'ava'
import { eventually } from '../support/eventually.js'
import { ChaosNetwork } from './network.js'
import { PathDirection } from './path-direction.js'

/** Long enough for what must not happen to happen. */
const SILENCE_MS = 150

interface Pair {
  readonly network: ChaosNetwork
  readonly a: string
  readonly b: string
  /** From a to b. */
  readonly client: Socket
  readonly server: Socket
}

async function listening(t: ExecutionContext, onConnection: (socket: Socket) => void): Promise<Server> {
  const server = createServer(socket => {
    socket.on('error', () => {})
    t.teardown(() => socket.destroy())
    onConnection(socket)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => server.close())
  return server
}

function addressOf(server: Server): string {
  return `127.0.0.1:${(server.address() as { port: number }).port}`
}

function dial(t: ExecutionContext, network: ChaosNetwork, from: string, to: string): Socket {
  const [host, port] = network.dialMap(from)[to]!.split(':') as [string, string]
  const socket = tcpConnect(Number(port), host)
  socket.on('error', () => {})
  t.teardown(() => socket.destroy())
  return socket
}

async function pairOf(t: ExecutionContext): Promise<Pair> {
  const accepted: Socket[] = []
  const server = await listening(t, socket => accepted.push(socket))
  const [a, b] = ['127.0.0.1:1', addressOf(server)]
  const network = await ChaosNetwork.open([a, b])
  t.teardown(() => network.close())
  const client = dial(t, network, a, b)
  await once(client, 'connect')
  await eventually(() => accepted.length === 1)
  return { network, a, b, client, server: accepted[0]! }
}

function textOf(socket: Socket): () => string {
  let text = ''
  socket.on('data', (chunk: Buffer) => {
    text += chunk.toString()
  })
  return () => text
}

test('bytes pass both ways', async t => {
  const { client, server } = await pairOf(t)
  const [there, here] = [textOf(server), textOf(client)]
  client.write('forth')
  server.write('back')
  await eventually(() => there() === 'forth' && here() === 'back')
  t.pass()
})

test('a cut of one direction holds that one back, and all of it arrives in order when it heals', async t => {
  const { network, a, b, client, server } = await pairOf(t)
  const [there, here] = [textOf(server), textOf(client)]
  const heal = network.direction(a, b).cut()
  client.write('1')
  client.write('2')
  server.write('back')
  await eventually(() => here() === 'back')
  await delay(SILENCE_MS)
  t.is(there(), '')
  client.write('3')
  heal()
  await eventually(() => there() === '123')
})

test('cuts that overlap heal each by itself', async t => {
  const { network, a, b, client, server } = await pairOf(t)
  const there = textOf(server)
  const first = network.direction(a, b).cut()
  const second = network.direction(a, b).cut()
  client.write('x')
  first()
  first()
  await delay(SILENCE_MS)
  t.is(there(), '')
  second()
  await eventually(() => there() === 'x')
})

test('the end of a process is not heard over a cut', async t => {
  const { network, a, b, client, server } = await pairOf(t)
  let closed = false
  client.on('close', () => {
    closed = true
  })
  const heal = network.direction(b, a).cut()
  server.resetAndDestroy()
  await delay(SILENCE_MS)
  t.false(closed)
  heal()
  await eventually(() => closed)
})

test('a connection over a cut is silent until it heals', async t => {
  const { network, a, b } = await pairOf(t)
  const heal = network.direction(a, b).cut()
  const late = dial(t, network, a, b)
  await once(late, 'connect')
  late.write('hello')
  await delay(SILENCE_MS)
  t.false(late.destroyed)
  heal()
  await delay(0)
  t.false(late.destroyed)
})

test('resets are felt at both ends', async t => {
  const { network, a, b, client, server } = await pairOf(t)
  network.reset(a, b)
  await eventually(() => client.destroyed && server.destroyed)
  t.pass()
})

test('a connection that is being ended is closed by a reset all the same', async t => {
  const { network, a, b, client, server } = await pairOf(t)
  // The relay cannot pass on the end before what came before it, and nobody reads that.
  server.pause()
  client.write(Buffer.alloc(8 * 1_048_576))
  client.end()
  await delay(SILENCE_MS)
  network.reset(a, b)
  server.resume()
  await eventually(() => client.destroyed && server.destroyed)
  await network.close()
  t.pass()
})

test('where nobody listens a connection is reset', async t => {
  const server = await listening(t, () => {})
  const gone = addressOf(server)
  server.close()
  await once(server, 'close')
  const network = await ChaosNetwork.open(['127.0.0.1:1', gone])
  t.teardown(() => network.close())
  const client = dial(t, network, '127.0.0.1:1', gone)
  await eventually(() => client.destroyed)
  t.pass()
})

test('much data passes a slow reader whole', async t => {
  const { client, server } = await pairOf(t)
  const size = 8 * 1_048_576
  let received = 0
  server.on('data', (chunk: Buffer) => {
    received += chunk.length
    server.pause()
    setImmediate(() => server.resume())
  })
  client.write(Buffer.alloc(size))
  await eventually(() => received === size)
  t.is(received, size)
})

test('delayed deliveries come later and in order', async t => {
  const direction = new PathDirection()
  const seen: number[] = []
  const undo = direction.delay(50)
  const begun = performance.now()
  direction.pass(() => seen.push(1))
  undo()
  direction.pass(() => seen.push(2))
  t.deepEqual(seen, [])
  await eventually(() => seen.length === 2)
  t.true(performance.now() - begun >= 49)
  t.deepEqual(seen, [1, 2])
})
