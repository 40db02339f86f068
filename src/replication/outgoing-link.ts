/**
 * The sending half of a link: a queue bounded in bytes in front of a stream that may break. Order is kept while
 * the stream lives; when it breaks, everything in the queue is gone and the protocol is told once. It knows
 * nothing of gRPC: the stream is handed in.
 */

/** Bounds and times of a link. */
export const LinkLimits = {
  /** Bytes queued towards one address; beyond, messages are dropped. */
  queuedBytesMax: 64 * 1_048_576,
  /** A record may hold one entry far larger than the usual message. */
  messageSizeBytesMax: 64 * 1_048_576,
  reconnectDelayMinMs: 50,
  reconnectDelayMaxMs: 1_000,
  /** A link that the other side has not accepted by then counts as broken. */
  connectTimeoutMs: 5_000,
  /** How long closing waits for what was sent to arrive. */
  closeTimeoutMs: 1_000,
  keepaliveTimeMs: 10_000,
  keepaliveTimeoutMs: 10_000,
} as const

/** What a link writes to. Opened anew after each break. */
export interface LinkStream {
  /** False: hold back until `drained`. `taken` is called in order as the messages leave this process. */
  write(message: Buffer, taken: () => void): boolean
  /** Sends what was written and closes; resolves when closed. */
  end(): Promise<void>
  /** Closes at once. No event comes afterwards. */
  destroy(): void
}

/** What a stream tells its link; never from within a call to the stream. */
export interface LinkStreamEvents {
  opened(): void
  drained(): void
  broken(reason: string): void
}

export interface OutgoingLinkOptions {
  readonly open: (events: LinkStreamEvents) => LinkStream
  /** Bytes that may wait here and in the stream. */
  readonly queuedBytesMax: number
  /** Monotonic milliseconds. */
  readonly now: () => number
  /** Called once for each stream that broke (`stood`) or could not be opened. */
  readonly onDown: (reason: string, stood: boolean) => void
}

export class OutgoingLink {
  readonly #options: OutgoingLinkOptions
  #stream: LinkStream | undefined
  #blocked = false
  #stood = false
  #closed = false
  /** Messages that the stream would not take yet; those before `#waitingFrom` are gone already. */
  #waiting: Buffer[] = []
  #waitingFrom = 0
  #queuedBytes = 0
  #delayMs: number = LinkLimits.reconnectDelayMinMs
  #retryAt = 0

  constructor(options: OutgoingLinkOptions) {
    this.#options = options
  }

  get queuedBytes(): number {
    return this.#queuedBytes
  }

  /** False where the message was dropped: queue full, link down and its back-off not over, or closed. */
  send(message: Buffer): boolean {
    if (this.#closed) return false
    // A single message larger than the bound passes when nothing else waits: it could never be sent otherwise.
    if (this.#queuedBytes > 0 && this.#queuedBytes + message.length > this.#options.queuedBytesMax)
      return false
    const stream = this.#stream ?? this.#open()
    if (!stream) return false
    this.#queuedBytes += message.length
    if (this.#blocked) this.#waiting.push(message)
    else this.#write(stream, message)
    return true
  }

  /** Hands what is queued to the stream and ends it. Nothing is told any more. */
  async end(): Promise<void> {
    this.#closed = true
    const stream = this.#stream
    const waiting = this.#waiting.slice(this.#waitingFrom)
    this.#forget()
    for (const message of waiting) stream?.write(message, () => {})
    await stream?.end()
  }

  /** Whether a new attempt to connect would be made by the next `send`. */
  get mayOpen(): boolean {
    return !this.#closed && (this.#stream !== undefined || this.#options.now() >= this.#retryAt)
  }

  #open(): LinkStream | undefined {
    if (this.#options.now() < this.#retryAt) return undefined
    let stream: LinkStream | undefined
    const isCurrent = () => stream !== undefined && this.#stream === stream
    try {
      stream = this.#options.open({
        opened: () => {
          if (!isCurrent()) return
          this.#stood = true
          this.#delayMs = LinkLimits.reconnectDelayMinMs
        },
        drained: () => {
          if (isCurrent()) this.#drain()
        },
        broken: reason => {
          if (isCurrent()) this.#break(reason)
        },
      })
    } catch {
      this.#backOff()
      return undefined
    }
    this.#stream = stream
    return stream
  }

  #write(stream: LinkStream, message: Buffer): void {
    const size = message.length
    const more = stream.write(message, () => {
      if (this.#stream === stream) this.#queuedBytes -= size
    })
    this.#blocked = !more
  }

  #drain(): void {
    this.#blocked = false
    while (this.#stream && !this.#blocked && this.#waitingFrom < this.#waiting.length) {
      const message = this.#waiting[this.#waitingFrom]!
      this.#waitingFrom += 1
      this.#write(this.#stream, message)
    }
    // Dropping the sent part only when it is the larger one keeps each message's share of the copying constant.
    if (this.#waitingFrom * 2 >= this.#waiting.length) {
      this.#waiting = this.#waiting.slice(this.#waitingFrom)
      this.#waitingFrom = 0
    }
  }

  #break(reason: string): void {
    const stood = this.#stood
    this.#stream?.destroy()
    this.#forget()
    this.#backOff()
    this.#options.onDown(reason, stood)
  }

  #backOff(): void {
    this.#retryAt = this.#options.now() + this.#delayMs
    this.#delayMs = Math.min(this.#delayMs * 2, LinkLimits.reconnectDelayMaxMs)
  }

  #forget(): void {
    this.#stream = undefined
    this.#stood = false
    this.#blocked = false
    this.#waiting = []
    this.#waitingFrom = 0
    this.#queuedBytes = 0
  }
}
