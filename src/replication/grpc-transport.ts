/**
 * The transport between processes: one client stream of Envelopes (`Replication.Link`) from each side to each
 * address that it sends to, with a connection of its own. Heartbeats and registrations travel on a second
 * connection, so that a queue of records never makes a process look dead. What a stream carries stays in order;
 * a stream that breaks loses what was in it, and its sender says so through `onLinkDown`.
 */
import { readFileSync } from 'node:fs'
import {
  type ChannelOptions,
  Client,
  type ClientWritableStream,
  credentials,
  Metadata,
  type Server,
  type ServerReadableStream,
  type ServiceDefinition,
  type sendUnaryData,
} from '@grpc/grpc-js'
import { type Envelope, LinkClosed, ReplicationService } from '../generated/varve/v1/replication.js'
import type { Logger } from '../log/logger.js'
import { encodeEnvelope, readEnvelope } from './link-codec.js'
import { LinkLimits, type LinkStream, type LinkStreamEvents, OutgoingLink } from './outgoing-link.js'
import type { Transport } from './transport.js'

/**
 * For tests that stand between processes (docs/chaos.md): a JSON object, or the name of a file that holds one, from
 * addresses to the addresses to dial in their place. Who a message is for stays as it is.
 */
const DIAL_VARIABLE = 'VARVE_DIAL'

const CHANNEL_OPTIONS: ChannelOptions = {
  'grpc.use_local_subchannel_pool': 1,
  'grpc.enable_retries': 0,
  'grpc.enable_channelz': 0,
  'grpc.enable_http_proxy': 0,
  'grpc.service_config_disable_resolution': 1,
  'grpc.initial_reconnect_backoff_ms': LinkLimits.reconnectDelayMinMs,
  'grpc.max_reconnect_backoff_ms': LinkLimits.reconnectDelayMaxMs,
  'grpc.keepalive_time_ms': LinkLimits.keepaliveTimeMs,
  'grpc.keepalive_timeout_ms': LinkLimits.keepaliveTimeoutMs,
  'grpc.keepalive_permit_without_calls': 1,
  'grpc.max_send_message_length': LinkLimits.messageSizeBytesMax,
  'grpc.max_receive_message_length': LinkLimits.messageSizeBytesMax,
}

/** Who opened a link, for the other side's log lines. */
const FROM_HEADER = 'varve-from'

/** `main` carries the protocol, `heartbeat` what tells that a process lives. */
type Lane = 'main' | 'heartbeat'

/** As generated, but with the codec that spares records their copies. */
const LinkServiceDefinition: ServiceDefinition = {
  link: {
    ...ReplicationService.link,
    requestSerialize: (bytes: Buffer) => bytes,
    requestDeserialize: readEnvelope,
  },
}

export interface GrpcTransportOptions {
  /** This process's own address: `host:port`. What is sent to it never touches the network. */
  readonly address: string
  /** Of this process; goes into envelopes that leave it 0. */
  readonly incarnation: number
  readonly logger: Logger
  /** On top of the transport's own. */
  readonly channelOptions?: ChannelOptions
  /** Default `LinkLimits.queuedBytesMax`. */
  readonly queuedBytesMax?: number
}

type IncomingLink = ServerReadableStream<Envelope, LinkClosed>

export class GrpcTransport implements Transport {
  readonly #options: GrpcTransportOptions
  readonly #logger: Logger
  readonly #dial = dialedInstead(process.env[DIAL_VARIABLE])
  readonly #links = new Map<string, OutgoingLink>()
  /** Ends each link that was taken in. */
  readonly #accepted = new Set<() => void>()
  #onMessage: (envelope: Envelope) => void = () => {}
  #onLinkDown: (address: string) => void = () => {}
  #toSelf: Envelope[] = []
  #takesLinks = true
  #closed = false

  constructor(options: GrpcTransportOptions) {
    this.#options = options
    this.#logger = options.logger
  }

  /**
   * Queues one message; its bytes are taken now, the envelope is not referred to afterwards (one to the own
   * address is handed over as it is). False where it was dropped: the queue is full, the link is down and it
   * is too early for another attempt to connect, or the transport is closed.
   */
  send(to: string, envelope: Envelope): boolean {
    if (this.#closed) return false
    if (envelope.from === '') envelope.from = this.#options.address
    if (envelope.incarnation === 0) envelope.incarnation = this.#options.incarnation
    if (to === this.#options.address) {
      if (this.#toSelf.push(envelope) === 1) setImmediate(() => this.#deliverToSelf())
      return true
    }
    const link = this.#link(to, laneOf(envelope))
    return link.mayOpen && link.send(encodeEnvelope(envelope))
  }

  /** One listener; it runs in the turn in which the message arrived and must not throw. */
  onMessage(listener: (envelope: Envelope) => void): void {
    this.#onMessage = listener
  }

  /**
   * One listener, called once for each link from here to `address` that broke or could not be opened: messages that
   * `send` accepted may be lost. Heartbeats and registrations are repeated anyhow: their connection is not told of.
   */
  onLinkDown(listener: (address: string) => void): void {
    this.#onLinkDown = listener
  }

  /** Bytes that wait for `address`. */
  queuedBytes(address: string): number {
    return this.#links.get(linkName(address, 'main'))?.queuedBytes ?? 0
  }

  /** Takes in other processes' links through this server. Call before the server is bound. */
  addTo(server: Server): void {
    server.addService(LinkServiceDefinition, {
      link: (call: IncomingLink, done: sendUnaryData<LinkClosed>) => this.#accept(call, done),
    })
  }

  /** Ends the links that others have opened to here, and takes in no more: their server is about to stop. */
  endIncoming(): void {
    this.#takesLinks = false
    for (const end of [...this.#accepted]) end()
  }

  /** Sends what is queued (at most `closeTimeoutMs`), closes all links, and calls no listener any more. */
  async close(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    this.#toSelf = []
    this.endIncoming()
    await Promise.all([...this.#links.values()].map(link => link.end()))
    this.#links.clear()
  }

  #deliverToSelf(): void {
    const envelopes = this.#toSelf
    this.#toSelf = []
    for (const envelope of envelopes) {
      if (!this.#closed) this.#onMessage(envelope)
    }
  }

  #link(address: string, lane: Lane): OutgoingLink {
    const name = linkName(address, lane)
    let link = this.#links.get(name)
    if (!link) {
      link = new OutgoingLink({
        open: events => this.#openStream(address, events),
        queuedBytesMax: this.#options.queuedBytesMax ?? LinkLimits.queuedBytesMax,
        now: () => performance.now(),
        onDown: (reason, stood) => this.#linkDown(address, lane, reason, stood),
      })
      this.#links.set(name, link)
    }
    return link
  }

  #openStream(address: string, events: LinkStreamEvents): LinkStream {
    const client = new Client(this.#dial[address] ?? address, credentials.createInsecure(), {
      ...CHANNEL_OPTIONS,
      ...this.#options.channelOptions,
    })
    const metadata = new Metadata()
    metadata.set(FROM_HEADER, this.#options.address)
    return new GrpcLinkStream(client, metadata, events)
  }

  #accept(call: IncomingLink, done: sendUnaryData<LinkClosed>): void {
    const from = String(call.metadata.get(FROM_HEADER)[0] ?? '')
    const end = () => {
      this.#accepted.delete(end)
      done(null, {})
    }
    if (!this.#takesLinks) return end()
    this.#accepted.add(end)
    // Tells the sender that the link stands, before there is any answer.
    call.sendMetadata(new Metadata())
    let unreadable = 0
    call.on('data', (envelope: Envelope) => {
      if (this.#closed) return
      if (envelope.body !== undefined && envelope.from !== '') return this.#onMessage(envelope)
      unreadable += 1
      if (unreadable === 1)
        this.#logger.warn({ from, peer: call.getPeer() }, 'dropped a message that is none')
    })
    call.on('end', end)
    call.on('cancelled', () => this.#accepted.delete(end))
    call.on('error', () => this.#accepted.delete(end))
  }

  #linkDown(address: string, lane: Lane, reason: string, stood: boolean): void {
    if (this.#closed) return
    // An address that stays away is tried again and again: only the break of a link that stood is news.
    this.#logger[stood ? 'info' : 'debug']({ address, lane, reason }, 'link down')
    if (lane === 'main') this.#onLinkDown(address)
  }
}

/** One outgoing stream with a channel of its own; both live and die together. */
class GrpcLinkStream implements LinkStream {
  readonly #client: Client
  readonly #call: ClientWritableStream<Buffer>
  readonly #connectTimer: NodeJS.Timeout
  readonly #settled: Promise<void>
  #destroyed = false

  constructor(client: Client, metadata: Metadata, events: LinkStreamEvents) {
    this.#client = client
    let settle = () => {}
    this.#settled = new Promise(resolve => {
      settle = resolve
    })
    const { path } = ReplicationService.link
    this.#call = client.makeClientStreamRequest(path, asIs, LinkClosed.decode, metadata, error => {
      settle()
      if (!this.#destroyed) events.broken(error ? error.details : 'ended by the receiver')
    })
    this.#connectTimer = setTimeout(() => {
      if (!this.#destroyed) events.broken(`not accepted within ${LinkLimits.connectTimeoutMs} ms`)
    }, LinkLimits.connectTimeoutMs)
    this.#connectTimer.unref()
    this.#call.on('metadata', () => {
      clearTimeout(this.#connectTimer)
      if (!this.#destroyed) events.opened()
    })
    this.#call.on('drain', () => {
      if (!this.#destroyed) events.drained()
    })
    this.#call.on('error', () => {})
  }

  write(message: Buffer, taken: () => void): boolean {
    return this.#call.write(message, taken)
  }

  async end(): Promise<void> {
    this.#call.end()
    let timer: NodeJS.Timeout | undefined
    const timeout = new Promise<void>(resolve => {
      timer = setTimeout(resolve, LinkLimits.closeTimeoutMs)
    })
    await Promise.race([this.#settled, timeout])
    clearTimeout(timer)
    this.destroy()
  }

  destroy(): void {
    if (this.#destroyed) return
    this.#destroyed = true
    clearTimeout(this.#connectTimer)
    this.#call.cancel()
    this.#client.close()
  }
}

const asIs = (bytes: Buffer) => bytes

function dialedInstead(given: string | undefined): Readonly<Record<string, string>> {
  if (given === undefined || given === '') return {}
  return JSON.parse(given.startsWith('{') ? given : readFileSync(given, 'utf8')) as Record<string, string>
}

function linkName(address: string, lane: Lane): string {
  return `${lane} ${address}`
}

function laneOf(envelope: Envelope): Lane {
  switch (envelope.body?.$case) {
    case 'register':
    case 'heartbeat':
    case 'heartbeatAnswer':
    case 'goodbye':
      return 'heartbeat'
    default:
      return 'main'
  }
}
