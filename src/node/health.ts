/**
 * The health service (`grpc.health.v1.Health`), as orchestrators and `grpcurl` ask it. Its package brings a parser of proto
 * files along, which takes a tenth of a process's start and of the memory that it begins with; hardly any process is
 * ever asked, so it is loaded when the first call comes.
 */
import type {
  handleServerStreamingCall,
  handleUnaryCall,
  Server,
  ServerWritableStream,
  ServiceDefinition,
} from '@grpc/grpc-js'
import { toServiceError } from '../client/grpc-errors.js'
import { asVarveError } from './local-call.js'

export type ServingStatus = 'SERVING' | 'NOT_SERVING'

/** What the package registers with a server, kept to be called by us. */
interface Loaded {
  readonly definition: ServiceDefinition
  readonly check: handleUnaryCall<unknown, unknown>
  readonly list: handleUnaryCall<unknown, unknown>
  readonly watch: handleServerStreamingCall<unknown, unknown>
  setStatus(service: string, status: ServingStatus): void
}

type UnaryName = 'check' | 'list'

export class Health {
  readonly #statuses = new Map<string, ServingStatus>()
  #loading: Promise<Loaded> | undefined
  #loaded: Loaded | undefined

  setStatus(service: string, status: ServingStatus): void {
    this.#statuses.set(service, status)
    this.#loaded?.setStatus(service, status)
  }

  addTo(server: Server): void {
    const path = (method: string) => `/grpc.health.v1.Health/${method}`
    server.register(path('Check'), this.#unary('check'), asIs, asIs, 'unary')
    server.register(path('List'), this.#unary('list'), asIs, asIs, 'unary')
    const watch = (call: ServerWritableStream<Buffer, Buffer>) => {
      this.#load().then(
        loaded => watchWith(loaded, call),
        error => call.emit('error', toServiceError(asVarveError(error))),
      )
    }
    server.register(path('Watch'), watch, asIs, asIs, 'serverStream')
  }

  /** Lets the package's handler work on our bytes. */
  #unary(name: UnaryName): handleUnaryCall<Buffer, Buffer> {
    return (call, done) => {
      this.#load().then(
        loaded => {
          const { requestDeserialize, responseSerialize } = methodOf(loaded, name)
          const request = requestDeserialize(call.request)
          loaded[name]({ request } as never, (error, answer) =>
            error === null ? done(null, responseSerialize(answer)) : done(error),
          )
        },
        error => done(toServiceError(asVarveError(error))),
      )
    }
  }

  #load(): Promise<Loaded> {
    this.#loading ??= this.#loadNow()
    return this.#loading
  }

  async #loadNow(): Promise<Loaded> {
    const { HealthImplementation } = await import('grpc-health-check')
    const implementation = new HealthImplementation(Object.fromEntries(this.#statuses))
    let loaded: Loaded | undefined
    implementation.addToServer({
      addService: (definition: ServiceDefinition, handlers: Pick<Loaded, 'check' | 'list' | 'watch'>) => {
        const setStatus: Loaded['setStatus'] = (service, status) => implementation.setStatus(service, status)
        loaded = { ...handlers, definition, setStatus }
      },
    } as never)
    this.#loaded = loaded!
    return loaded!
  }
}

function watchWith(loaded: Loaded, call: ServerWritableStream<Buffer, Buffer>): void {
  const { requestDeserialize, responseSerialize } = methodOf(loaded, 'watch')
  loaded.watch({
    request: requestDeserialize(call.request),
    on: (event: string, listener: () => void) => call.on(event, listener),
    write: (answer: unknown) => call.write(responseSerialize(answer)),
  } as never)
}

function methodOf({ definition }: Loaded, name: UnaryName | 'watch') {
  return Object.entries(definition).find(([each]) => each.toLowerCase() === name)![1]
}

function asIs(bytes: Buffer): Buffer {
  return bytes
}
