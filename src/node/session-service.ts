/**
 * The pipelined way in (`Kv.Session`). Each frame goes to the replica that it names; the answers of one turn of the
 * event loop go back as one message. Every bound here is one session's own, so that a client that sends too much,
 * reads nothing or talks nonsense harms nobody else.
 */
import type { ServerDuplexStream } from '@grpc/grpc-js'
import { VarveError } from '../client/errors.js'
import { toServiceError } from '../client/grpc-errors.js'
import { frameKind, ResponseKind } from '../client/session-frame.js'
import type { SessionHello, SessionRequest, SessionResponse } from '../generated/varve/v1/kv.js'
import type { Logger } from '../log/logger.js'
import { resetStream } from './grpc-internals.js'
import { CLIENT_ID_SIZE, checkActor } from './kv-requests.js'
import { asVarveError } from './local-call.js'
import type { NodeHost, ReplySink } from './node-host.js'
import { AnswerQueue, type AnswerQueueLimits } from './session-answers.js'
import { answerElsewhere, answerTooMuch } from './session-refusals.js'

/** Bounds of one session. */
export interface SessionLimits extends AnswerQueueLimits {
  /** Operations taken in and not answered; beyond, nothing more is read. */
  readonly operationsInFlightMax: number
  /** Frames of one message, together. */
  readonly messageSizeBytesMax: number
  /** With answers over `pauseAtBytes` for so long, the session ends. */
  readonly stuckMs: number
  /** How long an ended stream may take to reach a client that reads again; then it is cut. */
  readonly cutAfterMs: number
}

export const SESSION_LIMITS: SessionLimits = {
  operationsInFlightMax: 65_536,
  messageSizeBytesMax: 8 * 1_048_576,
  pauseAtBytes: 16 * 1_048_576,
  endAtBytes: 64 * 1_048_576,
  stuckMs: 60_000,
  cutAfterMs: 5_000,
}

type SessionStream = ServerDuplexStream<SessionRequest, SessionResponse>

export class SessionService {
  readonly #host: NodeHost
  readonly #logger: Logger
  readonly #limits: SessionLimits
  readonly #sessions = new Set<Session>()
  #ending = false

  constructor(host: NodeHost, logger: Logger, limits: SessionLimits = SESSION_LIMITS) {
    this.#host = host
    this.#logger = logger
    this.#limits = limits
  }

  get count(): number {
    return this.#sessions.size
  }

  /** The handler, to be registered with a server. */
  readonly session = (stream: SessionStream): void => {
    const session = new Session(stream, this.#host, this.#logger, this.#limits, () => {
      this.#sessions.delete(session)
    })
    this.#sessions.add(session)
    if (this.#ending) session.fail(stopping(this.#host))
  }

  /** Ends all sessions; what they appended stays. New ones are refused. */
  endAll(): void {
    this.#ending = true
    for (const session of [...this.#sessions]) session.fail(stopping(this.#host))
  }
}

function stopping(host: NodeHost): VarveError {
  return new VarveError('UNAVAILABLE', `${host.address} is stopping: go to another process`)
}

class Session implements ReplySink {
  clientId: Buffer = Buffer.alloc(0)
  actor = ''
  readonly #stream: SessionStream
  readonly #host: NodeHost
  readonly #logger: Logger
  readonly #limits: SessionLimits
  readonly #onEnd: () => void
  readonly #answers: AnswerQueue
  #state: 'new' | 'open' | 'ended' = 'new'
  #operationsInFlight = 0
  #clientIsDone = false
  #stuckTimer: NodeJS.Timeout | undefined

  constructor(
    stream: SessionStream,
    host: NodeHost,
    logger: Logger,
    limits: SessionLimits,
    onEnd: () => void,
  ) {
    this.#stream = stream
    this.#host = host
    this.#logger = logger
    this.#limits = limits
    this.#onEnd = onEnd
    this.#answers = new AnswerQueue(
      message => this.#write(message),
      () => this.#adjust(),
    )
    stream.on('data', (message: SessionRequest) => this.#receive(message))
    stream.on('end', () => {
      this.#clientIsDone = true
      this.#endIfDone()
    })
    stream.on('cancelled', () => this.#end())
    stream.on('close', () => this.#end())
    stream.on('error', () => this.#end())
  }

  get closed(): boolean {
    return this.#state === 'ended'
  }

  /** An answer to operations of this session. */
  send(frame: Buffer): void {
    if (this.closed) return
    this.#operationsInFlight -= frame.readUInt32LE(4)
    const isFull =
      this.#answers.sizeBytes + frame.length > this.#limits.endAtBytes && this.#answers.sizeBytes > 0
    if (isFull && frame[1] !== ResponseKind.READ_RESULTS) return this.#endStuck()
    this.#answers.push(isFull ? answerTooMuch(frame) : frame)
    this.#adjust()
  }

  /** Ends the stream with this error. */
  fail(error: VarveError): void {
    if (this.closed) return
    this.#logger.debug(
      { peer: this.#stream.getPeer(), code: error.code, reason: error.message },
      'session ended',
    )
    this.#end()
    const timer = setTimeout(() => resetStream(this.#stream), this.#limits.cutAfterMs)
    timer.unref()
    this.#stream.once('close', () => clearTimeout(timer))
    this.#stream.emit('error', toServiceError(error))
    // What the client still sends is thrown away, not kept.
    this.#stream.resume()
  }

  #receive(message: SessionRequest): void {
    if (this.closed) return
    try {
      if (this.#state === 'new') this.#open(message.hello)
      else if (message.hello !== undefined) throw invalid('a session has one hello, in its first message')
      if (message.wallMs !== undefined) this.#host.observeWall(message.wallMs)
      this.#takeFrames(message.frames)
    } catch (error) {
      this.fail(asVarveError(error))
    }
  }

  #open(hello: SessionHello | undefined): void {
    if (hello === undefined) throw invalid('the first message of a session has no hello')
    const { clientId, actor, stamp } = hello
    if (clientId.length !== 0 && clientId.length !== CLIENT_ID_SIZE) {
      throw invalid(
        `a client id has ${clientId.length} bytes, expected ${CLIENT_ID_SIZE}, or none for a new client`,
      )
    }
    checkActor(actor)
    const lamport = this.#host.observe(stamp?.lamport ?? 0)
    this.#host.observeWall(stamp?.wallMs ?? 0)
    this.clientId = clientId.length === 0 ? this.#host.newClientId() : clientId
    this.actor = actor
    this.#state = 'open'
    this.#answers.welcome({
      clientId: this.clientId,
      stamp: { lamport, wallMs: Date.now() },
      node: this.#host.address,
      clusterId: this.#host.clusterId,
      mapRevision: this.#host.shardMap()?.revision ?? 0,
    })
  }

  #takeFrames(frames: readonly Buffer[]): void {
    const sizeBytes = frames.reduce((sum, frame) => sum + frame.length, 0)
    if (sizeBytes > this.#limits.messageSizeBytesMax) {
      throw invalid(
        `a message has ${sizeBytes} bytes, at most ${this.#limits.messageSizeBytesMax} are allowed`,
      )
    }
    for (const frame of frames) {
      this.#takeFrame(frame)
      if (this.closed) return
    }
    this.#adjust()
  }

  #takeFrame(frame: Buffer): void {
    const kind = frameKind(frame)
    const ordinal = frame.readUInt16LE(2)
    const count = frame.readUInt32LE(4)
    this.#operationsInFlight += count
    const shard = this.#host.shard(ordinal)
    if (shard !== undefined) shard.handleFrame(frame, this)
    else this.send(answerElsewhere(this.#host, frame, kind, ordinal))
  }

  /** One message at a time, so that the stream's own buffer, which counts messages, never holds more. */
  #write(message: SessionResponse): void {
    if (!this.closed) this.#stream.write(message, () => this.#answers.written())
  }

  /** Reads on, or holds back, by what is under way. */
  #adjust(): void {
    if (this.closed) return
    const answersStuck = this.#answers.sizeBytes > this.#limits.pauseAtBytes
    const mustWait = answersStuck || this.#operationsInFlight > this.#limits.operationsInFlightMax
    if (mustWait !== this.#stream.isPaused()) {
      if (mustWait) this.#stream.pause()
      else this.#stream.resume()
    }
    if (!answersStuck) {
      clearTimeout(this.#stuckTimer)
      this.#stuckTimer = undefined
    } else {
      this.#stuckTimer ??= setTimeout(() => this.#endStuck(), this.#limits.stuckMs).unref()
    }
    this.#endIfDone()
  }

  #endStuck(): void {
    const { sizeBytes } = this.#answers
    this.#logger.warn(
      { peer: this.#stream.getPeer(), sizeBytes },
      'a client does not read its answers: session ended',
    )
    this.fail(
      new VarveError('RESOURCE_EXHAUSTED', `${sizeBytes} bytes of answers were not read: the session ended`),
    )
  }

  /** The client will send no more and has all its answers. */
  #endIfDone(): void {
    if (!this.#clientIsDone || this.closed) return
    if (this.#operationsInFlight > 0 || this.#answers.sizeBytes > 0) return
    this.#end()
    this.#stream.end()
  }

  #end(): void {
    if (this.closed) return
    this.#state = 'ended'
    clearTimeout(this.#stuckTimer)
    this.#answers.clear()
    this.#onEnd()
  }
}

function invalid(message: string): VarveError {
  return new VarveError('INVALID_ARGUMENT', message)
}
