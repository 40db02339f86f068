import { LogError } from './errors.js'
import { baseBlobName } from './log-base.js'
import type { ClearRange, LogDisk, LogWrite } from './log-disk.js'
import type { BlobWrite } from './memory-blob-store.js'
import type { MemoryDisk } from './memory-disk.js'
import type { LogRecord } from './record-codec.js'
import { StoredLog } from './stored-log.js'

export type Write =
  | { log: LogWrite }
  | { meta: { name: string; value: Buffer } }
  | { blob: BlobWrite }
  | { clear: { disk: MemoryDisk; ranges: readonly ClearRange[] } }

interface Waiting {
  readonly resolve: () => void
  readonly reject: (error: LogError) => void
}

function logsOf(writes: readonly Write[]): Set<StoredLog> {
  const logs = new Set<StoredLog>()
  for (const write of writes) if ('log' in write) logs.add(write.log.log)
  return logs
}

/** What a process has in memory between two crashes of a `MemoryLogStore`. */
export class MemoryLife {
  readonly meta: Map<string, Buffer>
  readonly poisonListeners: ((error: LogError) => void)[] = []
  readonly #diskOf: (shard: number) => MemoryDisk
  readonly #apply: (write: Write) => void
  readonly #hasBlob: (name: string) => boolean
  readonly #now: () => number
  readonly #logs = new Map<number, StoredLog>()
  #queue: Write[] = []
  /** The batch that is being synced. */
  #flight: Write[] = []
  #oldestAt = 0
  #poisoned: LogError | undefined
  #syncsByItself = false
  #syncScheduled = false
  #waiting: Waiting[] = []
  #flushing: Waiting[] = []
  /** Called after each write that was taken in. */
  onWrite: () => void = () => {}

  constructor(
    meta: Map<string, Buffer>,
    diskOf: (shard: number) => MemoryDisk,
    apply: (write: Write) => void,
    hasBlob: (name: string) => boolean,
    now: () => number,
  ) {
    this.meta = meta
    this.#diskOf = diskOf
    this.#apply = apply
    this.#hasBlob = hasBlob
    this.#now = now
  }

  get poisoned(): LogError | undefined {
    return this.#poisoned
  }

  /** What is not synced, in order. */
  get queue(): readonly Write[] {
    return this.#flight.length === 0 ? this.#queue : [...this.#flight, ...this.#queue]
  }

  get oldestUnsyncedMs(): number {
    return this.queue.length === 0 ? 0 : this.#now() - this.#oldestAt
  }

  log(shard: number): StoredLog {
    const known = this.#logs.get(shard)
    if (known !== undefined) return known
    const disk = this.#diskOf(shard)
    const log = new StoredLog(shard, this.#logDisk(shard, disk), disk.contents())
    this.#logs.set(shard, log)
    return log
  }

  /** @throws LogError LOG_POISONED */
  enqueue(write: Write): void {
    if (this.#poisoned !== undefined) throw this.#poisoned
    if (this.#queue.length === 0 && this.#flight.length === 0) this.#oldestAt = this.#now()
    this.#queue.push(write)
    this.onWrite()
    if (!this.#syncsByItself || this.#syncScheduled) return
    this.#syncScheduled = true
    queueMicrotask(() => {
      this.#syncScheduled = false
      this.sync()
    })
  }

  /** From now on whatever one turn writes is synced at its end. */
  syncByItself(): void {
    this.#syncsByItself = true
  }

  sync(): void {
    if (this.#flight.length > 0) this.endBatch()
    this.beginBatch()
    this.endBatch()
  }

  /** The disk begins to sync what was written so far; what is written from now on is the next batch. */
  beginBatch(): void {
    if (this.#poisoned !== undefined || this.#flight.length > 0) return
    this.#flight = this.#queue
    this.#queue = []
    this.#flushing = this.#waiting
    this.#waiting = []
    for (const log of logsOf(this.#flight)) log.batchStarted()
  }

  /** The batch that was begun is on disk. */
  endBatch(): void {
    if (this.#poisoned !== undefined) return
    const writes = this.#flight
    const waiting = this.#flushing
    this.#flight = []
    this.#flushing = []
    this.#oldestAt = this.#now()
    for (const write of writes) this.#apply(write)
    const logs = logsOf(writes)
    for (const log of logs) {
      if (this.#queue.length === 0) this.#diskOf(log.shard).forgetUnsynced()
      log.batchDurable()
    }
    for (const write of writes) if ('blob' in write) write.blob.done()
    for (const log of logs) log.notifyDurable()
    for (const { resolve } of waiting) resolve()
  }

  async flush(): Promise<void> {
    if (this.#poisoned !== undefined) throw this.#poisoned
    if (this.queue.length === 0) return
    // With nothing behind the batch in flight, its end is the end: no other batch would follow.
    const waiting = this.#queue.length === 0 ? this.#flushing : this.#waiting
    await new Promise<void>((resolve, reject) => waiting.push({ resolve, reject }))
  }

  poison(reason: string): void {
    if (this.#poisoned !== undefined) return
    const error = new LogError(
      'LOG_POISONED',
      `the log store failed (${reason}): restart to verify it and go on`,
    )
    this.#poisoned = error
    for (const write of this.queue) if ('blob' in write) write.blob.failed(error)
    for (const { reject } of [...this.#flushing, ...this.#waiting]) reject(error)
    for (const listener of this.poisonListeners) listener(error)
  }

  die(): void {
    this.#poisoned ??= new LogError('LOG_POISONED', 'the log store is closed: open it again')
    for (const log of this.#logs.values()) this.#diskOf(log.shard).forgetUnsynced()
    this.#queue = []
    this.#flight = []
  }

  #logDisk(shard: number, disk: MemoryDisk): LogDisk {
    const life = this
    return {
      get poisoned() {
        return life.#poisoned
      },
      write(write) {
        if (write.record !== undefined && write.put) disk.take(write.record)
        life.enqueue({ log: write })
      },
      startSync: () => {},
      cached: () => undefined,
      read: (epoch, firstIndex) => disk.get(epoch, firstIndex),
      readMany: async (epochs, firstIndexes) => firstIndexes.map((index, i) => disk.get(epochs[i]!, index)),
      stored: (epoch, firstIndex) => disk.get(epoch, firstIndex),
      holdsBase: base => life.#hasBlob(baseBlobName(shard, base)),
      clear: ranges => life.enqueue({ clear: { disk, ranges } }),
      cleared: () => life.flush().catch(() => {}),
      forget: () => {},
      orphans: isInLog => life.#orphans(disk, isInLog),
    }
  }

  async *#orphans(
    disk: MemoryDisk,
    isInLog: (epoch: number, firstIndex: number) => boolean,
  ): AsyncGenerator<LogRecord, void, undefined> {
    await this.flush()
    for (const record of disk.syncedInOrder()) if (!isInLog(record.epoch, record.firstIndex)) yield record
  }
}
