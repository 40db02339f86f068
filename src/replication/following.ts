/**
 * The part of every other member in an epoch (Following): it asks its upstream where their logs part, cuts its own
 * there, waits for the cut to be synced, and has then *matched*. From there on it appends what comes, and reports what
 * its whole subtree holds durably (I3).
 */
import type { BaseChunk, FollowFrom, Recovery } from '../generated/varve/v1/replication.js'
import { LogRecord } from '../log/record-codec.js'
import { BASE_RESEND_TICKS } from './base-sender.js'
import type { EpochContext } from './epoch-context.js'
import { epochEnds } from './matching.js'
import { RECEIPT_SIZE_BYTES } from './progress.js'

/**
 * Ticks without a word from the upstream, which repeats its commit several times as often, after which it is asked anew: it
 * may have forgotten this replica. That happens to observers; a member's upstream remembers it for the whole epoch.
 */
const OBSERVER_ASK_TICKS = 20
const MEMBER_ASK_TICKS = 80

/**
 * A Follow that is not answered is repeated after one tick, and then in pauses that double up to this many: the upstream
 * keeps it until it can answer, which in a long chain takes a while.
 */
const ASK_PAUSE_TICKS_MAX = 8

export class Following {
  readonly upstream: string
  readonly #context: EpochContext
  readonly #recovery: Recovery | undefined
  readonly #isLearner: boolean
  #state: 'asking' | 'receiving' | 'installing' | 'cutting' | 'matched' = 'asking'
  #ticksWithoutChunk = 0
  #ticksUnheard = 0
  /** This epoch's EPOCH entry is in the log, and with it all of the head's log before it. */
  #holdsEpoch = false
  #commitHeard = 0
  #reportSent = -1
  #receivedUnsaidBytes = 0
  #hasAskedThisTick = false
  #ticksToAsk = 1
  #askPauseTicks = 1

  /** `isLearner`: it is not counted, and may begin anew in the middle of an epoch. */
  constructor(upstream: string, recovery: Recovery | undefined, isLearner: boolean, context: EpochContext) {
    this.upstream = upstream
    this.#isLearner = isLearner
    this.#recovery = recovery
    this.#context = context
  }

  get isMatched(): boolean {
    return this.#state === 'matched'
  }

  /** What this replica itself reports, its subtree aside. */
  get reportedIndex(): number | undefined {
    return this.isMatched ? this.#context.log.durableIndex : undefined
  }

  begin(): void {
    this.#ask()
  }

  /** A question that may be lost, or that the upstream could not take yet, is asked again. */
  tick(): void {
    this.#hasAskedThisTick = false
    if (this.#state === 'asking') this.#askUnanswered()
    this.#ticksUnheard += 1
    const askTicks = this.#isLearner ? OBSERVER_ASK_TICKS : MEMBER_ASK_TICKS
    if (this.isMatched && this.#ticksUnheard % askTicks === 0) this.#askAgain()
    if (this.#state !== 'receiving') return
    this.#context.baseReceiver.tick()
    this.#ticksWithoutChunk += 1
    // The upstream may have forgotten this replica: asked anew, it goes on where the receipts say.
    if (this.#context.baseReceiver.isReceiving && this.#ticksWithoutChunk % BASE_RESEND_TICKS === 0)
      this.#ask()
  }

  /** Says again what may have been lost. */
  repeat(): void {
    this.#report(true)
  }

  /** The upstream said something. */
  heard(): void {
    this.#ticksUnheard = 0
  }

  /** The upstream says where the logs part. */
  followFrom({ index, hash, logId, askedIndex, askedHash }: FollowFrom): void {
    const { log, commitIndex, emit } = this.#context
    // Late: a base has come, or this process has started anew, since that was asked.
    if (askedIndex !== log.lastIndex || (askedIndex > 0 && !log.lastHash.equals(askedHash))) return
    // Once matched, a log is never cut in the same epoch: a late answer would undo what was reported.
    if ((this.#state !== 'asking' && this.#state !== 'receiving') || logId !== log.logId) return
    const own = log.hashAt(index)
    if (own?.equals(hash) && index < commitIndex && this.#isGivenUp()) {
      const lost = `indexes ${index + 1} to ${commitIndex} were given up in the recovery of epoch ${this.#recovery?.epoch}`
      this.#state = 'cutting'
      return emit({ type: 'cutForRecovery', index, reason: `${lost}; they stay on this disk as orphans` })
    }
    if (own === undefined || !own.equals(hash) || index < commitIndex) {
      const where = `index ${index}, commitIndex ${commitIndex}`
      return emit({ type: 'alarm', message: `the upstream's log parts from this one at ${where}` })
    }
    if (index === log.lastIndex) return this.#match()
    this.#state = 'cutting'
    emit({ type: 'cut', index })
  }

  cutDurable(): void {
    if (this.#state === 'cutting') this.#match()
    if (this.#state !== 'installing') return
    // What a base stands for is committed.
    this.#context.commitTo(this.#context.log.baseIndex)
    this.#state = 'asking'
    this.#ask()
  }

  /** The logs part below what the upstream keeps: its base comes first. */
  baseChunk(chunk: BaseChunk): void {
    const { log, commitIndex, baseReceiver } = this.#context
    const isLate = this.#isLearner && this.#state === 'matched' && chunk.index > log.lastIndex
    if (this.#state !== 'asking' && this.#state !== 'receiving' && !isLate) return
    if (chunk.index <= log.baseIndex || chunk.index < commitIndex) return
    // Within an epoch an upstream's bases only rise; another one's may be lower.
    if (this.#state === 'asking' && chunk.index < baseReceiver.index) baseReceiver.reset()
    this.#state = 'receiving'
    this.#ticksWithoutChunk = 0
    this.#context.baseUpstream = this.upstream
    baseReceiver.chunk(chunk)
    // It may have come in whole in an epoch before.
    this.basePrepared()
  }

  /** The base that came in is whole, and durable. */
  basePrepared(): void {
    const { baseReceiver, preparedBase, commitIndex, emit } = this.#context
    if (this.#state !== 'receiving' || preparedBase?.index !== baseReceiver.index) return
    if (preparedBase.index < commitIndex) return
    this.#state = 'installing'
    this.#context.preparedBase = undefined
    baseReceiver.reset()
    emit({ type: 'installBase', committedIndex: commitIndex })
  }

  /** The base that came in is no good: it is asked for again. */
  baseDamaged(): void {
    this.#context.baseReceiver.reset()
    this.#context.preparedBase = undefined
    if (this.#state === 'receiving') this.#state = 'asking'
  }

  /** A record came from upstream, and with it the news of what is committed. */
  record(bytes: Buffer, commitIndex: number): void {
    if (this.#state !== 'cutting' && this.#state !== 'matched') return
    const { log, downstreams, epoch, emit } = this.#context
    const record = decodeRecord(bytes)
    if (record === undefined || record.firstIndex > log.lastIndex + 1) return this.#askAgain()
    this.#receivedUnsaidBytes += bytes.length
    if (record.lastIndex <= log.lastIndex) return this.#heldAlready(commitIndex)
    if (record.epoch > epoch || !record.previousHash.equals(log.lastHash)) {
      const message = `the upstream sent a record at index ${record.firstIndex} that does not follow this log`
      return emit({ type: 'alarm', message })
    }
    emit({ type: 'append', record })
    if (record.epoch === epoch && !this.#holdsEpoch) {
      this.#holdsEpoch = true
      // Before it is synced here: what the head's log holds does not depend on that, and a long chain need not wait for one
      // disk after the other.
      this.#leadOn()
    }
    if (commitIndex > this.#commitHeard) this.#commitHeard = commitIndex
    // The append's effect is still to come: the record's end is what the log will show after it.
    const committed = this.isMatched ? Math.min(this.#commitHeard, record.lastIndex) : 0
    // Forwarded before it is applied: the next replica's work and this one's sync go on meanwhile. The record carries the
    // news of the commit on: told one record later at each hop, the end of a long chain would hear of it by messages alone.
    downstreams.forward(record, Math.max(this.#context.commitIndex, committed))
    emit({ type: 'apply', record })
    if (!this.isMatched) return
    this.#context.commitTo(committed)
    this.#context.applied(record.lastIndex)
    this.#acknowledge(record.lastIndex)
  }

  /** The head has committed up to `commitIndex`: so has this replica, as far as it has matched. */
  hearCommit(commitIndex: number): void {
    if (commitIndex > this.#commitHeard) this.#commitHeard = commitIndex
    if (!this.isMatched) return
    const { log, downstreams } = this.#context
    this.#context.commitTo(Math.min(this.#commitHeard, log.lastIndex))
    downstreams.tellCommit(this.#context.commitIndex)
    this.#context.applied(log.lastIndex)
  }

  /** This log's or a subtree's durable progress changed. */
  progressed(): void {
    this.#leadOn()
    this.#report(false)
  }

  /** An operator accepted the loss of committed entries, and this log has not gone through that epoch yet. */
  #isGivenUp(): boolean {
    const recovered = this.#recovery?.epoch
    return recovered !== undefined && this.#context.log.epochs.every(({ epoch }) => epoch < recovered)
  }

  #ask(): void {
    const { log, commitIndex } = this.#context
    const { logId, lastIndex } = log
    const value = { logId, lastIndex, commitIndex, epochs: epochEnds(log) }
    this.#context.send(this.upstream, { $case: 'follow', value })
  }

  #askUnanswered(): void {
    this.#ticksToAsk -= 1
    if (this.#ticksToAsk > 0) return
    this.#askPauseTicks = Math.min(ASK_PAUSE_TICKS_MAX, this.#askPauseTicks * 2)
    this.#ticksToAsk = this.#askPauseTicks
    this.#ask()
  }

  /** Records are missing. Asked once a tick, however many come that do not fit: each answer brings a whole window. */
  #askAgain(): void {
    if (this.#hasAskedThisTick) return
    this.#hasAskedThisTick = true
    this.#ask()
  }

  #match(): void {
    this.#state = 'matched'
    this.#leadOn()
    this.hearCommit(this.#commitHeard)
    this.#report(this.#receivedUnsaidBytes >= RECEIPT_SIZE_BYTES)
  }

  /** The upstream sends again what arrived: after so much of it, it is told. */
  #heldAlready(commitIndex: number): void {
    this.hearCommit(commitIndex)
    this.#acknowledge(this.#context.log.lastIndex)
  }

  /** Told while its own subtree is slower, the upstream never closes its window on it. */
  #acknowledge(receivedIndex: number): void {
    if (this.#receivedUnsaidBytes >= RECEIPT_SIZE_BYTES) this.#report(true, receivedIndex)
  }

  /**
   * Answers its own downstreams, once it holds all of the head's log up to this epoch's EPOCH entry. A log that is only
   * matched may still be short: its downstream would be told to cut what the head has, even if committed.
   */
  #leadOn(): void {
    const { downstreams, commitIndex, emit } = this.#context
    if (!this.isMatched || !this.#holdsEpoch || downstreams.isLed) return
    const fault = downstreams.lead(commitIndex)
    if (fault !== undefined) emit({ type: 'alarm', message: fault })
  }

  #report(repeat: boolean, receivedIndex = this.#context.log.lastIndex): void {
    if (!this.isMatched) return
    const { log, downstreams } = this.#context
    const lowest = downstreams.lowestReport(log.durableIndex)
    const isNews = lowest !== undefined && lowest > this.#reportSent
    if (!isNews && !repeat) return
    this.#reportSent = lowest ?? this.#reportSent
    this.#receivedUnsaidBytes = 0
    const value = { index: lowest ?? 0, receivedIndex, matched: lowest !== undefined }
    this.#context.send(this.upstream, { $case: 'report', value })
  }
}

function decodeRecord(bytes: Buffer): LogRecord | undefined {
  try {
    return LogRecord.decode(bytes)
  } catch {
    return undefined
  }
}
