/**
 * Following a shard's entries from a position on. A watcher is a place in the log and nothing else: past and present
 * are read from the log in the same way, so there is no seam between them, and a watcher that is slow costs no
 * memory. The newest records are in the log's cache, where watchers that keep up find them.
 */
import type { Entry } from '../log/entry.js'
import { LogError } from '../log/errors.js'
import { horizonText } from '../log/horizon.js'
import type { Log } from '../log/log.js'
import { horizonOf } from '../log/log-base.js'
import type { LogRecord } from '../log/record-codec.js'
import { ProjectionError } from './errors.js'

export interface WatchOptions {
  /** Only entries whose key begins so; entries without a key (EPOCH, NOOP) then never match. */
  readonly prefix?: Buffer
  /** Deliver entries before they are committed too. */
  readonly tentative?: boolean
  /** Ends the watch, without an error. */
  readonly signal?: AbortSignal
}

export interface WatchBatch {
  /** In order of their indexes. Views on record bytes: copy what is to be kept. */
  readonly entries: readonly Entry[]
  /** All entries up to here that match have been delivered: go on from the next. */
  readonly throughIndex: number
  /** Entries up to here are committed: those of this batch, and tentative ones of batches before. */
  readonly committedIndex: number
  /** Tentative watches: entries delivered above this index were undone. Absent otherwise. */
  readonly undoneAbove?: number
}

/** What a watch follows. */
export interface WatchSource {
  readonly log: Log
  readonly committedIndex: number
  readonly appliedIndex: number
  readonly pause: () => Promise<void>
}

/** A batch ends at so many entries or bytes of records: whatever a watcher holds, it holds no more. */
const BATCH_ENTRIES_MAX = 1_024
const BATCH_SIZE_BYTES_MAX = 1_048_576
/** Records looked at before others get their turn, and before a watcher that nothing matches hears how far it is. */
const BATCH_RECORDS_MAX = 64
/** So far behind the log is read in sequence, past its cache. */
const FAR_BEHIND_ENTRIES = 65_536

interface Watcher {
  /** Index that it wants next. */
  next: number
  undoneAbove: number | undefined
  wake: (() => void) | undefined
}

/** All watches of one projection. */
export class Watches {
  readonly #source: WatchSource
  readonly #watchers = new Set<Watcher>()

  constructor(source: WatchSource) {
    this.#source = source
  }

  /** Watches that have begun and not ended. */
  get count(): number {
    return this.#watchers.size
  }

  /** Tells all watchers to look again. */
  wake(): void {
    for (const watcher of this.#watchers) watcher.wake?.()
  }

  /** Entries above `index` are undone. */
  undo(index: number): void {
    for (const watcher of this.#watchers) {
      if (watcher.next <= index + 1) continue
      watcher.undoneAbove = Math.min(index, watcher.undoneAbove ?? index)
      watcher.next = index + 1
      watcher.wake?.()
    }
  }

  /**
   * Entries from index `from` (at least 1) on, past ones first, then as they come, without gap or repetition; ends
   * only by the signal or by its reader. Beyond the log's end it waits for the log to get there.
   * @throws ProjectionError OUT_OF_RETENTION (index: the base's) when entries that it has still to deliver were
   *   dropped, at the beginning or later; LogError LOG_DAMAGED, LOG_IO while reading
   */
  async *watch(from: number, options: WatchOptions = {}): AsyncGenerator<WatchBatch, void, void> {
    const { signal } = options
    const watcher: Watcher = { next: Math.max(1, from), undoneAbove: undefined, wake: undefined }
    const wake = () => watcher.wake?.()
    signal?.addEventListener('abort', wake)
    this.#watchers.add(watcher)
    try {
      let toldCommitted = this.#source.committedIndex
      while (signal?.aborted !== true) {
        const batch = await this.#next(watcher, options, toldCommitted)
        if (batch === undefined) continue
        toldCommitted = batch.committedIndex
        yield batch
      }
    } finally {
      this.#watchers.delete(watcher)
      signal?.removeEventListener('abort', wake)
    }
  }

  /** The next batch, or undefined after a wait or a pause. */
  async #next(
    watcher: Watcher,
    options: WatchOptions,
    toldCommitted: number,
  ): Promise<WatchBatch | undefined> {
    const { committedIndex, appliedIndex, log } = this.#source
    const { undoneAbove } = watcher
    if (watcher.next <= log.baseIndex) throw droppedBelow(log)
    if (undoneAbove !== undefined) {
      watcher.undoneAbove = undefined
      if (options.tentative === true) {
        return { entries: [], throughIndex: watcher.next - 1, committedIndex, undoneAbove }
      }
    }
    const through = options.tentative === true ? Math.min(appliedIndex, log.lastIndex) : committedIndex
    if (watcher.next <= through) return await this.#gather(watcher, through, options)
    if (options.tentative === true && committedIndex > toldCommitted) {
      return { entries: [], throughIndex: watcher.next - 1, committedIndex }
    }
    await new Promise<void>(resolve => {
      watcher.wake = resolve
    })
    watcher.wake = undefined
    return undefined
  }

  async #gather(watcher: Watcher, through: number, options: WatchOptions): Promise<WatchBatch | undefined> {
    const { log, committedIndex } = this.#source
    const batch = new BatchBuilder(options.prefix)
    const from = watcher.next
    // What is committed is never cut off, so it may be read while others go on; what is not is read at once.
    if (committedIndex - from >= FAR_BEHIND_ENTRIES) {
      try {
        for await (const record of log.records(from, committedIndex)) {
          if (batch.add(record, watcher.next, through)) watcher.next = batch.nextIndex
          if (batch.isFull || options.signal?.aborted === true) break
        }
      } catch (error) {
        // Overtaken while it read: what it has is delivered, and the next look says the rest.
        if (!(error instanceof LogError && error.code === 'LOG_OUT_OF_RETENTION')) throw error
        if (watcher.next === from) return undefined
      }
    } else {
      while (watcher.next <= through && !batch.isFull) {
        const record = log.recordAt(watcher.next)
        if (record === undefined || !batch.add(record, watcher.next, through)) break
        watcher.next = batch.nextIndex
      }
    }
    if (watcher.next === from) throw missing(log, from)
    // Read before the pause: an undo may move the watcher back meanwhile, which it then hears of next.
    const throughIndex = watcher.next - 1
    if (batch.isFull) await this.#source.pause()
    else if (batch.entries.length === 0) return undefined
    return { entries: batch.entries, throughIndex, committedIndex }
  }
}

function droppedBelow(log: Log): ProjectionError {
  const text = horizonText(`shard_${log.shard}`, horizonOf(log))
  return new ProjectionError('OUT_OF_RETENTION', text, log.baseIndex)
}

function missing(log: Log, index: number): LogError {
  const text = `shard ${log.shard}, index ${index}: a watch found no record there, the log ends at ${log.lastIndex}`
  return new LogError('LOG_DAMAGED', text, { shard: log.shard, index })
}

class BatchBuilder {
  readonly entries: Entry[] = []
  /** First index that was not looked at. */
  nextIndex = 0
  readonly #prefix: Buffer | undefined
  #sizeBytes = 0
  #records = 0

  constructor(prefix: Buffer | undefined) {
    this.#prefix = prefix
  }

  get isFull(): boolean {
    return (
      this.entries.length >= BATCH_ENTRIES_MAX ||
      this.#sizeBytes >= BATCH_SIZE_BYTES_MAX ||
      this.#records >= BATCH_RECORDS_MAX
    )
  }

  /** Takes the record's matching entries from `from` to `through`; false where it has none of these indexes. */
  add(record: LogRecord, from: number, through: number): boolean {
    if (from < record.firstIndex || from > record.lastIndex) return false
    const last = Math.min(record.lastIndex, through)
    const before = this.entries.length
    for (let slot = from - record.firstIndex; slot <= last - record.firstIndex; slot++) {
      if (this.#matches(record, slot)) this.entries.push(record.entry(slot))
    }
    if (this.entries.length > before) this.#sizeBytes += record.sizeBytes
    this.#records++
    this.nextIndex = last + 1
    return true
  }

  #matches(record: LogRecord, slot: number): boolean {
    const prefix = this.#prefix
    if (prefix === undefined) return true
    if (record.keyLength(slot) < prefix.length) return false
    const start = record.keyStart(slot)
    for (let i = 0; i < prefix.length; i++) if (record.bytes[start + i] !== prefix[i]) return false
    return true
  }
}
