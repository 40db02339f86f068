/** A client in any language: plain grpc-js with nothing but the proto files, through reflection's own descriptors. */
import { fileURLToPath } from 'node:url'
import { credentials, loadPackageDefinition } from '@grpc/grpc-js'
import { loadSync } from '@grpc/proto-loader'
import test from 'ava'
import { TestCluster } from './support/processes.js'

type Call = (request: object, done: (error: Error | null, answer: Record<string, unknown>) => void) => void
type Stub = Record<'get' | 'set' | 'delete' | 'batch' | 'scan' | 'check', Call> & { close(): void }
type StubClass = new (address: string, credentials: unknown) => Stub

const PROTO = fileURLToPath(new URL('../../proto/', import.meta.url))

const definition = loadSync('varve/v1/kv.proto', {
  includeDirs: [PROTO],
  longs: Number,
  enums: String,
  defaults: true,
})
const { varve } = loadPackageDefinition(definition) as unknown as { varve: { v1: { Kv: StubClass } } }

function ask(
  stub: Stub,
  method: keyof Omit<Stub, 'close'>,
  request: object,
): Promise<Record<string, unknown>> {
  return new Promise((resolve, reject) => {
    stub[method](request, (error, answer) => (error ? reject(error) : resolve(answer)))
  })
}

test('any process answers unary calls for any shard, the coordinator too', async t => {
  const cluster = await TestCluster.start(t, { shards: 3, replicas: 2 })
  const addresses = cluster.processes.map(({ address }) => address)
  const stubs = addresses.map(address => new varve.v1.Kv(address, credentials.createInsecure()))
  t.teardown(() => {
    for (const stub of stubs) stub.close()
  })
  for (const [at, stub] of stubs.entries()) {
    for (let k = 0; k < 6; k += 1) {
      const key = Buffer.from(`key-${at}-${k}`)
      const written = await ask(stub, 'set', {
        key,
        value: Buffer.from('v'),
        context: { consistency: 'CONSISTENCY_STRONG' },
      })
      t.true(written.applied)
      const other = stubs[(at + 1) % stubs.length]!
      const read = await ask(other, 'get', { key, context: { consistency: 'CONSISTENCY_STRONG' } })
      t.true(read.found)
      t.deepEqual(read.value, Buffer.from('v'))
      t.deepEqual(read.position, written.position)
    }
  }
  const first = Buffer.from('key-0-0')
  await ask(stubs[0]!, 'delete', { key: first })
  const gone = await ask(stubs[1]!, 'get', { key: first, context: { consistency: 'CONSISTENCY_STRONG' } })
  t.false(gone.found)
  const page = await ask(stubs[0]!, 'scan', { context: { consistency: 'CONSISTENCY_STRONG' }, limit: 100 })
  const keys = (page.items as { key: Buffer }[]).map(({ key }) => key.toString())
  t.is(keys.length, stubs.length * 6 - 1)
  t.deepEqual(keys, [...keys].sort())
})
