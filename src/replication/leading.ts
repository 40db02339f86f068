/**
 * The head's part in its epoch. It opens the epoch with an EPOCH entry; when every member reports that entry it says
 * Ready (I6); once in office, what every member reports is committed (I4).
 */
import type { Configuration } from '../generated/varve/v1/replication.js'
import type { LogRecord } from '../log/record-codec.js'
import { hasEnoughMembers } from './configuration.js'
import type { EpochContext } from './epoch-context.js'

/**
 * Ticks after the last Drain after which the head takes writes again. Who drains it says so each tick; a coordinator that died
 * over it may never come back, and the next one knows nothing of it.
 */
export const DRAIN_TICKS_MAX = 40

export class Leading {
  readonly #configuration: Configuration
  readonly #coordinator: string
  readonly #context: EpochContext
  /** Index of this epoch's EPOCH entry; 0 before it is written. */
  #epochIndex = 0
  /** Ticks that it still takes no writes for; 0 while it takes them. */
  #drainTicksLeft = 0

  constructor(configuration: Configuration, coordinator: string, context: EpochContext) {
    this.#configuration = configuration
    this.#coordinator = coordinator
    this.#context = context
  }

  /** What the head itself reports: its own log needs no match. Undefined before the epoch's first entry. */
  get reportedIndex(): number | undefined {
    return this.#epochIndex === 0 ? undefined : this.#context.log.durableIndex
  }

  /** Writes are refused: the head is on its way out. */
  get isDraining(): boolean {
    return this.#drainTicksLeft > 0
  }

  /** Nothing is left that is not committed. */
  get isDrained(): boolean {
    const { log, commitIndex } = this.#context
    return this.isDraining && commitIndex === log.lastIndex
  }

  /** Takes no more writes for now: whoever leads next then has all that was acknowledged weakly, too. */
  drain(): void {
    const isNews = !this.isDraining
    this.#drainTicksLeft = DRAIN_TICKS_MAX
    if (isNews) this.#context.emit({ type: 'changed' })
  }

  /** Time passes. */
  tick(): void {
    if (!this.isDraining) return
    this.#drainTicksLeft -= 1
    if (!this.isDraining) this.#context.emit({ type: 'changed' })
  }

  /** Opens the epoch. */
  begin(): void {
    this.#context.emit({ type: 'writeEpoch', configuration: this.#configuration })
  }

  /** A record was appended; the first of an epoch holds its EPOCH entry. */
  appended(record: LogRecord): void {
    const { epoch, commitIndex, downstreams } = this.#context
    if (record.epoch === epoch && this.#epochIndex === 0) {
      this.#epochIndex = record.firstIndex
      this.#lead()
    }
    downstreams.forward(record, commitIndex)
  }

  /** This log's or a subtree's durable progress changed, or the epoch came into office. */
  progressed(): void {
    if (this.#context.isActive) this.#advanceCommit()
    else this.#sayReady()
  }

  /** Says again what may have been lost. */
  repeat(): void {
    if (!this.#context.isActive) this.#sayReady()
  }

  /** Why nothing strong can be answered now (I6, Changes of configuration 8), in words; undefined where it can. */
  strongRefusal(): string | undefined {
    const { members, minInSync, epoch } = this.#configuration
    if (!hasEnoughMembers(this.#configuration)) return `${members.length} of ${minInSync} in-sync members`
    if (this.#context.commitIndex < this.#epochIndex) return `epoch ${epoch} has no committed entry yet`
    return undefined
  }

  #lead(): void {
    const { downstreams, commitIndex, emit } = this.#context
    const fault = downstreams.lead(commitIndex)
    if (fault !== undefined) emit({ type: 'alarm', message: fault })
  }

  /** What all members hold, once that is this epoch's EPOCH entry at least. */
  #heldByAll(): number | undefined {
    const { log, downstreams } = this.#context
    const lowest = downstreams.lowestReport(log.durableIndex)
    return this.#epochIndex === 0 || lowest === undefined || lowest < this.#epochIndex ? undefined : lowest
  }

  #sayReady(): void {
    if (this.#heldByAll() === undefined) return
    const epochIndex = this.#epochIndex
    const epochHash = this.#context.log.hashAt(epochIndex)!
    this.#context.send(this.#coordinator, { $case: 'ready', value: { epochIndex, epochHash } })
  }

  #advanceCommit(): void {
    if (!hasEnoughMembers(this.#configuration)) return
    const held = this.#heldByAll()
    if (held === undefined) return
    this.#context.commitTo(held)
  }
}
