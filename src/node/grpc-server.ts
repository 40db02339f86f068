/**
 * The gRPC server of a process: bounds and keepalive set, health and reflection beside the services, and an
 * orderly end: whoever serves long streams ends them first, then the server waits, then it closes by force.
 */
import { logVerbosity, Server, ServerCredentials, type ServerOptions, setLogVerbosity } from '@grpc/grpc-js'
import type { Logger } from '../log/logger.js'
import { widenWindows } from './grpc-internals.js'
import { Health } from './health.js'
import { addReflection } from './reflection.js'

/** The server's bounds and times. */
export const ServerLimits = {
  /** The largest message taken in; a Link's record may hold one entry far larger than the usual message. */
  messageSizeBytesMax: 64 * 1_048_576,
  /** What one stream, and one connection, may have in flight towards us before we read it. */
  streamWindowBytes: 1_048_576,
  connectionWindowBytes: 8 * 1_048_576,
  keepaliveTimeMs: 10_000,
  keepaliveTimeoutMs: 10_000,
  /** How long `stop` waits for calls to end. */
  stopTimeoutMs: 2_000,
} as const

const SERVER_OPTIONS: ServerOptions = {
  'grpc.max_receive_message_length': ServerLimits.messageSizeBytesMax,
  'grpc.max_send_message_length': ServerLimits.messageSizeBytesMax,
  'grpc.keepalive_time_ms': ServerLimits.keepaliveTimeMs,
  'grpc.keepalive_timeout_ms': ServerLimits.keepaliveTimeoutMs,
  'grpc.enable_channelz': 0,
}

export interface GrpcServerOptions {
  readonly logger: Logger
  /** Full names (`varve.v1.Kv`) that health and reflection tell of. */
  readonly services: readonly string[]
}

/** The address is taken by another process, or is not ours to take. */
export class BindError extends Error {
  readonly code: 'ADDRESS_IN_USE' | 'ADDRESS_INVALID'

  constructor(code: 'ADDRESS_IN_USE' | 'ADDRESS_INVALID', message: string) {
    super(message)
    this.name = 'BindError'
    this.code = code
  }
}

export class GrpcServer {
  /** Add services to it before `listen`. */
  readonly server: Server
  readonly #options: GrpcServerOptions
  readonly #health = new Health()
  readonly #endStreams: (() => void)[] = []
  #stopping: Promise<void> | undefined

  constructor(options: GrpcServerOptions) {
    this.#options = options
    this.server = new Server(SERVER_OPTIONS)
    widenWindows(this.server, ServerLimits.streamWindowBytes, ServerLimits.connectionWindowBytes)
    this.setAllServing(false)
    this.#health.addTo(this.server)
    addReflection(this.server, options.services)
  }

  /** Health of one service, or of the whole process ('', the default). It starts as not serving. */
  setServing(serving: boolean, service = ''): void {
    this.#health.setStatus(service, serving ? 'SERVING' : 'NOT_SERVING')
  }

  /** `setServing` for the process and each of its services. */
  setAllServing(serving: boolean): void {
    for (const service of ['', ...this.#options.services]) this.setServing(serving, service)
  }

  /** Runs before the server waits for its calls to end: end long streams there. */
  onStop(endStreams: () => void): void {
    this.#endStreams.push(endStreams)
  }

  /**
   * Binds `host:port` and serves. Port 0 takes a free one. Returns the address with the actual port.
   * Rejects with `BindError`.
   */
  async listen(address: string): Promise<string> {
    const host = address.slice(0, address.lastIndexOf(':'))
    const port = await new Promise<number>((resolve, reject) => {
      this.server.bindAsync(address, ServerCredentials.createInsecure(), (error, bound) => {
        if (error) reject(bindError(address, error))
        else resolve(bound)
      })
    })
    return `${host}:${port}`
  }

  /** Ends streams, waits for calls (at most `stopTimeoutMs`), then cuts what is left. Idempotent. */
  stop(): Promise<void> {
    this.#stopping ??= this.#stop()
    return this.#stopping
  }

  async #stop(): Promise<void> {
    this.setAllServing(false)
    for (const endStreams of this.#endStreams) endStreams()
    await new Promise<void>(resolve => {
      const timer = setTimeout(() => {
        this.#options.logger.info({}, 'calls were still open at the end of the wait: cutting them')
        this.server.forceShutdown()
      }, ServerLimits.stopTimeoutMs)
      this.server.tryShutdown(() => {
        clearTimeout(timer)
        resolve()
      })
    })
  }
}

/**
 * Keeps grpc-js from printing its own lines on stderr, unless the environment asks for them: every failure comes back
 * as an error anyway. For main files, as it is for the whole process.
 */
export function silenceGrpc(): void {
  const { GRPC_VERBOSITY, GRPC_NODE_VERBOSITY } = process.env
  if (GRPC_VERBOSITY === undefined && GRPC_NODE_VERBOSITY === undefined) setLogVerbosity(logVerbosity.NONE)
}

function bindError(address: string, error: Error): BindError {
  const detail = error.message
  if (/EADDRINUSE/.test(detail)) {
    return new BindError(
      'ADDRESS_IN_USE',
      `address in use: ${address} (stop the process that listens there, or choose another address)`,
    )
  }
  return new BindError('ADDRESS_INVALID', `cannot listen on ${address}: ${detail}`)
}
