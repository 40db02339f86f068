/**
 * How a replica answers reads. Weak ones at once from what is applied; session ones likewise, once the replica holds
 * what the client has seen; strong ones when a barrier has granted an index (R1 to R3), one barrier for all that
 * arrived in a turn of the event loop. Values are read from the records that hold them.
 */
import type { ErrorCode } from '../client/errors.js'
import { VarveError } from '../client/errors.js'
import { FrameConsistency, ReadResultFlag } from '../client/session-frame.js'
import { ReadFrameReader } from '../client/session-frame-request.js'
import { encodeFailed, ReadResultsWriter } from '../client/session-frame-response.js'
import { indexOf } from '../log/entry.js'
import type { Log } from '../log/log.js'
import type { StampClock } from '../log/stamp.js'
import type { ShardProjection } from '../projection/shard-projection.js'
import type { ReplicaDriver } from '../replication/replica-driver.js'
import type { ReplySink } from './node-host.js'
import { tokenFailure } from './session-token.js'

/** An answer frame is closed at about this size. */
const ANSWER_SIZE_BYTES_TARGET = 1_048_576

/** Strong reads that may wait at one replica, in frames; more are refused. */
export const WAITING_READ_FRAMES_MAX = 65_536

const NOTHING = Buffer.alloc(0)

export interface ReadPathOptions {
  readonly ordinal: number
  readonly name: string
  readonly log: Log
  readonly driver: ReplicaDriver
  readonly projection: ShardProjection
  readonly clock: StampClock
  readonly headHint: () => string
}

/** What waits for a barrier: called once, with nothing, or with why not. */
type Granted = (refused: string | undefined) => void

interface Failure {
  readonly code: ErrorCode
  readonly message: string
  readonly retryable: boolean
}

export class ReadPath {
  readonly #options: ReadPathOptions
  readonly #results = new ReadResultsWriter()
  #gathering: Granted[] = []
  readonly #granted = new Map<number, Granted[]>()
  #ticket = 0
  #waitingCount = 0

  constructor(options: ReadPathOptions) {
    this.#options = options
  }

  /** Takes a READS frame. Throws `VarveError` INVALID_ARGUMENT for one that cannot be read. */
  submit(frame: Buffer, sink: ReplySink): void {
    const reader = new ReadFrameReader()
    reader.reset(frame)
    this.#options.clock.observe(reader.observedLamport)
    if (reader.consistency === FrameConsistency.STRONG) return this.#submitStrong(reader, sink)
    if (reader.consistency === FrameConsistency.SESSION) {
      const failure = this.tokenFailure(reader.tokenIndex, reader.tokenEpoch)
      if (failure !== undefined) return this.#fail(sink, reader.firstId, reader.count, failure)
    }
    this.#answer(reader, sink, 'newest')
  }

  /** Why this replica cannot answer a session that has seen so much; undefined where it can. */
  tokenFailure(index: number, epoch: number): VarveError | undefined {
    const { name, log, driver } = this.#options
    return tokenFailure({ name, log, commitIndex: driver.replica.commitIndex }, index, epoch)
  }

  /** Resolves when this replica may answer strong reads that began before the call. Rejects with `VarveError`. */
  barrier(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#wait(refused => {
        if (refused === undefined) resolve()
        else reject(new VarveError('UNAVAILABLE', `${this.#options.name}: ${refused}`))
      })
    })
  }

  onReadReady(ticket: number): void {
    this.#settle(ticket, undefined)
  }

  onReadRefused(ticket: number, reason: string): void {
    this.#settle(ticket, reason)
  }

  #submitStrong(reader: ReadFrameReader, sink: ReplySink): void {
    const { firstId, count } = reader
    if (this.#waitingCount >= WAITING_READ_FRAMES_MAX) {
      const message = 'too many strong reads wait'
      return this.#fail(sink, firstId, count, { code: 'RESOURCE_EXHAUSTED', message, retryable: true })
    }
    this.#wait(refused => {
      if (sink.closed) return
      if (refused !== undefined) {
        const message = `${this.#options.name}: ${refused}`
        return this.#fail(sink, firstId, count, { code: 'UNAVAILABLE', message, retryable: true })
      }
      this.#answer(reader, sink, 'committed')
    })
  }

  /** Gathers what waits in this turn under one ticket. */
  #wait(granted: Granted): void {
    this.#waitingCount += 1
    this.#gathering.push(granted)
    if (this.#gathering.length === 1) setImmediate(() => this.#ask())
  }

  #ask(): void {
    this.#ticket += 1
    this.#granted.set(this.#ticket, this.#gathering)
    this.#gathering = []
    this.#options.driver.read(this.#ticket)
  }

  #settle(ticket: number, refused: string | undefined): void {
    const waiting = this.#granted.get(ticket) ?? []
    this.#granted.delete(ticket)
    this.#waitingCount -= waiting.length
    for (const granted of waiting) granted(refused)
  }

  /** Answers the frame that the reader stands at the beginning of. */
  #answer(reader: ReadFrameReader, sink: ReplySink, view: 'newest' | 'committed'): void {
    this.#begin(reader.firstId, view)
    // A sink that was full closes: what its client would never read is not read here either.
    for (let id = reader.firstId; !sink.closed && reader.next(); id += 1) {
      const failure = this.#addResult(reader, view)
      if (failure !== undefined) {
        this.#finish(sink)
        this.#fail(sink, id, 1, failure)
        this.#begin(id + 1, view)
      } else if (this.#results.sizeBytes >= ANSWER_SIZE_BYTES_TARGET) {
        this.#finish(sink)
        this.#begin(id + 1, view)
      }
    }
    this.#finish(sink)
  }

  #begin(firstId: number, view: 'newest' | 'committed'): void {
    const { ordinal, driver, projection } = this.#options
    this.#results.begin(ordinal, driver.replica.epoch, firstId, projection.appliedIndex, view === 'committed')
  }

  #finish(sink: ReplySink): void {
    if (this.#results.count > 0) sink.send(this.#results.finish(this.#options.clock.lamport))
  }

  #addResult(reader: ReadFrameReader, view: 'newest' | 'committed'): Failure | undefined {
    const { projection, driver } = this.#options
    const { frame, keyStart, keyLength } = reader
    const position = projection.locate(frame, keyStart, keyLength, view)
    if (position === 0) {
      this.#results.add(0, 0, 0, 0, 0, NOTHING, 0, 0)
      return undefined
    }
    const isDelete = projection.lastWasDelete
    try {
      const { bytes, valueStart, valueLength, epoch, lamport, wallMs } = projection.read(position)
      const index = indexOf(position)
      const flags =
        (isDelete ? 0 : ReadResultFlag.FOUND) |
        (index <= driver.replica.commitIndex ? ReadResultFlag.COMMITTED : 0)
      this.#results.add(index, lamport, wallMs, epoch, flags, bytes, valueStart, isDelete ? 0 : valueLength)
      return undefined
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error)
      return { code: 'DATA_LOSS', message, retryable: false }
    }
  }

  #fail(sink: ReplySink, firstId: number, count: number, { code, message, retryable }: Failure): void {
    const { ordinal, driver, clock, headHint } = this.#options
    sink.send(
      encodeFailed({
        shard: ordinal,
        count,
        epoch: driver.replica.epoch,
        firstId,
        lamport: clock.lamport,
        operations: 'reads',
        code,
        outcome: 'failed',
        retryable,
        message,
        hint: code === 'BEHIND' ? headHint() : '',
      }),
    )
  }
}
