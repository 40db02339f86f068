/**
 * Takes what is stored of a log, record by record, and tells what of it is the log and what is damage. Unlike
 * `LogVerifier`, which ends at the first fault, it goes on behind each: nothing sound is lost, and nothing is made up.
 */
import { LogError } from './errors.js'
import { epochOfKey, firstIndexOfKey } from './level-keys.js'
import { type DamagePlace, LogDamage } from './log-damage.js'
import type { LogState, SpanState } from './log-state.js'
import { LogRecord } from './record-codec.js'
import { ZERO_HASH } from './record-layout.js'

/** What a reader gets, in order of their indexes. */
export type Scanned = LogRecord | LogDamage

export class LinkCheck {
  readonly #shard: number
  readonly #state: LogState
  /** Index that the next record must begin with; 0 while nothing is known of what is before. */
  #next: number
  /** Hash that the next record must name; undefined while it is not known. */
  #hash: Buffer | undefined
  #lamport = 0
  #wallMs = 0
  /** A record that cannot be read: where it ends is known when the next one begins. */
  #pending: DamagePlace | undefined

  /** `fromBeginning`: the first record to come is the first that the log keeps. */
  constructor(shard: number, state: LogState, fromBeginning: boolean) {
    this.#shard = shard
    this.#state = state
    const { base } = state
    this.#next = fromBeginning ? (base?.index ?? 0) + 1 : 0
    this.#hash = fromBeginning ? (base?.hash ?? ZERO_HASH) : undefined
    if (!fromBeginning || base === undefined) return
    this.#lamport = base.lamport
    this.#wallMs = base.wallMs
  }

  /** What is stored under the next key. @throws LogError LOG_NEWER_FORMAT */
  add(key: Buffer, bytes: Buffer): Scanned[] {
    const firstIndex = firstIndexOfKey(key)
    const epoch = epochOfKey(key)
    if (this.#next !== 0 && firstIndex < this.#next) {
      const what = 'a record is stored there, within the one before it'
      return [this.#damage(firstIndex, firstIndex, epoch, what, key)]
    }
    const scanned: Scanned[] = this.#gap(
      firstIndex - 1,
      epoch,
      `the next record begins at index ${firstIndex}`,
    )
    this.#next = firstIndex + 1
    const record = this.#decode(key, bytes, firstIndex, epoch)
    if (record === undefined) return scanned
    scanned.push(...this.#faultsOf(record, key), record)
    this.#next = record.lastIndex + 1
    this.#hash = record.hash
    this.#lamport = record.lastLamport
    this.#wallMs = record.wallMs
    return scanned
  }

  /** The span is over: did its records reach as far as the epoch table says? */
  endSpan({ epoch, startIndex, endIndex, endHash }: SpanState): LogDamage[] {
    const kept = (this.#state.base?.index ?? 0) + 1
    if (endIndex === 0) {
      if (this.#pending !== undefined) return this.#flush(0)
      const isEmpty = this.#next !== 0 && this.#next <= startIndex && startIndex >= kept
      return isEmpty ? [this.#damage(startIndex, 0, epoch, `missing: epoch ${epoch} begins there`)] : []
    }
    if (endIndex < kept) return []
    const damages = this.#gap(endIndex, epoch, `epoch ${epoch} ends at index ${endIndex}`)
    if (damages.length === 0 && this.#hash !== undefined && !this.#hash.equals(endHash)) {
      const what = `its hash is not the one that was noted when epoch ${epoch} ended`
      damages.push(
        this.#damage(endIndex, endIndex, epoch, what, undefined, short(endHash), short(this.#hash)),
      )
    }
    this.#next = endIndex + 1
    this.#hash = endHash
    return damages
  }

  /** The reader ends at `index`, within a span whose next record begins at `follower`; 0: it has no further one. */
  endAt(index: number, epoch: number, follower: number): LogDamage[] {
    if (this.#pending !== undefined) return this.#flush(follower === 0 ? 0 : follower - 1)
    if (follower === 0 || this.#next > index) return []
    return this.#gap(follower - 1, epoch, `the next record begins at index ${follower}`)
  }

  /** What is missing or unreadable up to `lastIndex`. */
  #gap(lastIndex: number, epoch: number, context: string): LogDamage[] {
    if (this.#pending !== undefined) return this.#flush(lastIndex)
    if (this.#next === 0 || this.#next > lastIndex) return []
    this.#hash = undefined
    return [this.#damage(this.#next, lastIndex, epoch, `missing: ${context}`)]
  }

  #flush(lastIndex: number): LogDamage[] {
    const pending = this.#pending
    this.#pending = undefined
    return pending === undefined ? [] : [new LogDamage({ ...pending, lastIndex })]
  }

  #decode(key: Buffer, bytes: Buffer, firstIndex: number, epoch: number): LogRecord | undefined {
    let what: string
    try {
      const record = LogRecord.decode(bytes, 'the record')
      const isRight =
        record.shard === this.#shard &&
        record.epoch === epoch &&
        record.firstIndex === firstIndex &&
        (record.logId === this.#state.logId || this.#state.logId === '')
      if (isRight) return record
      const found = `shard ${record.shard}, epoch ${record.epoch}, index ${record.firstIndex}`
      what = `a record of ${found}, log ${record.logId} is stored there`
    } catch (error) {
      if (!(error instanceof LogError) || error.code !== 'LOG_DAMAGED') throw error
      what = error.message
    }
    this.#hash = undefined
    this.#pending = this.#damage(firstIndex, 0, epoch, what, key).place
    return undefined
  }

  /** What a whole record says that does not fit what is before it. */
  #faultsOf(record: LogRecord, key: Buffer): LogDamage[] {
    const { firstIndex, lastIndex, epoch, lamport, wallMs, previousHash } = record
    const faults: LogDamage[] = []
    const add = (what: string, expected: string, found: string) =>
      faults.push(this.#damage(firstIndex, lastIndex, epoch, what, key, expected, found))
    if (this.#hash !== undefined && !previousHash.equals(this.#hash)) {
      add('it does not continue the record before it', `hash ${short(this.#hash)}`, short(previousHash))
    }
    if (lamport <= this.#lamport) {
      add('its Lamport time does not rise', `above ${this.#lamport}`, String(lamport))
    }
    if (wallMs < this.#wallMs) {
      add('its wall time is before that of the record before', `${this.#wallMs} or later`, String(wallMs))
    }
    return faults
  }

  #damage(
    index: number,
    lastIndex: number,
    epoch: number,
    what: string,
    key?: Buffer,
    expected?: string,
    found?: string,
  ): LogDamage {
    const levelKey = key?.toString('hex') ?? ''
    return new LogDamage({ shard: this.#shard, epoch, index, lastIndex, levelKey, what, expected, found })
  }
}

function short(hash: Buffer): string {
  return `${hash.toString('hex', 0, 8)}…`
}
