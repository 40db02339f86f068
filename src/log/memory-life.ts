import { LogError } from './errors.js'
import type { BlobWrite } from './memory-blob-store.js'
import type { MemoryDisk } from './memory-disk.js'
import type { LogRecord } from './record-codec.js'
import { type LogDisk, type LogWrite, StoredLog } from './stored-log.js'

export type Write = { log: LogWrite } | { meta: { name: string; value: Buffer } } | { blob: BlobWrite }

/** What a process has in memory between two crashes of a `MemoryLogStore`. */
export class MemoryLife {
  readonly meta: Map<string, Buffer>
  readonly poisonListeners: ((error: LogError) => void)[] = []
  readonly #diskOf: (shard: number) => MemoryDisk
  readonly #apply: (write: Write) => void
  readonly #now: () => number
  readonly #logs = new Map<number, StoredLog>()
  #queue: Write[] = []
  #oldestAt = 0
  #poisoned: LogError | undefined
  #syncsByItself = false
  #syncScheduled = false
  #waiting: { resolve: () => void; reject: (error: LogError) => void }[] = []

  constructor(
    meta: Map<string, Buffer>,
    diskOf: (shard: number) => MemoryDisk,
    apply: (write: Write) => void,
    now: () => number,
  ) {
    this.meta = meta
    this.#diskOf = diskOf
    this.#apply = apply
    this.#now = now
  }

  get poisoned(): LogError | undefined {
    return this.#poisoned
  }

  /** What is not synced, in order. */
  get queue(): readonly Write[] {
    return this.#queue
  }

  get oldestUnsyncedMs(): number {
    return this.#queue.length === 0 ? 0 : this.#now() - this.#oldestAt
  }

  log(shard: number): StoredLog {
    const known = this.#logs.get(shard)
    if (known !== undefined) return known
    const disk = this.#diskOf(shard)
    const log = new StoredLog(shard, this.#logDisk(disk), disk.contents())
    this.#logs.set(shard, log)
    return log
  }

  /** @throws LogError LOG_POISONED */
  enqueue(write: Write): void {
    if (this.#poisoned !== undefined) throw this.#poisoned
    if (this.#queue.length === 0) this.#oldestAt = this.#now()
    this.#queue.push(write)
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
    if (this.#poisoned !== undefined) return
    const writes = this.#queue
    const waiting = this.#waiting
    this.#queue = []
    this.#waiting = []
    const logs = new Set<StoredLog>()
    for (const write of writes) {
      this.#apply(write)
      if ('log' in write) logs.add(write.log.log)
    }
    for (const log of logs) {
      this.#diskOf(log.shard).forgetUnsynced()
      log.batchStarted()
      log.batchDurable()
    }
    for (const write of writes) if ('blob' in write) write.blob.done()
    for (const log of logs) log.notifyDurable()
    for (const { resolve } of waiting) resolve()
  }

  async flush(): Promise<void> {
    if (this.#poisoned !== undefined) throw this.#poisoned
    if (this.#queue.length === 0) return
    await new Promise<void>((resolve, reject) => this.#waiting.push({ resolve, reject }))
  }

  poison(reason: string): void {
    if (this.#poisoned !== undefined) return
    const error = new LogError(
      'LOG_POISONED',
      `the log store failed (${reason}): restart to verify it and go on`,
    )
    this.#poisoned = error
    for (const write of this.#queue) if ('blob' in write) write.blob.failed(error)
    for (const { reject } of this.#waiting) reject(error)
    for (const listener of this.poisonListeners) listener(error)
  }

  die(): void {
    this.#poisoned ??= new LogError('LOG_POISONED', 'the log store is closed: open it again')
    for (const log of this.#logs.values()) this.#diskOf(log.shard).forgetUnsynced()
    this.#queue = []
  }

  #logDisk(disk: MemoryDisk): LogDisk {
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
