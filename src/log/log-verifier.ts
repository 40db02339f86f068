import { LogError } from './errors.js'
import { EMPTY_STATE, type LogState } from './log-state.js'
import type { LogRecord } from './record-codec.js'
import { RecordDirectory } from './record-directory.js'
import { ZERO_HASH } from './record-layout.js'

/** A log as found on disk: what a `StoredLog` starts from. */
export interface LogContents {
  readonly state: LogState
  readonly directory: RecordDirectory
  readonly lastIndex: number
  readonly lastHash: Buffer
  readonly lastLamport: number
  readonly lastWallMs: number
  readonly commitIndexHint: number
  /** Epochs of which the disk holds orphans: the greatest first index among them. */
  readonly orphanTops: Map<number, number>
}

export function emptyContents(): LogContents {
  return new LogVerifier(0, EMPTY_STATE, new Map()).finish()
}

/**
 * Takes a log's records in order as they come from disk, and finds out whether they are the log that its epoch table
 * describes: no gap, no broken link, nothing foreign (I8). Records that the caller vouches for are only counted.
 */
export class LogVerifier {
  readonly #shard: number
  readonly #state: LogState
  readonly #orphanTops: Map<number, number>
  readonly #directory = new RecordDirectory()
  #last: LogRecord | undefined
  #span = 0
  /** Index that the next record must begin with. */
  #next = 1
  #commitIndexHint = 0

  constructor(shard: number, state: LogState, orphanTops: Map<number, number>) {
    this.#shard = shard
    this.#state = state
    this.#orphanTops = orphanTops
    this.#next = (state.base?.index ?? 0) + 1
  }

  /** Takes a record by its first index alone. At least one `add` must follow before a span ends. */
  skip(firstIndex: number): void {
    this.#directory.push(firstIndex)
    this.#next = 0
  }

  /** @throws LogError LOG_DAMAGED, LOG_FOREIGN */
  add(record: LogRecord, epoch: number, firstIndex: number): void {
    const state = this.#state
    while (this.#span < state.spans.length && state.spans[this.#span]!.epoch !== epoch) this.#endSpan()
    if (record.shard !== this.#shard || record.epoch !== epoch || record.firstIndex !== firstIndex) {
      throw this.#damaged(
        firstIndex,
        `the record stored there is of index ${record.firstIndex}, epoch ${record.epoch}`,
      )
    }
    if (record.logId !== state.logId) {
      const text = `shard ${this.#shard}, index ${firstIndex}: a record of log ${record.logId}, expected ${state.logId}`
      throw new LogError('LOG_FOREIGN', text, { shard: this.#shard, index: firstIndex })
    }
    // After skipped records nothing is known of the record before: its successor's link is taken on trust.
    if (this.#next !== 0) {
      if (firstIndex !== this.#next)
        throw this.#damaged(this.#next, `missing; the next one is index ${firstIndex}`)
      const link = this.#last?.hash ?? this.#state.base?.hash ?? ZERO_HASH
      if (!record.previousHash.equals(link))
        throw this.#damaged(firstIndex, 'it does not continue the record before it')
    }
    const lamport = this.#last?.lastLamport ?? state.base?.lamport ?? 0
    const wallMs = this.#last?.wallMs ?? state.base?.wallMs ?? 0
    if (record.lamport <= lamport || record.wallMs < wallMs) {
      throw this.#damaged(firstIndex, 'its stamps are not above those before it')
    }
    this.#directory.push(firstIndex)
    this.#last = record
    this.#next = record.lastIndex + 1
    if (record.commitIndex > this.#commitIndexHint) this.#commitIndexHint = record.commitIndex
  }

  /** @throws LogError LOG_DAMAGED */
  finish(): LogContents {
    while (this.#span < this.#state.spans.length) this.#endSpan()
    const last = this.#last
    const base = this.#state.base
    return {
      state: this.#state,
      directory: this.#directory,
      lastIndex: last?.lastIndex ?? base?.index ?? 0,
      lastHash: last?.hash ?? base?.hash ?? ZERO_HASH,
      lastLamport: last?.lastLamport ?? base?.lamport ?? 0,
      lastWallMs: last?.wallMs ?? base?.wallMs ?? 0,
      commitIndexHint: Math.max(this.#commitIndexHint, base?.index ?? 0),
      orphanTops: this.#orphanTops,
    }
  }

  /** The span is over: did its records reach as far as the epoch table says? */
  #endSpan(): void {
    const span = this.#state.spans[this.#span]!
    this.#span++
    const following = this.#state.spans[this.#span]
    // What lies below the base is not there any more; the base vouches for it.
    const base = this.#state.base
    if (base !== undefined && span.endIndex !== 0 && span.endIndex < base.index) return
    if (this.#next === 0) return
    const end = this.#next - 1
    if (end < span.startIndex)
      throw this.#damaged(span.startIndex, `missing: epoch ${span.epoch} begins there`)
    if (span.endIndex !== 0 && span.endIndex !== end) {
      throw this.#damaged(this.#next, `missing: epoch ${span.epoch} ends at index ${span.endIndex}`)
    }
    if (span.endIndex !== 0 && !span.endHash.equals(this.#last?.hash ?? base?.hash ?? ZERO_HASH)) {
      throw this.#damaged(this.#last?.firstIndex ?? 0, 'its hash is not the one noted when its epoch ended')
    }
    if (following !== undefined && (span.endIndex === 0 || following.startIndex !== this.#next)) {
      throw this.#damaged(this.#next, `epoch ${following.epoch} begins at index ${following.startIndex}`)
    }
  }

  #damaged(index: number, what: string): LogError {
    const text = `shard ${this.#shard}, index ${index} is damaged: ${what}; rename the data folder and join anew`
    return new LogError('LOG_DAMAGED', text, { shard: this.#shard, index })
  }
}
