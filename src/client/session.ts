/**
 * One pipelined stream to one node (`Kv.Session`): frames out, one message a turn of the event loop; frames in,
 * as they come. It knows of no routing and repeats nothing: what it carried when it broke is its owners' care.
 */
import type { ClientDuplexStream, ServiceError } from '@grpc/grpc-js'
import type { SessionRequest, SessionResponse, SessionWelcome } from '../generated/varve/v1/kv.js'
import { backoffMs } from './backoff.js'
import type { Peer } from './channels.js'
import { VarveError } from './errors.js'
import { fromServiceError } from './grpc-errors.js'
import type { ReadFrame } from './read-group.js'

const CLIENT_ID_SIZE = 16
const WELCOME_TIMEOUT_MS = 3_000
const MESSAGE_SIZE_BYTES_TARGET = 1_048_576

/** What a session tells its client. */
export interface SessionEvents {
  /** The node took the session: frames may be sent. */
  opened(session: Session, welcome: SessionWelcome): void
  /** Called for every message, with all of its frames. A throw ends the session. */
  answered(session: Session, frames: readonly Buffer[]): void
  /** More may be written again. */
  drained(session: Session): void
  /** The stream is gone; nothing that it carried will be answered. `reads` are those that were in flight. */
  lost(session: Session, error: VarveError, reads: readonly ReadFrame[]): void
  /** The greatest wall time that the client has seen, epoch ms. */
  seenWallMs(): number
}

/** The first message of a session. */
export interface Hello {
  /** 16 bytes, or empty: the node then gives an id. */
  readonly clientId: Buffer
  readonly actor: string
  readonly lamport: number
  readonly wallMs: number
}

export class Session {
  readonly address: string
  readonly #peer: () => Peer
  readonly #events: SessionEvents
  #stream: ClientDuplexStream<SessionRequest, SessionResponse> | undefined
  #state: 'idle' | 'opening' | 'open' | 'closed' = 'idle'
  #full = false
  #attempt = 0
  #retryAt = 0
  #welcomeTimer: NodeJS.Timeout | undefined
  #outbox: Buffer[] = []
  #reads = new Map<number, ReadFrame>()
  #nextReadId = 1
  /** What the node was told of `seenWallMs`. */
  #toldWallMs = 0

  constructor(address: string, peer: () => Peer, events: SessionEvents) {
    this.address = address
    this.#peer = peer
    this.#events = events
  }

  get state(): 'idle' | 'opening' | 'open' | 'closed' {
    return this.#state
  }

  /** Whether frames may be pushed now. */
  get writable(): boolean {
    return this.#state === 'open' && !this.#full
  }

  /** When an idle session may be opened again, on the monotonic clock. */
  get retryAt(): number {
    return this.#retryAt
  }

  /** Whether reads wait for this stream. */
  get hasReads(): boolean {
    return this.#reads.size > 0
  }

  /** Starts an idle session; `opened` or `lost` follows. */
  open(hello: Hello): void {
    this.#state = 'opening'
    const stream = this.#peer().kv.session()
    this.#stream = stream
    this.#full = false
    stream.on('data', (message: SessionResponse) => {
      if (this.#stream === stream) this.#receive(message)
    })
    stream.on('drain', () => {
      this.#full = false
      if (this.#stream === stream && this.#state === 'open') this.#events.drained(this)
    })
    stream.on('error', (error: ServiceError) => {
      if (this.#stream === stream) this.#lose(brokenBy(fromServiceError(error, this.address)))
    })
    stream.on('end', () => {
      if (this.#stream === stream)
        this.#lose(new VarveError('UNAVAILABLE', `${this.address} ended the session`))
    })
    this.#welcomeTimer = setTimeout(() => {
      if (this.#stream !== stream) return
      this.#lose(
        new VarveError('UNAVAILABLE', `${this.address} did not answer within ${WELCOME_TIMEOUT_MS} ms`),
      )
    }, WELCOME_TIMEOUT_MS)
    const { lamport, wallMs } = hello
    this.#toldWallMs = wallMs
    stream.write({
      hello: { clientId: hello.clientId, actor: hello.actor, stamp: { lamport, wallMs } },
      frames: [],
    })
  }

  /** Puts a frame into this turn's message. Only while `writable`. */
  push(frame: Buffer): void {
    this.#outbox.push(frame)
  }

  /** Numbers for `count` reads: the first of them. */
  takeReadIds(count: number): number {
    const first = this.#nextReadId
    this.#nextReadId += count
    return first
  }

  /** As `push`, for reads; they are handed back by `takeReads` or `lost`. */
  pushReads(frame: Buffer, reads: ReadFrame): void {
    this.#reads.set(reads.firstId, reads)
    this.#outbox.push(frame)
  }

  /** The frame that reads `firstId` and the next `count` - 1 went with; it is forgotten once all are answered. */
  takeReads(firstId: number, count: number): ReadFrame | undefined {
    const reads = this.#reads.get(firstId) ?? this.#readsAround(firstId)
    if (reads === undefined) return undefined
    reads.unanswered -= count
    if (reads.unanswered <= 0) this.#reads.delete(reads.firstId)
    return reads
  }

  /** Nobody waits for the answer to that frame any more. */
  forgetReads(reads: ReadFrame): void {
    this.#reads.delete(reads.firstId)
  }

  /** Frames of reads that are in flight, oldest first. */
  readsInFlight(): Iterable<ReadFrame> {
    return this.#reads.values()
  }

  /** Sends what was pushed, as one message unless that would be very large. */
  flush(): void {
    const frames = this.#outbox
    if (frames.length === 0) return
    this.#outbox = []
    let first = 0
    let size = 0
    for (let at = 0; at < frames.length; at++) {
      const next = frames[at]!.length
      if (at > first && size + next > MESSAGE_SIZE_BYTES_TARGET) {
        this.#write(frames.slice(first, at))
        first = at
        size = 0
      }
      size += next
    }
    this.#write(first === 0 ? frames : frames.slice(first))
  }

  /** Ends the stream for now, as if it had broken but without a penalty; a new `open` may follow at once. */
  reset(reason: VarveError): void {
    this.#lose(reason)
    this.#attempt = 0
    this.#retryAt = 0
  }

  /** Begins again with another hello, before anything was sent. */
  restart(hello: Hello): void {
    this.#drop()
    this.open(hello)
  }

  /** Ends the stream for good. `lost` is not called; the reads that were in flight are returned. */
  close(): ReadFrame[] {
    this.#state = 'closed'
    return this.#drop()
  }

  #write(frames: Buffer[]): void {
    const seenMs = this.#events.seenWallMs()
    const isNews = seenMs > this.#toldWallMs
    if (isNews) this.#toldWallMs = seenMs
    const message = { hello: undefined, frames, wallMs: isNews ? seenMs : undefined }
    if (this.#stream?.write(message) === false) this.#full = true
  }

  #readsAround(id: number): ReadFrame | undefined {
    for (const reads of this.#reads.values()) {
      if (id >= reads.firstId && id < reads.firstId + reads.ops.length) return reads
    }
    return undefined
  }

  #receive(message: SessionResponse): void {
    try {
      if (message.welcome !== undefined && this.#state === 'opening') this.#welcome(message.welcome)
      else if (message.frames.length > 0) this.#events.answered(this, message.frames)
    } catch (error) {
      const known = error instanceof VarveError
      this.#lose(
        known ? error : new VarveError('INTERNAL', `${this.address}: ${String(error)}`, { cause: error }),
      )
    }
  }

  #welcome(welcome: SessionWelcome): void {
    if (welcome.clientId.length !== CLIENT_ID_SIZE) {
      throw new VarveError('INTERNAL', `${this.address} gave a client id of ${welcome.clientId.length} bytes`)
    }
    clearTimeout(this.#welcomeTimer)
    this.#state = 'open'
    this.#attempt = 0
    this.#events.opened(this, welcome)
  }

  #lose(error: VarveError): void {
    if (this.#state === 'closed' || this.#stream === undefined) return
    this.#state = 'idle'
    this.#retryAt = performance.now() + backoffMs(this.#attempt++, 50)
    this.#events.lost(this, error, this.#drop())
  }

  #drop(): ReadFrame[] {
    clearTimeout(this.#welcomeTimer)
    const stream = this.#stream
    this.#stream = undefined
    this.#outbox = []
    // A cancelled call still reports its end: the listener stays, and finds that the stream is not ours.
    stream?.cancel()
    const reads = [...this.#reads.values()]
    this.#reads.clear()
    return reads
  }
}

/** However a stream ended, what it carried may go elsewhere. */
function brokenBy(error: unknown): VarveError {
  if (error instanceof VarveError && error.code === 'UNAVAILABLE') return error
  const reason = error instanceof VarveError ? `${error.code}: ${error.message}` : String(error)
  return new VarveError('UNAVAILABLE', `the session broke: ${reason}`, { cause: error })
}
