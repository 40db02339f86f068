/**
 * A node's disk. The log rules are the real ones over `MemoryLogStore`; this adds a disk that takes its time, fails,
 * fills up, loses what was not synced, changes bits, and is replaced by an empty one.
 */
import type { Log, LogStore } from '../../../src/log/log.js'
import { MemoryLogStore } from '../../../src/log/memory-log.js'
import type { LogRecord } from '../../../src/log/record-codec.js'
import type { World } from './process.js'
import type { Life } from './schedule.js'

/** Free bytes of a disk with room, and of a full one: below the watermark at which heads stop taking writes. */
const FREE_BYTES = 100 * 2 ** 30
const FULL_BYTES = 2 ** 20

/** One data folder: what it holds outlives the process. */
export class Folder {
  readonly store: MemoryLogStore
  /** A bit was changed: until it is opened nobody knows. */
  isDamaged = false

  constructor(nowMs: () => number) {
    this.store = new MemoryLogStore({ now: nowMs })
  }
}

export class Disk {
  readonly address: string
  /** Writes fail once in a while until there is room again. */
  isFull = false
  folder: Folder
  /** How often everything here was lost: what was promised on it before may be missing. */
  generation = 0
  readonly #world: World
  #life: Life | undefined
  #isSyncing = false

  constructor(address: string, world: World) {
    this.address = address
    this.#world = world
    this.folder = this.#newFolder()
  }

  get freeBytes(): number {
    return this.isFull ? FULL_BYTES : FREE_BYTES
  }

  /** What a process that starts finds. @throws LogError where that is damaged */
  open(life: Life): LogStore {
    const { store } = this.folder
    this.#life = life
    this.#isSyncing = false
    store.crash(0)
    store.onWrite(() => this.#startSync(life))
    // Opening may have begun to clear what a trim left behind.
    if (store.unsyncedWrites > 0) this.#startSync(life)
    return bound(store, life)
  }

  /** The process is dead. Some of what it had written without sync is there all the same. */
  crash(): void {
    const { store } = this.folder
    const { random, trace } = this.#world
    const { unsyncedWrites } = store
    const kept = random.chance(0.5) ? 0 : random.below(unsyncedWrites + 1)
    if (unsyncedWrites > kept) trace.count('fault: crash loses unsynced writes')
    this.#life = undefined
    try {
      store.crash(kept)
    } catch {
      // A folder that is damaged says so when it is opened; until then nobody looks.
    }
  }

  /** The disk is replaced by an empty one, or a damaged folder was renamed. */
  replace(): void {
    this.generation += 1
    this.folder = this.#newFolder()
  }

  /** A bit of the stored log changes; false where nothing is stored. */
  flipBit(shard: number): boolean {
    const { random } = this.#world
    const isFlipped = this.folder.store.flipBit(shard, random.below(1_000_000), random.below(1_000_000))
    if (isFlipped) this.folder.isDamaged = true
    return isFlipped
  }

  failSync(): void {
    if (this.#life !== undefined) this.folder.store.failSync('sync: input/output error')
  }

  log(shard: number): Log {
    return this.folder.store.log(shard)
  }

  /** Every record that is here: orphans, and what is in the log, which may be one that nobody follows any more. */
  async records(shard: number): Promise<LogRecord[]> {
    const log = this.folder.store.log(shard)
    const found: LogRecord[] = []
    for await (const record of log.orphans()) found.push(record)
    for await (const record of log.records(log.baseIndex + 1)) found.push(record)
    return found
  }

  #newFolder(): Folder {
    return new Folder(() => this.#world.schedule.nowMs)
  }

  /** A sync begins at the end of the turn that wrote; another follows as long as there is something to sync. */
  #startSync(life: Life): void {
    if (this.#isSyncing || life.isDead) return
    this.#isSyncing = true
    const { schedule, random } = this.#world
    const { store } = this.folder
    schedule.after(life, 0, () => {
      const { weather } = this.#world.network
      store.beginSync()
      const isSlow = weather.slowSync > 0 && random.chance(weather.slowSync)
      if (isSlow) this.#world.trace.count('fault: slow sync')
      const ms = isSlow ? random.between(1, weather.slowSyncMs) : weather.syncMs * (0.5 + random.next())
      schedule.after(life, ms, () => {
        if (this.#fails()) return
        this.#isSyncing = false
        store.endSync()
        if (store.unsyncedWrites > 0) this.#startSync(life)
      })
    })
  }

  #fails(): boolean {
    const { random, network, trace } = this.#world
    const { failSync } = network.weather
    if (this.isFull && random.chance(0.2)) {
      trace.count('fault: write to a full disk fails')
      this.folder.store.failSync('write: no space left on device')
      return true
    }
    if (failSync === 0 || !random.chance(failSync)) return false
    trace.count('fault: sync fails')
    this.failSync()
    return true
  }
}

/** The store as one life of the process holds it: after its death nothing goes through. */
function bound(store: MemoryLogStore, life: Life): LogStore {
  return new Proxy(store, {
    get(target, name) {
      const value = Reflect.get(target, name, target) as unknown
      if (typeof value !== 'function') return value
      return (...args: unknown[]) => {
        if (life.isDead) throw new Error(`the process ${life.name} is dead`)
        return (value as (...args: unknown[]) => unknown).apply(target, args)
      }
    },
  })
}
