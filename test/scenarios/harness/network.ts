/**
 * A network that does nothing by itself: messages wait, in the order in which they were sent, until somebody
 * delivers, drops or duplicates them. Every message crosses it as bytes, so that no two processes share memory.
 */
import type { Envelope } from '../../../src/generated/varve/v1/replication.js'
import { decodeEnvelope, encodeEnvelope } from '../../../src/replication/link-codec.js'
import type { Transport } from '../../../src/replication/transport.js'

export interface Message {
  readonly from: string
  readonly to: string
  readonly bytes: Buffer
}

/** A process's ends of its links. */
interface Endpoint {
  onMessage: (envelope: Envelope) => void
  onLinkDown: (address: string) => void
}

export class Network {
  /** Oldest first. */
  #messages: Message[] = []
  readonly #endpoints = new Map<string, Endpoint>()
  readonly #onSend: (message: Message) => void
  /** Processes that nobody reaches and that reach nobody: their messages wait. */
  readonly isolated = new Set<string>()
  /** Addresses to which no transport takes anything. */
  readonly unreachable = new Set<string>()

  constructor(onSend: (message: Message) => void = () => {}) {
    this.#onSend = onSend
  }

  get messages(): readonly Message[] {
    return this.#messages
  }

  /** Those that could arrive now. */
  get deliverable(): readonly Message[] {
    if (this.isolated.size === 0) return this.#messages
    return this.#messages.filter(({ from, to }) => !this.isolated.has(from) && !this.isolated.has(to))
  }

  /** The messages on the way from one address to another, oldest first. */
  link(from: string, to: string): Message[] {
    return this.#messages.filter(message => message.from === from && message.to === to)
  }

  /** The transport of a process that starts at `address`; one that was there before is cut off. */
  attach(address: string): Transport {
    const endpoint: Endpoint = { onMessage: () => {}, onLinkDown: () => {} }
    this.#endpoints.set(address, endpoint)
    return {
      send: (to, envelope) => {
        if (this.#endpoints.get(address) !== endpoint || this.unreachable.has(to)) return false
        this.post(to, envelope)
        return true
      },
      onMessage: listener => {
        endpoint.onMessage = listener
      },
      onLinkDown: listener => {
        endpoint.onLinkDown = listener
      },
      close: async () => {},
    }
  }

  /** The process at `address` is gone: what arrives there is lost. What it sent before is still on its way. */
  detach(address: string): void {
    this.#endpoints.delete(address)
  }

  /** Puts a message on its way, whoever sends it. */
  post(to: string, envelope: Envelope): void {
    const message = { from: envelope.from, to, bytes: encodeEnvelope(envelope) }
    this.#messages.push(message)
    this.#onSend(message)
  }

  /** Delivers a message. False where nobody is there any more to take it. */
  deliver(message: Message): boolean {
    this.drop(message)
    const endpoint = this.#endpoints.get(message.to)
    endpoint?.onMessage(open(message))
    return endpoint !== undefined
  }

  drop(message: Message): void {
    const at = this.#messages.indexOf(message)
    if (at < 0) throw new Error('the message is not on its way')
    this.#messages.splice(at, 1)
  }

  /** A second copy, behind all that is on its way. */
  duplicate(message: Message): void {
    this.#messages.push({ ...message })
  }

  /** The link breaks: what is on it, both ways, is lost, and both ends hear of it. */
  breakLink(one: string, other: string): void {
    for (const message of [...this.link(one, other), ...this.link(other, one)]) this.drop(message)
    this.#endpoints.get(one)?.onLinkDown(other)
    this.#endpoints.get(other)?.onLinkDown(one)
  }
}

/** The envelope in a message: a new one at each call. */
export function open(message: Message): Envelope {
  return decodeEnvelope(Buffer.from(message.bytes))
}
