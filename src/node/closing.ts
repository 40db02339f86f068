/**
 * Closing a shard at a moment (docs/protocol.md, Time): what was answered once for a moment is the answer for ever, if
 * nothing that may still come can belong to it. That is so once an entry beyond it is committed. Where nothing newer exists
 * the head appends a NOOP at its present time, one for all closings that wait in a turn of the event loop. It never jumps
 * ahead: a moment that the head's clock has not reached is refused.
 */
import { delay } from '../client/delay.js'
import { VarveError } from '../client/errors.js'
import { EntryFlag, Operation } from '../log/entry.js'
import type { Log } from '../log/log.js'
import { isClosedAt, type Moment } from '../log/moment.js'
import type { StampClock } from '../log/stamp.js'
import { indexOfMoment } from '../projection/horizon-due.js'
import type { ShardProjection } from '../projection/shard-projection.js'
import type { ReplicaDriver } from '../replication/replica-driver.js'
import type { CommitWaits } from './commit-waits.js'
import { momentText } from './past-errors.js'

/** How long the head tries to close at a moment before it says that it cannot now. */
export const CLOSING_TIMEOUT_MS = 5_000
/** Time between two looks at a clock that is still at the moment asked for. */
const CLOCK_LOOK_MS = 1
/** So many NOOPs at the end of a log are passed over to find what is newest. */
const TRAILING_NOOPS_MAX = 256

export interface ClosingOptions {
  readonly name: string
  readonly log: Log
  /** Of the same log. */
  readonly projection: ShardProjection
  readonly driver: ReplicaDriver
  readonly clock: StampClock
  readonly waits: CommitWaits
  /** Address of the shard's head as far as known; '' where it is not. */
  readonly headHint: () => string
  /** Resolves when this process, as a head, is known to be in office (R1). Rejects with `VarveError`. */
  readonly barrier: () => Promise<void>
  /** Appends a NOOP as the head, at once. Why that cannot be; undefined when it is done. */
  readonly appendNoop: () => VarveError | undefined
}

export class Closing {
  readonly #options: ClosingOptions
  /** What is due at the end of this turn, for all who wait for it. */
  #noop: Promise<void> | undefined

  constructor(options: ClosingOptions) {
    this.#options = options
  }

  /**
   * The index that the shard's cut at the moment ends at, once nothing can be added to it. Any replica answers for what it
   * knows to be closed; the rest is the head's.
   * @throws VarveError BEHIND (hint: the head) where only the head can tell; OUT_OF_RANGE for a moment that is still to
   *   come; UNAVAILABLE while the shard cannot commit; RESOURCE_EXHAUSTED. LogError as `indexOfMoment`
   */
  async close(moment: Moment, signal: AbortSignal): Promise<number> {
    const { log, projection, driver, waits, name } = this.#options
    const endsAt = performance.now() + CLOSING_TIMEOUT_MS
    for (;;) {
      signal.throwIfAborted()
      if (isClosedAt(log, driver.replica.commitIndex, moment)) return indexOfMoment(projection, moment)
      this.#refuseElsewhere()
      if (this.#isToCome(moment)) await this.#refuseToCome(moment)
      this.#refuseWhileUnable()
      const leftMs = endsAt - performance.now()
      if (leftMs <= 0) {
        const text = `${name} could not commit an entry beyond ${momentText(name, moment)} within ${CLOSING_TIMEOUT_MS} ms`
        throw new VarveError('UNAVAILABLE', text)
      }
      if (this.#isPassed(moment)) await waits.until(log.lastIndex, leftMs, signal)
      else if (this.#clockHasPassed(moment)) await this.#appendNoop()
      else await delay(CLOCK_LOOK_MS, signal)
    }
  }

  /**
   * Index of what is newest and committed at the head, leaving NOOPs at the end aside: else closing one shard at another's
   * newest would be news itself, and be closed at in turn. Throws as `close`.
   */
  async newest(): Promise<number> {
    this.#refuseElsewhere()
    this.#refuseWhileUnable()
    await this.#options.barrier()
    const { log, driver } = this.#options
    const { commitIndex } = driver.replica
    const lowest = Math.max(log.baseIndex, commitIndex - TRAILING_NOOPS_MAX)
    let index = commitIndex
    while (index > lowest && this.#isNoop(index)) index -= 1
    return index
  }

  /** One at the end of this turn, for all that ask in it. */
  #appendNoop(): Promise<void> {
    this.#noop ??= new Promise((resolve, reject) => {
      setImmediate(() => {
        this.#noop = undefined
        try {
          const fault = this.#options.driver.replica.isHead ? this.#options.appendNoop() : undefined
          if (fault === undefined) resolve()
          else reject(fault)
        } catch (error) {
          reject(error)
        }
      })
    })
    return this.#noop
  }

  /** Whether the log has an entry beyond the moment, committed or not. */
  #isPassed(moment: Moment): boolean {
    const { log } = this.#options
    return isClosedAt(log, log.lastIndex, moment)
  }

  /** Whether an entry that is appended now would be beyond the moment. Of an index there is nothing to append. */
  #clockHasPassed(moment: Moment): boolean {
    const { clock, log } = this.#options
    return moment.kind !== 'wall' || clock.wall(log.lastStamp.wallMs) > moment.wallMs
  }

  #isToCome(moment: Moment): boolean {
    const { clock, log } = this.#options
    if (moment.kind === 'wall') return moment.wallMs > clock.wall(log.lastStamp.wallMs)
    return moment.kind === 'lamport' ? moment.lamport > clock.lamport : moment.index > log.lastIndex
  }

  async #refuseToCome(moment: Moment): Promise<void> {
    const { clock, log, name, barrier } = this.#options
    // A head that was replaced does not know what its successor has written meanwhile.
    if (moment.kind !== 'wall') await barrier()
    if (!this.#isToCome(moment)) return
    const now = new Date(clock.wall(log.lastStamp.wallMs)).toISOString()
    const newest = `the newest time of ${name} is ${now} (Lamport ${clock.lamport}, index ${log.lastIndex})`
    throw new VarveError('OUT_OF_RANGE', `${momentText(name, moment)} is still to come: ${newest}`)
  }

  #refuseElsewhere(): void {
    const { driver, name, headHint } = this.#options
    if (driver.replica.isHead) return
    const text = `${name}: this replica cannot tell what is still to come, its head can`
    throw new VarveError('BEHIND', text, { hint: headHint() === '' ? undefined : headHint() })
  }

  #refuseWhileUnable(): void {
    const { driver, name } = this.#options
    const reason = driver.replica.writeRefusal(true)
    if (reason !== undefined) throw new VarveError('UNAVAILABLE', `${name}: ${reason}`)
  }

  #isNoop(index: number): boolean {
    const record = this.#options.log.recordAt(index)
    if (record === undefined) return false
    const slot = index - record.firstIndex
    return record.operation(slot) === Operation.NOOP && (record.flags(slot) & EntryFlag.REFUSED) === 0
  }
}
