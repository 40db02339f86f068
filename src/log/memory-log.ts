import type { BlobStore } from './blob-store.js'
import type { LogError } from './errors.js'
import type { Log, LogStore } from './log.js'
import { MemoryBlobStore } from './memory-blob-store.js'
import { MemoryDisk } from './memory-disk.js'
import { MemoryLife, type Write } from './memory-life.js'

export interface MemoryLogStoreOptions {
  /** Make everything durable at the end of each turn. Default: only `sync` does. */
  readonly autoSync?: boolean
  /** Monotonic milliseconds, for `oldestUnsyncedMs`. Default: time stands still. */
  readonly now?: () => number
}

/**
 * Logs in memory, with a disk that keeps only what was synced: for tests, and for simulation. Nothing happens by
 * itself (unless `autoSync`): no timers, no randomness; the same calls always give the same result.
 */
export class MemoryLogStore implements LogStore {
  readonly #autoSync: boolean
  readonly #now: () => number
  readonly #disks = new Map<number, MemoryDisk>()
  readonly #durableMeta = new Map<string, Buffer>()
  readonly #blobs: MemoryBlobStore
  #life: MemoryLife
  #onWrite: () => void = () => {}

  constructor(options: MemoryLogStoreOptions = {}) {
    this.#autoSync = options.autoSync ?? false
    this.#now = options.now ?? (() => 0)
    this.#blobs = new MemoryBlobStore(write => this.#life.enqueue({ blob: write }))
    this.#life = this.#newLife()
  }

  get blobs(): BlobStore {
    return this.#blobs
  }

  get poisoned(): LogError | undefined {
    return this.#life.poisoned
  }

  get oldestUnsyncedMs(): number {
    return this.#life.oldestUnsyncedMs
  }

  /** How many writes the next `sync` makes durable, or `crash` loses. */
  get unsyncedWrites(): number {
    return this.#life.queue.length
  }

  log(shard: number): Log {
    return this.#life.log(shard)
  }

  shards(): number[] {
    const used = [...this.#disks].filter(([, disk]) => !disk.isEmpty)
    return used.map(([shard]) => shard).sort((a, b) => a - b)
  }

  onPoison(listener: (error: LogError) => void): void {
    this.#life.poisonListeners.push(listener)
  }

  /** Makes everything written so far durable and tells the logs' listeners. Nothing when poisoned. */
  sync(): void {
    this.#life.sync()
  }

  /** The two halves of `sync`, for a disk that takes its time: what is written in between is the next batch. */
  beginSync(): void {
    this.#life.beginBatch()
  }

  endSync(): void {
    this.#life.endBatch()
  }

  /** Calls `listener` after each write that needs a sync. There is one listener; a crash leaves it in place. */
  onWrite(listener: () => void): void {
    this.#onWrite = listener
  }

  /**
   * One bit of what is stored of a shard's log changes, as on a bad disk: bit `bit` of the record at `place` in its
   * order (modulo their number). False where nothing is stored. Opening the log after the next crash finds it.
   */
  flipBit(shard: number, place: number, bit: number): boolean {
    return this.#disks.get(shard)?.flipBit(place, bit) ?? false
  }

  /** As a failing disk does: nothing that is unsynced becomes durable, everything from now on is refused. */
  failSync(reason: string): void {
    this.#life.poison(reason)
  }

  /**
   * The process dies and starts anew: unsynced writes are gone, except for the first `kept` of them, which reached
   * the disk although nobody was told. Logs taken before refuse all writes; take them from `log` again.
   * Promises of `flush` and of blob writes in progress never settle, as after a real crash.
   * @throws LogError when the disk does not hold a sound log
   */
  crash(kept = 0): void {
    const dead = this.#life
    this.#blobs.crash()
    for (const write of dead.queue.slice(0, kept)) this.#apply(write)
    dead.die()
    this.#life = this.#newLife()
  }

  flush(): Promise<void> {
    return this.#life.flush()
  }

  async close(): Promise<void> {
    if (this.poisoned === undefined) this.sync()
    this.#life.die()
  }

  getMeta(name: string): Buffer | undefined {
    return this.#life.meta.get(name)
  }

  setMeta(name: string, value: Buffer): void {
    if (this.poisoned !== undefined) throw this.poisoned
    const copy = Buffer.from(value)
    this.#life.meta.set(name, copy)
    this.#life.enqueue({ meta: { name, value: copy } })
  }

  #newLife(): MemoryLife {
    const apply = (write: Write) => this.#apply(write)
    const hasBlob = (name: string) => this.#blobs.has(name)
    const diskOf = (shard: number) => this.#diskOf(shard)
    const life = new MemoryLife(new Map(this.#durableMeta), diskOf, apply, hasBlob, this.#now)
    life.onWrite = () => this.#onWrite()
    if (this.#autoSync) life.syncByItself()
    for (const shard of this.#disks.keys()) life.log(shard)
    return life
  }

  #diskOf(shard: number): MemoryDisk {
    let disk = this.#disks.get(shard)
    if (disk === undefined) {
      disk = new MemoryDisk()
      this.#disks.set(shard, disk)
    }
    return disk
  }

  #apply(write: Write): void {
    if ('meta' in write) this.#durableMeta.set(write.meta.name, write.meta.value)
    else if ('blob' in write) this.#blobs.apply(write.blob)
    else if ('clear' in write) write.clear.disk.clear(write.clear.ranges)
    else this.#diskOf(write.log.log.shard).apply(write.log)
  }
}
