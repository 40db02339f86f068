/**
 * Calls from clients to processes, as gRPC carries them: in order, nothing lost but with the whole connection. A call to
 * a process that is dead is refused; one over a link that is cut waits, and breaks when keepalive finds out.
 */
import { EventEmitter } from 'node:events'
import { Metadata, type ServiceError, status } from '@grpc/grpc-js'
import type { Random } from '../../../tools/random.js'
import type { Network } from './network.js'
import type { Life, Schedule } from './schedule.js'
import type { Trace } from './trace.js'

/** What the client's keepalive takes to notice that nobody is there (src/client/channels.ts), ms. */
const KEEPALIVE_MS = 5_000
/** A connection that is not answered is given up after this long, ms. */
const CONNECT_TIMEOUT_MS = 20_000

/** Encodes and decodes one kind of message: what is received shares no memory with what was sent. */
interface Codec<T> {
  encode(message: T): { finish(): Uint8Array }
  decode(bytes: Uint8Array): T
}

/** How a process serves one method: it is called with its end of each call. */
export type Handler = (stream: ServerStream) => void

interface Served {
  readonly life: Life
  readonly methods: ReadonlyMap<string, Handler>
}

export interface Method<Request, Response> {
  readonly name: string
  readonly request: Codec<Request>
  readonly response: Codec<Response>
}

export class Services {
  readonly schedule: Schedule
  readonly network: Network
  readonly trace: Trace
  readonly random: Random
  readonly #served = new Map<string, Served>()
  readonly #open = new Set<Call>()

  constructor(schedule: Schedule, network: Network, trace: Trace, random: Random) {
    this.schedule = schedule
    this.network = network
    this.trace = trace
    this.random = random
  }

  /** The process at `address` answers these methods from now on. */
  serve(life: Life, address: string, methods: ReadonlyMap<string, Handler>): void {
    this.#served.set(address, { life, methods })
  }

  /** Opens a call. Its client's end must get its listeners in this turn. */
  call<Request, Response>(from: Life, client: string, to: string, method: Method<Request, Response>): Call {
    const call = new Call(this, { client, to }, from, method as Method<unknown, unknown>)
    this.#open.add(call)
    return call
  }

  served(address: string): Served | undefined {
    const served = this.#served.get(address)
    return served?.life.isDead ? undefined : served
  }

  closed(call: Call): void {
    this.#open.delete(call)
  }

  /** A process died: its calls break. */
  died(life: Life): void {
    for (const call of [...this.#open]) call.died(life)
  }

  /** A link was cut: after a while those whose calls use it find out. */
  cutBetween(one: string, other: string): void {
    this.schedule.after(undefined, KEEPALIVE_MS, () => {
      if (!this.network.isCut(one, other)) return
      for (const call of [...this.#open]) if (call.isBetween(one, other)) call.break('keepalive time-out')
    })
  }
}

/** One direction of a call: what was sent arrives in its order. */
class Lane {
  readonly #services: Services
  readonly #from: string
  readonly #to: string
  readonly #arrive: (delayMs: number, action: () => void) => void
  readonly #queue: { readonly at: number; readonly action: () => void }[] = []
  #isMoving = false

  constructor(
    services: Services,
    from: string,
    to: string,
    arrive: (delayMs: number, action: () => void) => void,
  ) {
    this.#services = services
    this.#from = from
    this.#to = to
    this.#arrive = arrive
  }

  send(action: () => void): void {
    const { schedule, network } = this.#services
    this.#queue.push({ at: schedule.nowMs + network.latencyMs(), action })
    if (!this.#isMoving) this.#move()
  }

  #move(): void {
    const [first] = this.#queue
    this.#isMoving = first !== undefined
    if (first === undefined) return
    const { schedule, network } = this.#services
    this.#arrive(Math.max(0, first.at - schedule.nowMs), () => {
      if (network.isCut(this.#from, this.#to)) return network.onMend(() => this.#move())
      this.#queue.shift()
      first.action()
      this.#move()
    })
  }
}

/** One call, with its two ends. */
export class Call {
  readonly client: ClientStream
  readonly #services: Services
  readonly #between: { readonly client: string; readonly to: string }
  readonly #clientLife: Life
  readonly #method: Method<unknown, unknown>
  #server: ServerStream | undefined
  #serverLife: Life | undefined
  #isOver = false
  readonly #up: Lane
  readonly #down: Lane

  constructor(
    services: Services,
    between: { client: string; to: string },
    clientLife: Life,
    method: Method<unknown, unknown>,
  ) {
    this.#services = services
    this.#between = between
    this.#clientLife = clientLife
    this.#method = method
    this.client = new ClientStream(this)
    const { schedule } = services
    const { client, to } = between
    this.#up = new Lane(services, client, to, (delayMs, action) =>
      schedule.after(this.#serverLife, delayMs, action),
    )
    this.#down = new Lane(services, to, client, (delayMs, action) =>
      schedule.after(clientLife, delayMs, action),
    )
    this.#connect()
  }

  isBetween(one: string, other: string): boolean {
    const { client, to } = this.#between
    return (client === one && to === other) || (client === other && to === one)
  }

  /** The connection is gone: both ends hear of it. */
  break(reason: string): void {
    if (this.#isOver) return
    this.#over()
    const { schedule, network } = this.#services
    schedule.after(this.#clientLife, network.latencyMs(), () =>
      this.client.fail(serviceError(status.UNAVAILABLE, reason)),
    )
    const server = this.#server
    schedule.after(this.#serverLife, network.latencyMs(), () => server?.gone())
  }

  died(life: Life): void {
    if (life === this.#clientLife || life === this.#serverLife) this.break('read ECONNRESET')
  }

  // -- what the client's end does

  fromClient(message: unknown): void {
    if (this.#isOver || this.#isReset()) return
    const bytes = this.#method.request.encode(message).finish()
    this.#up.send(() => this.#server?.take(this.#method.request.decode(bytes)))
  }

  clientEnds(): void {
    if (!this.#isOver) this.#up.send(() => this.#server?.emit('end'))
  }

  cancel(): void {
    if (this.#isOver) return
    this.#over()
    const { schedule } = this.#services
    schedule.after(this.#clientLife, 0, () =>
      this.client.fail(serviceError(status.CANCELLED, 'Cancelled on client')),
    )
    const server = this.#server
    this.#up.send(() => server?.gone())
  }

  // -- what the server's end does

  fromServer(message: unknown, written: () => void): void {
    if (this.#isOver || this.#isReset()) return
    const bytes = this.#method.response.encode(message).finish()
    this.#down.send(() => this.client.take(this.#method.response.decode(bytes)))
    this.#services.schedule.after(this.#serverLife, 0.01, written)
  }

  /** The server ends the call, with an error or in order. */
  serverEnds(error: ServiceError | undefined): void {
    if (this.#isOver) return
    this.#services.schedule.after(this.#serverLife, 0, () => this.#server?.gone())
    this.#down.send(() => {
      if (this.#isOver) return
      this.#over()
      if (error === undefined) this.client.finish()
      else this.client.fail(error)
    })
  }

  #connect(): void {
    const { schedule, network } = this.#services
    const { client, to } = this.#between
    const served = this.#services.served(to)
    if (served === undefined) {
      const error = serviceError(status.UNAVAILABLE, `connect ECONNREFUSED ${to}`)
      schedule.after(this.#clientLife, network.latencyMs(), () => this.#refuse(error))
      return
    }
    if (network.isCut(client, to) || network.isCut(to, client)) {
      const error = serviceError(status.UNAVAILABLE, `connect ETIMEDOUT ${to}`)
      schedule.after(this.#clientLife, CONNECT_TIMEOUT_MS, () => this.#refuse(error))
    }
    this.#serverLife = served.life
    this.#up.send(() => {
      if (this.#isOver) return
      const server = new ServerStream(this, client)
      this.#server = server
      const handler = served.methods.get(this.#method.name)
      if (handler !== undefined) handler(server)
      else server.emit('error', serviceError(status.UNIMPLEMENTED, this.#method.name))
    })
  }

  #refuse(error: ServiceError): void {
    if (this.#isOver || this.#server !== undefined) return
    this.#over()
    this.client.fail(error)
  }

  #isReset(): boolean {
    const { network, random, trace } = this.#services
    const { reset } = network.weather
    if (reset === 0 || !random.chance(reset)) return false
    trace.count("fault: client's stream breaks")
    this.break('stream reset')
    return true
  }

  #over(): void {
    this.#isOver = true
    this.#services.closed(this)
  }
}

/** The client's end, as much of grpc-js's streams as the client uses. */
export class ClientStream extends EventEmitter {
  readonly #call: Call
  readonly #unread: unknown[] = []
  #isPaused = false
  #isOver = false
  #ending: (() => void) | undefined

  constructor(call: Call) {
    super()
    this.#call = call
  }

  write(message: unknown): boolean {
    this.#call.fromClient(message)
    return true
  }

  end(): void {
    this.#call.clientEnds()
  }

  cancel(): void {
    this.#call.cancel()
  }

  pause(): void {
    this.#isPaused = true
  }

  resume(): void {
    this.#isPaused = false
    for (const message of this.#unread.splice(0)) this.emit('data', message)
    this.#ending?.()
  }

  take(message: unknown): void {
    if (this.#isOver) return
    if (this.#isPaused) this.#unread.push(message)
    else this.emit('data', message)
  }

  finish(): void {
    this.#end(() => this.emit('end'))
  }

  fail(error: ServiceError): void {
    this.#end(() => this.emit('error', error))
  }

  #end(ending: () => void): void {
    if (this.#isOver) return
    const end = () => {
      this.#ending = undefined
      this.#isOver = true
      ending()
    }
    if (this.#isPaused) this.#ending = end
    else end()
  }
}

/** The server's end, as much of grpc-js's streams and calls as the services use. */
export class ServerStream extends EventEmitter {
  /** The request of a call that has one. */
  request: unknown
  cancelled = false
  destroyed = false
  readonly metadata = new Metadata()
  readonly #call: Call
  readonly #peer: string
  #isPaused = false
  readonly #unread: unknown[] = []

  constructor(call: Call, peer: string) {
    super()
    this.#call = call
    this.#peer = peer
    // As grpc-js has it: an error that the service emits ends the call with it.
    this.on('error', (error: ServiceError) => this.#call.serverEnds(error))
  }

  getPeer(): string {
    return this.#peer
  }

  /** None: whoever calls here has a timer of its own. */
  getDeadline(): number {
    return Number.POSITIVE_INFINITY
  }

  write(message: unknown, written: () => void = () => {}): boolean {
    this.#call.fromServer(message, written)
    return true
  }

  end(): void {
    this.#call.serverEnds(undefined)
  }

  isPaused(): boolean {
    return this.#isPaused
  }

  pause(): void {
    this.#isPaused = true
  }

  resume(): void {
    this.#isPaused = false
    for (const message of this.#unread.splice(0)) this.emit('data', message)
  }

  take(message: unknown): void {
    if (this.destroyed) return
    if (this.#isPaused) this.#unread.push(message)
    else this.emit('data', message)
  }

  /** The client has gone, or the call is over. */
  gone(): void {
    if (this.destroyed) return
    this.destroyed = true
    this.cancelled = true
    this.emit('cancelled')
    this.emit('close')
  }
}

export function serviceError(code: status, details: string): ServiceError {
  return Object.assign(new Error(details), { code, details, metadata: new Metadata() })
}
