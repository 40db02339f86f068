import type { BlobStore } from './blob-store.js'
import { commitMarkName, readCommitMark } from './commit-mark.js'
import { LogError } from './errors.js'
import { GroupCommit } from './group-commit.js'
import { LevelBlobStore } from './level-blobs.js'
import { LevelDatabase } from './level-database.js'
import { LevelFacts } from './level-facts.js'
import { META as FACT, RECORD, rangeOf, recordKey } from './level-keys.js'
import { isRecordEnd, LevelLogDisk, loadLog, shardsWithRecords } from './level-shard.js'
import type { Log, LogStore } from './log.js'
import { type BaseName, baseBlobName } from './log-base.js'
import { decodeState, encodeState } from './log-state.js'
import { emptyContents } from './log-verifier.js'
import type { Logger } from './logger.js'
import { RecordCache } from './record-cache.js'
import { FORMAT_VERSION } from './record-layout.js'
import { loadStarts } from './record-starts.js'
import { StoredLog } from './stored-log.js'

export interface LevelLogStoreOptions {
  /** The data folder; made when it is not there. */
  readonly dir: string
  readonly logger: Logger
  /** Open and verify the logs of these shards only. Default: of all that the folder holds. */
  readonly shards?: readonly number[]
  /** The cluster this process belongs to. A folder of another one is refused; a new one is marked. */
  readonly clusterId?: string
  /** Records kept in memory, beside those on their way to disk. Default: 16 MiB. */
  readonly recordCacheBytes?: number
  /**
   * Index up to which a log needs no verification, because a checkpoint vouches for the record that ends there (its
   * hash is to be compared with `hashAt`). Default: 0, everything is verified.
   */
  readonly verifyFrom?: (shard: number, blobs: BlobStore) => Promise<number>
  /** Monotonic milliseconds. Default: `performance.now`. */
  readonly now?: () => number
  /** Nothing in the folder is changed, whatever is written: a view of it is opened (`level-view.ts`). Default: false. */
  readonly readOnly?: boolean
}

const RECORD_CACHE_BYTES = 16_777_216
/**
 * Version of a folder with a log that is kept from a base: older software would take its epoch table for damaged. 2 stands
 * for bases that do not say when they were written, which are read as well.
 */
const FORMAT_WITH_BASES = 3
const FORMAT = 'format'
const CLUSTER = 'cluster'
const LOG = 'log/'
const META = 'meta/'

/** A process's logs in one LevelDB database. */
export class LevelLogStore implements LogStore {
  readonly #database: LevelDatabase
  readonly #facts: LevelFacts
  readonly #commit: GroupCommit
  readonly #blobs: LevelBlobStore
  readonly #cache: RecordCache
  readonly #logger: Logger
  readonly #logs = new Map<number, { log: StoredLog; disk: LevelLogDisk }>()
  readonly #poisonListeners: ((error: LogError) => void)[] = []
  #closing: Promise<void> | undefined

  private constructor(database: LevelDatabase, facts: LevelFacts, options: LevelLogStoreOptions) {
    this.#database = database
    this.#facts = facts
    this.#logger = options.logger
    this.#cache = new RecordCache(options.recordCacheBytes ?? RECORD_CACHE_BYTES)
    this.#commit = new GroupCommit({
      write: operations => database.write(operations),
      stateOperations: (log, state) => {
        const operations = [facts.set(LOG + log.shard, encodeState(state))]
        const isNew = state.base !== undefined && facts.get(FORMAT)?.[0] !== FORMAT_WITH_BASES
        if (isNew) operations.push(facts.set(FORMAT, Buffer.of(FORMAT_WITH_BASES)))
        return operations
      },
      released: records => {
        for (const record of records) this.#logs.get(record.shard)?.disk.release(record)
      },
      onPoison: error => this.#tellPoison(error),
      now: options.now ?? (() => performance.now()),
      name: `the database ${database.dir}`,
    })
    this.#blobs = new LevelBlobStore(database, this.#commit, facts)
  }

  /**
   * Opens a data folder and verifies what it holds: the write-ahead files, the format, the cluster, and of each log that
   * its records are all there, unharmed, and linked by hash.
   * @throws LogError LOG_DAMAGED (shard, index), LOG_NEWER_FORMAT, LOG_FOREIGN, LOG_LOCKED, LOG_IO
   */
  static async open(options: LevelLogStoreOptions): Promise<LevelLogStore> {
    const { readOnly, dir } = options
    const database = await (readOnly ? LevelDatabase.openForReading(dir) : LevelDatabase.open(dir))
    try {
      refuseFaults(database)
      await checkFormat(database)
      const { facts, replaced } = await LevelFacts.load(database)
      checkCluster(database, facts, options.clusterId)
      const store = new LevelLogStore(database, facts, options)
      await store.#prepare(options, replaced)
      return store
    } catch (error) {
      await database.close()
      throw error
    }
  }

  get blobs(): BlobStore {
    return this.#blobs
  }

  get poisoned(): LogError | undefined {
    return this.#commit.poisoned
  }

  get oldestUnsyncedMs(): number {
    return this.#commit.oldestUnsyncedMs
  }

  /** The cluster that the folder belongs to; undefined when nobody ever said. */
  get clusterId(): string | undefined {
    return this.#facts.get(CLUSTER)?.toString()
  }

  /** @throws TypeError when the folder holds this shard's log and it was not opened with it */
  log(shard: number): Log {
    const known = this.#logs.get(shard)
    if (known !== undefined) return known.log
    if (this.#facts.get(LOG + shard) !== undefined) {
      throw new TypeError(
        `the log of shard ${shard} was not opened: name it in 'shards' when opening the store`,
      )
    }
    if (!(shard >= 0 && shard <= 0xffff && Math.floor(shard) === shard)) throw new TypeError(`shard ${shard}`)
    return this.#addLog(shard, emptyContents())
  }

  shards(): number[] {
    const ordinals = this.#facts.names(LOG).map(name => Number(name.slice(LOG.length)))
    return ordinals.sort((a, b) => a - b)
  }

  onPoison(listener: (error: LogError) => void): void {
    this.#poisonListeners.push(listener)
  }

  flush(): Promise<void> {
    return this.#commit.settled()
  }

  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  getMeta(name: string): Buffer | undefined {
    return this.#facts.get(META + name)
  }

  setMeta(name: string, value: Buffer): void {
    if (name.includes('\0')) throw new TypeError('a name must not contain a zero byte')
    if (this.poisoned !== undefined) throw this.poisoned
    const { key, value: stored } = this.#facts.set(META + name, Buffer.from(value))
    this.#commit.put(key, stored)
  }

  async #prepare(options: LevelLogStoreOptions, replaced: Buffer[]): Promise<void> {
    const remains = await this.#blobs.load()
    if (!options.readOnly) await this.#clear([...replaced, ...remains])
    if (this.#facts.get(FORMAT) === undefined) this.#setFact(FORMAT, Buffer.of(FORMAT_VERSION))
    if (this.clusterId === undefined && options.clusterId !== undefined) {
      this.#setFact(CLUSTER, Buffer.from(options.clusterId))
    }
    await this.#commit.settled()
    const stored = this.shards()
    for (const shard of await shardsWithRecords(this.#database)) {
      if (stored.includes(shard)) continue
      throw new LogError('LOG_DAMAGED', `shard ${shard} has records and no epoch table`, { shard })
    }
    for (const shard of stored.filter(each => options.shards?.includes(each) ?? true)) {
      await this.#load(shard, (await options.verifyFrom?.(shard, this.#blobs)) ?? 0)
    }
  }

  async #load(shard: number, verifyFrom: number): Promise<void> {
    const startedAt = performance.now()
    const state = decodeState(this.#facts.get(LOG + shard)!, shard)
    if (state.base !== undefined) await this.#checkBase(shard, state.base, verifyFrom)
    const isInLog = (firstIndex: number, end: { readonly index: number; readonly hash: Buffer }) => {
      return isRecordEnd(this.#database, shard, state, firstIndex, end)
    }
    const keptFrom = state.base?.index ?? 0
    const known = await loadStarts(shard, this.#blobs, keptFrom, verifyFrom, isInLog, this.#logger)
    const contents = await loadLog(this.#database, shard, state, verifyFrom, known)
    const log = this.#addLog(shard, contents)
    const mark = readCommitMark(this.getMeta(commitMarkName(shard)))
    if (mark !== undefined) log.believe(mark)
    const tookMs = Math.round(performance.now() - startedAt)
    const { baseIndex, lastIndex, adoptedEpoch, commitIndexHint } = log
    const records = contents.directory.length
    this.#logger.info(
      { shard, baseIndex, lastIndex, adoptedEpoch, commitIndexHint, records, verifyFrom, tookMs },
      'log verified',
    )
  }

  /** A base that nothing vouches for is read as a whole: its bytes are what was written. */
  async #checkBase(shard: number, base: BaseName, verifyFrom: number): Promise<void> {
    const { index } = base
    const chunks = this.#blobs.read(baseBlobName(shard, base))
    if (chunks === undefined) {
      const text = `shard ${shard}: the base at index ${index} is missing: rename the data folder and join anew`
      throw new LogError('LOG_DAMAGED', text, { shard, index })
    }
    if (verifyFrom >= index) return
    for await (const _ of chunks);
  }

  #addLog(shard: number, contents: ReturnType<typeof emptyContents>): StoredLog {
    const disk = new LevelLogDisk(shard, this.#database, this.#commit, this.#cache.shard(), this.#blobs)
    const log = new StoredLog(shard, disk, contents)
    this.#logs.set(shard, { log, disk })
    return log
  }

  /** Deletes keys; only at open, when nobody reads. */
  async #clear(keys: Buffer[]): Promise<void> {
    if (keys.length === 0) return
    await this.#database.whileNoIteratorIsOpen(async () => {
      for (const key of keys) this.#commit.delete(key)
      await this.#commit.settled()
    })
  }

  #setFact(name: string, value: Buffer): void {
    const operation = this.#facts.set(name, value)
    this.#commit.put(operation.key, operation.value)
  }

  #tellPoison(error: LogError): void {
    this.#logger.error({ error: error.message }, 'log store poisoned')
    for (const listener of this.#poisonListeners) listener(error)
  }

  async #close(): Promise<void> {
    // A failure was told to `onPoison`; all that is left is to let go of the database.
    if (this.poisoned === undefined) await this.#commit.settled().catch(() => {})
    await Promise.all([...this.#logs.values()].map(({ disk }) => disk.stop()))
    this.#commit.close()
    await this.#database.close()
  }
}

/**
 * Before anything else is read: is this a data folder, and can this software read it?
 * @throws LogError LOG_DAMAGED, LOG_FOREIGN, LOG_NEWER_FORMAT, LOG_IO
 */
export async function checkFormat(database: LevelDatabase): Promise<void> {
  const format = (await LevelFacts.read(database, FORMAT))?.[0]
  if (format === undefined) {
    const isNew = (await database.firstKey({ gte: Buffer.alloc(0) })) === undefined
    if (isNew) return
    if (await holdsOurs(database)) {
      const text = `${database.dir} is damaged: it holds a log and no format version: rename the data folder and join anew`
      throw new LogError('LOG_DAMAGED', text)
    }
    throw new LogError('LOG_FOREIGN', `${database.dir} holds some other database: give a new or empty folder`)
  }
  if (format > FORMAT_WITH_BASES) {
    const text = `${database.dir} has format version ${format}, this software reads up to ${FORMAT_WITH_BASES}: upgrade it`
    throw new LogError('LOG_NEWER_FORMAT', text)
  }
}

/** As for whoever opens the folder itself: a damaged write-ahead file is refused. */
function refuseFaults({ faults, dir }: LevelDatabase): void {
  const damage = faults?.damages[0]
  if (damage === undefined) return
  const { file, offset } = damage
  throw new LogError('LOG_DAMAGED', `write-ahead file ${file} of ${dir} is damaged at offset ${offset}`)
}

/** Damage can take the format away and leave the rest: records, or facts about logs. */
async function holdsOurs(database: LevelDatabase): Promise<boolean> {
  const record = await database.firstKey(rangeOf(RECORD))
  if (record?.length === recordKey(0, 0, 0).length) return true
  const fact = await database.firstKey(rangeOf(FACT))
  return fact !== undefined && fact.length > 8 && fact[fact.length - 7] === 0
}

function checkCluster(database: LevelDatabase, facts: LevelFacts, clusterId: string | undefined): void {
  const owner = facts.get(CLUSTER)?.toString()
  if (clusterId !== undefined && owner !== undefined && owner !== clusterId) {
    const text = `${database.dir} belongs to cluster ${owner}, this is cluster ${clusterId}: give another data folder`
    throw new LogError('LOG_FOREIGN', text)
  }
}
