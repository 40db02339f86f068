import { Client, credentials, Metadata, Server, ServerCredentials } from '@grpc/grpc-js'
import test, { type ExecutionContext } from 'ava'
import type { Envelope } from '../../src/generated/varve/v1/replication.js'
import type { Logger } from '../../src/log/logger.js'
import { nullLogger } from '../../src/log/logger.js'
import { GrpcTransport, type GrpcTransportOptions } from '../../src/replication/grpc-transport.js'

/** A transport with its server, and what it received. */
class Peer {
  readonly received: Envelope[] = []
  readonly downs: string[] = []
  readonly transport: GrpcTransport
  #waiting: { until: () => boolean; resolve: () => void }[] = []
  #server: Server | undefined

  constructor(
    readonly address: string,
    options: Partial<GrpcTransportOptions> = {},
  ) {
    this.transport = new GrpcTransport({ address, incarnation: 1, logger: nullLogger, ...options })
    this.transport.onMessage(envelope => {
      this.received.push(envelope)
      this.#look()
    })
    this.transport.onLinkDown(down => {
      this.downs.push(down)
      this.#look()
    })
  }

  async serve(): Promise<this> {
    const server = new Server({ 'grpc.max_receive_message_length': 64 * 1_048_576 })
    this.transport.addTo(server)
    await bind(server, this.address)
    this.#server = server
    return this
  }

  until(condition: () => boolean): Promise<void> {
    return new Promise(resolve => {
      this.#waiting.push({ until: condition, resolve })
      this.#look()
    })
  }

  nonces(): number[] {
    return this.received.map(({ body }) => (body?.$case === 'barrier' ? body.value.nonce : -1))
  }

  async close(): Promise<void> {
    await this.transport.close()
    this.#server?.forceShutdown()
  }

  #look(): void {
    const met = this.#waiting.filter(({ until }) => until())
    this.#waiting = this.#waiting.filter(waiting => !met.includes(waiting))
    for (const { resolve } of met) resolve()
  }
}

function bind(server: Server, address: string): Promise<number> {
  return new Promise((resolve, reject) => {
    server.bindAsync(address, ServerCredentials.createInsecure(), (error, port) =>
      error ? reject(error) : resolve(port),
    )
  })
}

async function freeAddress(): Promise<string> {
  const server = new Server()
  const port = await bind(server, '127.0.0.1:0')
  server.forceShutdown()
  return `127.0.0.1:${port}`
}

async function peer(t: ExecutionContext, options?: Partial<GrpcTransportOptions>): Promise<Peer> {
  const made = await new Peer(await freeAddress(), options).serve()
  t.teardown(() => made.close())
  return made
}

function envelope(body: NonNullable<Envelope['body']>): Envelope {
  const stamp = { lamport: 3, wallMs: 4 }
  return { from: '', incarnation: 0, clusterId: 'c', stamp, shard: 2, epoch: 5, body }
}

const barrier = (nonce: number) => envelope({ $case: 'barrier', value: { nonce } })
const record = (size: number) =>
  envelope({ $case: 'record', value: { commitIndex: 7, record: Buffer.alloc(size, size % 251) } })

/** Sends until a message is accepted: a link that was down opens when its back-off is over. */
async function sendUntilAccepted(from: Peer, to: string, message: Envelope): Promise<void> {
  while (!from.transport.send(to, message)) await new Promise(setImmediate)
}

test('messages arrive whole and in the order sent, signed by their sender', async t => {
  const [a, b] = [await peer(t, { incarnation: 77 }), await peer(t)]
  for (let nonce = 0; nonce < 500; nonce += 1) t.true(a.transport.send(b.address, barrier(nonce)))
  await b.until(() => b.received.length === 500)
  t.deepEqual(b.nonces(), [...Array(500).keys()])
  t.deepEqual(b.received[9], { ...barrier(9), from: a.address, incarnation: 77 })
})

test('records of many sizes, one of them far over a megabyte, arrive byte for byte and in order', async t => {
  const [a, b] = [await peer(t), await peer(t)]
  const sizes = [0, 1, 33_000, 5_000_000, 12, 262_144, 4_096]
  for (const size of sizes) t.true(a.transport.send(b.address, record(size)))
  await b.until(() => b.received.length === sizes.length)
  for (const [at, size] of sizes.entries()) {
    const body = b.received[at]!.body
    t.true(body?.$case === 'record' && body.value.record.equals(Buffer.alloc(size, size % 251)))
  }
})

test('a message to the own address never touches the network and never arrives in the same turn', async t => {
  const a = new Peer('127.0.0.1:1')
  t.true(a.transport.send(a.address, barrier(1)))
  t.true(a.transport.send(a.address, barrier(2)))
  t.is(a.received.length, 0)
  await a.until(() => a.received.length === 2)
  t.deepEqual(a.nonces(), [1, 2])
  await a.close()
})

test('when the peer dies its link is told down once, and once it is back messages arrive again', async t => {
  const a = await peer(t)
  const first = await peer(t)
  const { address } = first
  a.transport.send(address, barrier(1))
  await first.until(() => first.received.length === 1)
  await first.close()
  await a.until(() => a.downs.length === 1)
  t.deepEqual(a.downs, [address])
  const second = await new Peer(address).serve()
  t.teardown(() => second.close())
  await sendUntilAccepted(a, address, barrier(2))
  await second.until(() => second.received.length === 1)
  t.deepEqual(second.nonces(), [2])
  t.deepEqual(a.downs, [address])
})

test('an address where nobody listens: what was accepted is told lost, then messages are refused for a while', async t => {
  const a = await peer(t)
  const nobody = await freeAddress()
  t.true(a.transport.send(nobody, barrier(1)))
  await a.until(() => a.downs.length === 1)
  t.false(a.transport.send(nobody, barrier(2)))
  await sendUntilAccepted(a, nobody, barrier(3))
  await a.until(() => a.downs.length === 2)
  t.deepEqual(a.downs, [nobody, nobody])
})

test('an address that is none is refused and harms nothing', async t => {
  const [a, b] = [await peer(t), await peer(t)]
  a.transport.send('no address at all', barrier(1))
  a.transport.send('', barrier(1))
  a.transport.send(b.address, barrier(2))
  await b.until(() => b.received.length === 1)
  t.deepEqual(b.nonces(), [2])
})

test('a peer that takes connections but reads nothing fills its queue to the bound and no further', async t => {
  const a = await peer(t, { queuedBytesMax: 1_000_000 })
  const mute = new Server()
  mute.addService(
    { link: { path: '/varve.v1.Replication/Link', requestStream: true, responseStream: false } as never },
    { link: () => {} },
  )
  const address = `127.0.0.1:${await bind(mute, '127.0.0.1:0')}`
  t.teardown(() => mute.forceShutdown())
  let accepted = 0
  while (a.transport.send(address, record(100_000))) {
    accepted += 1
    await new Promise(setImmediate)
  }
  t.true(accepted >= 9, 'at least what fits into the queue')
  t.true(a.transport.queuedBytes(address) <= 1_000_000)
  t.deepEqual(a.downs, [])
})

test('a heartbeat passes a queue of records by', async t => {
  const [a, b] = [await peer(t), await peer(t)]
  for (let count = 0; count < 40; count += 1) a.transport.send(b.address, record(1_000_000))
  a.transport.send(
    b.address,
    envelope({ $case: 'heartbeat', value: { replicas: [], mapRevision: 0, wallMs: 0 } }),
  )
  await b.until(() => b.received.length === 41)
  const at = b.received.findIndex(({ body }) => body?.$case === 'heartbeat')
  t.true(at < 40, `arrived as number ${at}`)
})

test('a message that is none is dropped with a warning, and those around it arrive', async t => {
  const warnings: object[] = []
  const logger: Logger = { ...nullLogger, warn: fields => warnings.push(fields) }
  const b = await peer(t, { logger })
  const client = new Client(b.address, credentials.createInsecure())
  t.teardown(() => client.close())
  const metadata = new Metadata()
  metadata.set('varve-from', 'elsewhere:1')
  const asIs = (bytes: Buffer) => bytes
  const call = client.makeClientStreamRequest('/varve.v1.Replication/Link', asIs, asIs, metadata, () => {})
  const { encodeEnvelope } = await import('../../src/replication/link-codec.js')
  call.write(encodeEnvelope({ ...barrier(1), from: 'elsewhere:1' }))
  call.write(Buffer.from([0xff, 0xff, 0xff, 0xff, 0x01]))
  call.write(Buffer.alloc(0))
  call.write(encodeEnvelope(barrier(4)))
  call.write(encodeEnvelope({ ...barrier(2), from: 'elsewhere:1' }))
  await b.until(() => b.received.length === 2)
  t.deepEqual(b.nonces(), [1, 2])
  t.is(warnings.length, 1)
  call.cancel()
})

test('closing sends what was queued, and afterwards nothing is accepted', async t => {
  const [a, b] = [await peer(t), await peer(t)]
  for (let nonce = 0; nonce < 100; nonce += 1) a.transport.send(b.address, barrier(nonce))
  await a.transport.close()
  await b.until(() => b.received.length === 100)
  t.false(a.transport.send(b.address, barrier(1)))
  t.false(a.transport.send(a.address, barrier(1)))
  t.deepEqual(a.downs, [])
})
