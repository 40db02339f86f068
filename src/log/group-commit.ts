/**
 * Group commit: at most one synced batch is in flight; everything that arrives meanwhile becomes the next one. With
 * one write outstanding its batch starts at once, in the same turn; under load batches grow by themselves.
 */
import { LogError, reasonOf } from './errors.js'
import type { LogWrite } from './log-disk.js'
import type { LogState } from './log-state.js'
import type { LogRecord } from './record-codec.js'
import type { StoredLog } from './stored-log.js'

export type BatchOperation = { type: 'put'; key: Buffer; value: Buffer } | { type: 'del'; key: Buffer }

interface Waiting {
  readonly resolve: () => void
  readonly reject: (error: LogError) => void
}

/** What one synced write of the database holds. */
class Batch {
  readonly operations: BatchOperation[] = []
  readonly logs = new Set<StoredLog>()
  /** The newest state of each log that changed its state: one write for all changes. */
  readonly states = new Map<StoredLog, LogState>()
  /** Records to be kept at hand until the batch is durable. */
  readonly records: LogRecord[] = []
  readonly waiting: Waiting[] = []
  since = 0
  isEmpty = true
}

export interface GroupCommitOptions {
  /** Writes all operations as one atomic, synced batch. */
  readonly write: (operations: BatchOperation[]) => Promise<void>
  /** What to write so that the database has this state of a log. */
  readonly stateOperations: (log: StoredLog, state: LogState) => BatchOperation[]
  /** These records are on disk. */
  readonly released: (records: readonly LogRecord[]) => void
  readonly onPoison: (error: LogError) => void
  /** Monotonic milliseconds. */
  readonly now: () => number
  /** What to call the database in an error. */
  readonly name: string
}

export class GroupCommit {
  readonly #options: GroupCommitOptions
  #next = new Batch()
  #inFlight: Batch | undefined
  #scheduled = false
  #poisoned: LogError | undefined

  constructor(options: GroupCommitOptions) {
    this.#options = options
  }

  get poisoned(): LogError | undefined {
    return this.#poisoned
  }

  get oldestUnsyncedMs(): number {
    const oldest = this.#inFlight ?? (this.#next.isEmpty ? undefined : this.#next)
    return oldest === undefined ? 0 : this.#options.now() - oldest.since
  }

  /** @throws LogError LOG_POISONED */
  put(key: Buffer, value: Buffer): void {
    this.#open().operations.push({ type: 'put', key, value })
  }

  /** Only under an `IteratorGate`. @throws LogError LOG_POISONED */
  delete(key: Buffer): void {
    this.#open().operations.push({ type: 'del', key })
  }

  /** `key` is the record's. @throws LogError LOG_POISONED */
  write(write: LogWrite, key: Buffer | undefined): void {
    const batch = this.#open()
    const { log, record, state } = write
    batch.logs.add(log)
    if (record !== undefined) batch.records.push(record)
    if (record !== undefined && key !== undefined)
      batch.operations.push({ type: 'put', key, value: record.bytes })
    if (state !== undefined) batch.states.set(log, state)
  }

  /** A record that is not durable yet, in the log or cut from it again. */
  pendingRecord(shard: number, epoch: number, firstIndex: number): LogRecord | undefined {
    const isIt = (each: LogRecord) => {
      return each.firstIndex === firstIndex && each.epoch === epoch && each.shard === shard
    }
    return this.#inFlight?.records.find(isIt) ?? this.#next.records.find(isIt)
  }

  /** Resolves when everything handed over so far is durable. @throws LogError LOG_POISONED */
  settled(): Promise<void> {
    if (this.#poisoned !== undefined) return Promise.reject(this.#poisoned)
    const batch = this.#next.isEmpty ? this.#inFlight : this.#next
    if (batch === undefined) return Promise.resolve()
    return new Promise((resolve, reject) => batch.waiting.push({ resolve, reject }))
  }

  /** Refuses everything from now on. Nobody is told. */
  close(): void {
    this.#poisoned ??= new LogError('LOG_POISONED', `${this.#options.name} is closed: open it again`)
  }

  #open(): Batch {
    if (this.#poisoned !== undefined) throw this.#poisoned
    const batch = this.#next
    if (!batch.isEmpty) return batch
    batch.isEmpty = false
    batch.since = this.#options.now()
    this.#schedule()
    return batch
  }

  /** Starts the batch now instead of at the end of this turn's own code. Nothing when one is in flight. */
  start(): void {
    if (!this.#next.isEmpty && this.#inFlight === undefined && this.#poisoned === undefined) void this.#run()
  }

  /** At the end of this turn's own code, before any other event: what one turn wrote travels together, at once. */
  #schedule(): void {
    if (this.#scheduled || this.#inFlight !== undefined) return
    this.#scheduled = true
    queueMicrotask(() => {
      this.#scheduled = false
      this.start()
    })
  }

  async #run(): Promise<void> {
    const batch = this.#next
    this.#next = new Batch()
    this.#inFlight = batch
    for (const log of batch.logs) log.batchStarted()
    try {
      for (const [log, state] of batch.states)
        batch.operations.push(...this.#options.stateOperations(log, state))
      await this.#options.write(batch.operations)
    } catch (error) {
      this.#poison(error)
      return
    }
    this.#inFlight = undefined
    this.#options.released(batch.records)
    for (const log of batch.logs) log.batchDurable()
    // The next batch is started before anyone is told: the disk must not wait for listeners.
    if (!this.#next.isEmpty && this.#poisoned === undefined) void this.#run()
    for (const log of batch.logs) log.notifyDurable()
    for (const { resolve } of batch.waiting) resolve()
  }

  /**
   * After a failed write or sync nobody knows what is on disk, and later synced writes on the same handle may be
   * acknowledged and lost. Nothing is taken any more; the process ends, and comes back by verifying its logs.
   */
  #poison(error: unknown): void {
    const text = `${this.#options.name} could not be written (${reasonOf(error)}): restart to verify it and go on`
    this.#poisoned = new LogError('LOG_POISONED', text, { cause: error })
    const waiting = [...(this.#inFlight?.waiting ?? []), ...this.#next.waiting]
    this.#inFlight = undefined
    this.#options.onPoison(this.#poisoned)
    for (const { reject } of waiting) reject(this.#poisoned)
  }
}
