/**
 * Server reflection: what lets `grpcurl` and other tools call a node without having our proto files. They are read
 * from the package's `proto` folder, beside `src` in a checkout and beside `dist` in a package. Reading and indexing
 * them takes longer than all else at a process's start, and hardly any process is ever asked: it is done when the first
 * one is.
 */
import { existsSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type {
  Server,
  ServerDuplexStream,
  ServiceDefinition,
  UntypedServiceImplementation,
} from '@grpc/grpc-js'
import { toServiceError } from '../client/grpc-errors.js'
import { asVarveError } from './local-call.js'

const FILES = ['kv.proto', 'cluster.proto', 'time_travel.proto', 'replication.proto', 'entry.proto'].map(
  file => `varve/v1/${file}`,
)
const SERVICES = ['grpc.reflection.v1.ServerReflection', 'grpc.reflection.v1alpha.ServerReflection']
const METHOD = 'ServerReflectionInfo'

/** What the reflection package registers with a server, kept to be called by us. */
interface Implementation {
  readonly definition: ServiceDefinition
  readonly handlers: UntypedServiceImplementation
}

type RawStream = ServerDuplexStream<Buffer, Buffer>

/** Adds the reflection services (v1 and v1alpha), which list `services` by their full names. */
export function addReflection(server: Server, services: readonly string[]): void {
  let loaded: Promise<ReadonlyMap<string, Implementation>> | undefined
  for (const service of SERVICES) {
    const path = `/${service}/${METHOD}`
    const handler = (stream: RawStream) => {
      loaded ??= load(services)
      loaded.then(
        implementations => answer(stream, path, implementations.get(path)!),
        error => stream.emit('error', toServiceError(asVarveError(error))),
      )
    }
    server.register(path, handler, asIs, asIs, 'bidi')
  }
}

/** The folder that holds `varve/v1/*.proto`. Throws where the package is incomplete. */
export function protoDir(): string {
  const here = dirname(fileURLToPath(import.meta.url))
  for (let folder = here; folder !== dirname(folder); folder = dirname(folder)) {
    const candidate = join(folder, 'proto')
    if (existsSync(join(candidate, FILES[0]!))) return candidate
  }
  throw new Error(`no proto folder above ${here}: the package is incomplete, install it again`)
}

async function load(services: readonly string[]): Promise<ReadonlyMap<string, Implementation>> {
  const { loadSync } = await import('@grpc/proto-loader')
  const { ReflectionService } = await import('@grpc/reflection')
  const definition = loadSync(FILES, {
    includeDirs: [protoDir()],
    longs: Number,
    defaults: true,
    oneofs: true,
  })
  const implementations = new Map<string, Implementation>()
  new ReflectionService(definition, { services: [...services] }).addToServer({
    addService: (own, handlers) => {
      for (const { path } of Object.values(own)) implementations.set(path, { definition: own, handlers })
    },
  })
  return implementations
}

/** Lets the package's handler work on our stream of bytes. */
function answer(stream: RawStream, path: string, { definition, handlers }: Implementation): void {
  const [name, method] = Object.entries(definition).find(([, each]) => each.path === path)!
  const decoded = {
    on: (event: string, listener: (message?: unknown) => void) => {
      if (event !== 'data') return stream.on(event, listener)
      return stream.on(event, (bytes: Buffer) => listener(method.requestDeserialize(bytes)))
    },
    write: (message: unknown) => stream.write(method.responseSerialize(message)),
    end: () => stream.end(),
  }
  const handle = handlers[name] as unknown as (stream: typeof decoded) => void
  handle(decoded)
}

function asIs(bytes: Buffer): Buffer {
  return bytes
}
