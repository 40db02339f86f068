/** The bases that are on their way to a replica's downstreams: one sender for each that needs the base first. */
import type { BaseChunk, BaseReceipt } from '../generated/varve/v1/replication.js'
import { type BaseContent, BaseSender } from './base-sender.js'

export class BaseSenders {
  readonly #content: () => BaseContent | undefined
  readonly #send: (to: string, chunk: BaseChunk) => void
  readonly #senders = new Map<string, BaseSender>()

  /** `content`: the base that the log is kept from now. */
  constructor(content: () => BaseContent | undefined, send: (to: string, chunk: BaseChunk) => void) {
    this.#content = content
    this.#send = send
  }

  /** Bases that are on their way. */
  get count(): number {
    return this.#senders.size
  }

  /** Whoever is at `address` needs the base. One that is on its way goes on. False where there is none to send. */
  start(address: string): boolean {
    const running = this.#senders.get(address)
    const isUseful = running !== undefined && !running.isDone && !running.isGone
    if (isUseful) return true
    const content = this.#content()
    if (content === undefined) return false
    const sender = new BaseSender(content, chunk => this.#send(address, chunk))
    this.#senders.set(address, sender)
    sender.begin()
    return true
  }

  receipt(address: string, receipt: BaseReceipt): void {
    this.#senders.get(address)?.receipt(receipt)
    this.#renew(address)
  }

  /** What is on its way to `address` may be lost, or was not taken. */
  rewind(address: string): void {
    this.#senders.get(address)?.linkDown()
  }

  /** It needs none any more. */
  stop(address: string): void {
    this.#senders.delete(address)
  }

  /** The epoch is over. */
  clear(): void {
    this.#senders.clear()
  }

  tick(): void {
    for (const [address, sender] of this.#senders) {
      sender.tick()
      this.#renew(address)
    }
  }

  /** A base that another took the place of is of no use any more: that one is sent. */
  #renew(address: string): void {
    if (this.#senders.get(address)?.isGone !== true) return
    this.#senders.delete(address)
    this.start(address)
  }
}
