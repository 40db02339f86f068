/**
 * Acknowledgement of writes (Normal work, 3): strong ones at commitIndex, weak ones at the head's durableIndex, each
 * level in index order. When the epoch ends, what was not acknowledged ends as unknown, never as failed: the client
 * asks again with the same request id and learns what became of it.
 */
import type { ErrorCode, WriteOutcome } from '../client/errors.js'
import { WriteResultFlag } from '../client/session-frame.js'
import { encodeFailed, encodeWritesDone, WriteResultsWriter } from '../client/session-frame-response.js'
import { indexOf, Operation } from '../log/entry.js'
import { reasonOf } from '../log/errors.js'
import type { Log } from '../log/log.js'
import type { StampClock } from '../log/stamp.js'
import type { ShardProjection } from '../projection/shard-projection.js'
import type { ReplySink } from './node-host.js'
import { PendingAnswers, type PendingRun, type SingleAnswer } from './pending-answers.js'

const NOTHING = Buffer.alloc(0)

/** Asking again changes nothing about these. */
const FINAL_CODES: ReadonlySet<ErrorCode> = new Set(['INVALID_ARGUMENT', 'SESSION_EXPIRED', 'DATA_LOSS'])

export interface WriteAnswersOptions {
  readonly ordinal: number
  readonly name: string
  readonly log: Log
  /** Finds entries in the log, and in the base that it may be kept from. */
  readonly entries: Pick<ShardProjection, 'entry' | 'entryAt'>
  readonly clock: StampClock
  readonly commitIndex: () => number
  readonly epoch: () => number
  /** Address of the shard's head as far as known; '' where it is not. */
  readonly headHint: () => string
}

export class WriteAnswers {
  readonly #options: WriteAnswersOptions
  readonly #results = new WriteResultsWriter()
  readonly #strong = new PendingAnswers()
  readonly #weak = new PendingAnswers()

  constructor(options: WriteAnswersOptions) {
    this.#options = options
  }

  /** Adds a run that waits for its index. Items of a level are answered in the order they were added. */
  push(strong: boolean, run: PendingRun): void {
    const queue = strong ? this.#strong : this.#weak
    queue.push(run.lastIndex < queue.lastIndex ? { ...run, lastIndex: queue.lastIndex } : run)
  }

  /** Writes that wait to be acknowledged. */
  get waitingCount(): number {
    return this.#strong.count + this.#weak.count
  }

  /** What the log says of a request that it holds at `index` already. */
  repeat(id: number, index: number): SingleAnswer {
    const { refused, previous } = this.#options.entries.entryAt(index)!
    return { id, index, applied: !refused, previous, wantsPrevious: true }
  }

  onCommit(index: number): void {
    this.#release(this.#strong, index)
  }

  onDurable(index: number): void {
    this.#release(this.#weak, index)
  }

  /** Answers what waits for nothing that is still to come. */
  release(): void {
    this.onCommit(this.#options.commitIndex())
    this.onDurable(this.#options.log.durableIndex)
  }

  /** The epoch is over: whoever waits must ask again. */
  abandon(reason: string): void {
    for (const run of [...this.#strong.drain(), ...this.#weak.drain()]) {
      this.fail(run.sink, run.firstId, run.count, 'UNAVAILABLE', reason, 'unknown')
    }
  }

  fail(
    sink: ReplySink,
    firstId: number,
    count: number,
    code: ErrorCode,
    message: string,
    outcome: WriteOutcome,
  ): void {
    const { ordinal, clock, epoch, headHint } = this.#options
    const retryable = !FINAL_CODES.has(code)
    sink.send(
      encodeFailed({
        shard: ordinal,
        count,
        epoch: epoch(),
        firstId,
        lamport: clock.lamport,
        operations: 'writes',
        code,
        outcome,
        retryable,
        message,
        hint: code === 'NOT_HEAD' ? headHint() : '',
      }),
    )
  }

  #release(queue: PendingAnswers, index: number): void {
    for (let run = queue.take(index); run !== undefined; run = queue.take(index)) {
      if (run.sink.closed) continue
      if (run.singles === undefined) this.#answerRun(run)
      else this.#answerSingles(run.sink, run.singles)
    }
  }

  #answerRun(run: PendingRun): void {
    const { ordinal, clock, commitIndex } = this.#options
    run.sink.send(
      encodeWritesDone({
        shard: ordinal,
        count: run.count,
        epoch: run.epoch,
        firstId: run.firstId,
        lamport: clock.lamport,
        firstIndex: run.firstIndex,
        firstLamport: run.firstLamport,
        wallMs: run.wallMs,
        committed: run.lastIndex <= commitIndex(),
      }),
    )
  }

  #answerSingles(sink: ReplySink, singles: readonly SingleAnswer[]): void {
    const { ordinal, clock, epoch } = this.#options
    for (const single of singles) {
      this.#results.begin(ordinal, epoch())
      try {
        this.#addSingle(single)
      } catch (error) {
        // The record with the previous value is damaged: the write stands, what it is to be answered with is lost.
        this.fail(sink, single.id, 1, 'DATA_LOSS', reasonOf(error), 'unknown')
        continue
      }
      sink.send(this.#results.finish(clock.lamport))
    }
  }

  #addSingle({ id, index, applied, previous, wantsPrevious }: SingleAnswer): void {
    const { entries, commitIndex } = this.#options
    const { stamp, epoch } = entries.entryAt(index)!
    const before = previous === 0 ? undefined : entries.entry(previous)
    const found = before !== undefined && before.operation === Operation.SET
    const shows = found && wantsPrevious
    // Retention may have dropped what the key held before a request that is repeated: that is not "nothing".
    const isKnown = previous === 0 || before !== undefined
    const flags =
      (applied ? WriteResultFlag.APPLIED : 0) |
      (index <= commitIndex() ? WriteResultFlag.COMMITTED : 0) |
      (found ? WriteResultFlag.PREVIOUS_FOUND : 0) |
      (wantsPrevious && isKnown ? WriteResultFlag.PREVIOUS_REQUESTED : 0)
    this.#results.add(
      id,
      index,
      stamp.lamport,
      stamp.wallMs,
      epoch,
      indexOf(previous),
      flags,
      shows ? before.value : NOTHING,
      0,
      shows ? before.value.length : 0,
    )
  }
}
