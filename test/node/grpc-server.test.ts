import { connect } from 'node:http2'
import { Client, credentials, loadPackageDefinition, Metadata, type ServiceError } from '@grpc/grpc-js'
import {
  loadFileDescriptorSetFromBuffer,
  loadSync,
  type Options,
  type PackageDefinition,
} from '@grpc/proto-loader'
import test, { type ExecutionContext } from 'ava'
import { nullLogger } from '../../src/log/logger.js'
import { BindError, GrpcServer, ServerLimits, silenceGrpc } from '../../src/node/grpc-server.js'
import { protoDir } from '../../src/node/reflection.js'
import { fakeCluster } from './support/fake-host.js'

silenceGrpc()

const options = { logger: nullLogger, services: ['varve.v1.Kv'] }

// What a client without any of our code has: the names of things, from our proto files or from reflection.
type AnyClient = Client & Record<string, (...args: unknown[]) => unknown>
type AnyClass = new (address: string, creds: unknown) => AnyClient

function clientOf(
  t: ExecutionContext,
  definition: PackageDefinition,
  name: string,
  address: string,
): AnyClient {
  let found: unknown = loadPackageDefinition(definition)
  for (const part of name.split('.')) found = (found as Record<string, unknown>)[part]
  const client = new (found as AnyClass)(address, credentials.createInsecure())
  t.teardown(() => client.close())
  return client
}

const ask = (client: AnyClient, method: string, request: object): Promise<Record<string, never>> =>
  new Promise((resolve, reject) => {
    client[method]!(request, (error: ServiceError | null, response: Record<string, never>) =>
      error ? reject(error) : resolve(response),
    )
  })

const LOADED: Options = { longs: Number, enums: String, defaults: true, oneofs: true, keepCase: true }

test('port 0 takes a free port and says which', async t => {
  const server = new GrpcServer(options)
  const address = await server.listen('127.0.0.1:0')
  t.regex(address, /^127\.0\.0\.1:[1-9]\d+$/)
  await server.stop()
})

test('an address that is taken is refused in one line that names it', async t => {
  const [first, second] = [new GrpcServer(options), new GrpcServer(options)]
  const address = await first.listen('127.0.0.1:0')
  const error = await t.throwsAsync(second.listen(address), { instanceOf: BindError, code: 'ADDRESS_IN_USE' })
  t.true(error.message.startsWith(`address in use: ${address}`))
  t.false(error.message.includes('\n'))
  await Promise.all([first.stop(), second.stop()])
})

test('an address of another machine is refused', async t => {
  const server = new GrpcServer(options)
  await t.throwsAsync(server.listen('192.0.2.1:5001'), { instanceOf: BindError, code: 'ADDRESS_INVALID' })
  await server.stop()
})

test('connections get windows that hold more than two records', async t => {
  const server = new GrpcServer(options)
  const address = await server.listen('127.0.0.1:0')
  const session = connect(`http://${address}`)
  await new Promise(resolve => session.once('remoteSettings', resolve))
  t.is(session.remoteSettings.initialWindowSize, ServerLimits.streamWindowBytes)
  while (session.state.remoteWindowSize !== ServerLimits.connectionWindowBytes)
    await new Promise(setImmediate)
  session.close()
  await server.stop()
})

test('the health service tells of the process and of each service', async t => {
  const [node] = await fakeCluster(t, { shards: [[0]], nodes: 1 })
  const healthProto = loadSync('health/v1/health.proto', {
    ...LOADED,
    includeDirs: ['node_modules/grpc-health-check/proto'],
  })
  const client = clientOf(t, healthProto, 'grpc.health.v1.Health', node!.address)
  t.is((await ask(client, 'check', { service: '' })).status, 'SERVING' as never)
  t.is((await ask(client, 'check', { service: 'varve.v1.Kv' })).status, 'SERVING' as never)
  node!.server.setServing(false, 'varve.v1.Kv')
  t.is((await ask(client, 'check', { service: 'varve.v1.Kv' })).status, 'NOT_SERVING' as never)
  t.is((await ask(client, 'check', { service: '' })).status, 'SERVING' as never)
  await t.throwsAsync(ask(client, 'check', { service: 'varve.v1.Nothing' }), { message: /NOT_FOUND/ })
})

/** As grpcurl does it: what services are there, and the files that describe one of them. */
async function reflect(t: ExecutionContext, address: string, symbol: string, version: string) {
  const definition = loadSync(`grpc/reflection/${version}/reflection.proto`, {
    ...LOADED,
    includeDirs: ['node_modules/@grpc/reflection/build/proto'],
  })
  const client = clientOf(t, definition, `grpc.reflection.${version}.ServerReflection`, address)
  const stream = client.ServerReflectionInfo!() as unknown as {
    write(request: object): void
    end(): void
    once(event: string, listener: (message: never) => void): void
  }
  const next = (request: object) =>
    new Promise<Record<string, Record<string, never[]>>>((resolve, reject) => {
      stream.once('data', resolve)
      stream.once('error', reject)
      stream.write(request)
    })
  const listed = await next({ list_services: '' })
  const described = await next({ file_containing_symbol: symbol })
  stream.end()
  const services = listed.list_services_response!.service! as unknown as { name: string }[]
  const files = described.file_descriptor_response!.file_descriptor_proto! as unknown as Buffer[]
  return { services: services.map(({ name }) => name), files }
}

for (const version of ['v1', 'v1alpha']) {
  test(`a client that knows nothing but an address sets and gets by reflection ${version}`, async t => {
    const nodes = await fakeCluster(t, { shards: [[0], [1]], nodes: 2 })
    const { services, files } = await reflect(t, nodes[0]!.address, 'varve.v1.Kv', version)
    t.deepEqual(services.sort(), ['varve.v1.Cluster', 'varve.v1.Kv'])
    // A FileDescriptorSet is nothing but its files, each as field 1.
    const set = Buffer.concat(files.flatMap(file => [Buffer.of(0x0a), varint(file.length), file]))
    const client = clientOf(t, loadFileDescriptorSetFromBuffer(set, LOADED), 'varve.v1.Kv', nodes[0]!.address)
    for (const key of ['one', 'two', 'three', 'four']) {
      const written = await ask(client, 'Set', { key: Buffer.from(key), value: Buffer.from(`of ${key}`) })
      t.true(written.applied)
      const read = await ask(client, 'Get', { key: Buffer.from(key) })
      t.true(read.found)
      t.is(Buffer.from(read.value!).toString(), `of ${key}`)
    }
    const cluster = clientOf(
      t,
      loadFileDescriptorSetFromBuffer(set, LOADED),
      'varve.v1.Cluster',
      nodes[0]!.address,
    )
    const map = (await ask(cluster, 'GetShardMap', {})) as unknown as { shards: { name: string }[] }
    t.deepEqual(
      map.shards.map(({ name }) => name),
      ['shard_0', 'shard_1'],
    )
  })
}

test('a client that has only the proto files sets and gets', async t => {
  const [node] = await fakeCluster(t, { shards: [[0]], nodes: 1 })
  const definition = loadSync('varve/v1/kv.proto', { ...LOADED, includeDirs: [protoDir()] })
  const client = clientOf(t, definition, 'varve.v1.Kv', node!.address)
  const key = Buffer.from('kai')
  t.false((await ask(client, 'Get', { key })).found)
  await ask(client, 'Set', {
    key,
    value: Buffer.from([0, 255]),
    context: { consistency: 'CONSISTENCY_WEAK' },
  })
  t.deepEqual((await ask(client, 'Get', { key })).value, Buffer.from([0, 255]) as never)
})

test('stopping ends what is open and leaves the address free', async t => {
  const [node] = await fakeCluster(t, { shards: [[0]], nodes: 1 })
  const { address } = node!
  const client = new Client(address, credentials.createInsecure())
  t.teardown(() => client.close())
  const asIs = (bytes: Buffer) => bytes
  const stream = client.makeServerStreamRequest(
    '/varve.v1.Cluster/WatchShardMap',
    asIs,
    asIs,
    Buffer.alloc(0),
    new Metadata(),
  )
  const ended = new Promise<ServiceError>(resolve => stream.once('error', resolve as (error: Error) => void))
  await new Promise(resolve => stream.once('data', resolve))
  await node!.server.stop()
  t.regex((await ended).details, /is stopping/)
  const next = new GrpcServer(options)
  t.is(await next.listen(address), address)
  await next.stop()
})

function varint(value: number): Buffer {
  const bytes: number[] = []
  for (let rest = value; ; rest >>>= 7) {
    if (rest < 128) return Buffer.from([...bytes, rest])
    bytes.push((rest & 127) | 128)
  }
}
