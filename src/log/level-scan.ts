/**
 * Reads a stopped node's folder, damaged or not, below `StoredLog`: what `varve log` does with `--data`. Nothing in the
 * folder is changed (`level-view.ts`), nothing is read ahead of what is asked for, so that the first record of a large
 * log is there at once, and damage is handed out in its place in the log instead of ending everything.
 */
import { baseOf } from './base-state.js'
import type { BlobStore } from './blob-store.js'
import { LogError } from './errors.js'
import { GroupCommit } from './group-commit.js'
import { LevelBlobStore } from './level-blobs.js'
import { type KeyRange, LevelDatabase } from './level-database.js'
import { LevelFacts } from './level-facts.js'
import { epochEndKey, epochOfKey, firstIndexOfKey, recordKey } from './level-keys.js'
import { checkFormat } from './level-log.js'
import { shardsWithRecords } from './level-shard.js'
import type { FolderFaults } from './level-view.js'
import { LinkCheck, type Scanned } from './link-check.js'
import type { LogBase } from './log-base.js'
import { LogDamage } from './log-damage.js'
import { decodeState, type LogState, type SpanState } from './log-state.js'
import { LogRecord } from './record-codec.js'
import { EPOCH_MAX } from './record-layout.js'

const LOG = 'log/'

/** A stopped node's folder, open for reading. */
export class FolderScan {
  /** What was found in its write-ahead files. */
  readonly faults: FolderFaults
  /** What else of the folder is damaged, beside the logs: lines of text. */
  readonly problems: readonly string[]
  readonly blobs: BlobStore
  readonly #database: LevelDatabase
  readonly #logs: ReadonlyMap<number, LogScan>

  private constructor(
    database: LevelDatabase,
    blobs: BlobStore,
    logs: ReadonlyMap<number, LogScan>,
    problems: readonly string[],
  ) {
    this.#database = database
    this.blobs = blobs
    this.#logs = logs
    this.problems = problems
    this.faults = database.faults ?? { damages: [], torn: undefined }
  }

  /**
   * Opens the folder at `dir`. Damage that leaves anything to read does not reject.
   * @throws LogError LOG_DAMAGED, LOG_NEWER_FORMAT, LOG_FOREIGN, LOG_LOCKED, LOG_IO
   */
  static async open(dir: string): Promise<FolderScan> {
    const database = await LevelDatabase.openForReading(dir)
    try {
      await checkFormat(database).catch(error => {
        if (!(error instanceof LogError) || error.code !== 'LOG_FOREIGN') throw error
        throw new LogError('LOG_FOREIGN', `${dir} holds some other database, not that of a Varve node`)
      })
      const problems: string[] = []
      const { facts } = await LevelFacts.load(database, error => problems.push(error.message))
      const blobs = new LevelBlobStore(database, readOnlyCommit(dir), facts)
      await blobs.load().catch(error => {
        if (!isDamage(error)) throw error
        problems.push(error.message)
      })
      const logs = new Map<number, LogScan>()
      for (const shard of await shardsIn(database, facts)) {
        logs.set(shard, await openLog(database, shard, facts.get(LOG + shard), problems))
      }
      return new FolderScan(database, blobs, logs, problems)
    } catch (error) {
      await database.close()
      throw error
    }
  }

  /** Ordinals of the shards whose logs are here, ascending. */
  shards(): number[] {
    return [...this.#logs.keys()]
  }

  /** The shard's log; undefined where the folder has none. */
  log(shard: number): LogScan | undefined {
    return this.#logs.get(shard)
  }

  close(): Promise<void> {
    return this.#database.close()
  }
}

/** One log in a stopped node's folder. */
export class LogScan {
  readonly shard: number
  readonly state: LogState
  readonly base: LogBase | undefined
  /** Where the log ends, as far as can be told. */
  readonly lastIndex: number
  /** Known to be committed by what the newest records say. */
  readonly commitIndex: number
  readonly #database: LevelDatabase

  constructor(database: LevelDatabase, shard: number, state: LogState, last: LogRecord | number) {
    this.shard = shard
    this.state = state
    this.base = baseOf(state)
    this.#database = database
    this.lastIndex = Math.max(typeof last === 'number' ? last : last.lastIndex, this.baseIndex)
    this.commitIndex = Math.max(typeof last === 'number' ? 0 : last.commitIndex, this.baseIndex)
  }

  get baseIndex(): number {
    return this.state.base?.index ?? 0
  }

  /**
   * The records from the one that holds `fromIndex` to the one that holds `toIndex`, in order, and the damage between
   * them. The next ones are read while one is looked at.
   * @throws LogError LOG_NEWER_FORMAT, LOG_IO
   */
  async *scan(fromIndex: number, toIndex = Number.POSITIVE_INFINITY): AsyncGenerator<Scanned> {
    const kept = this.baseIndex + 1
    const from = Math.max(fromIndex, kept)
    const links = new LinkCheck(this.shard, this.state, from === kept)
    for (const span of this.state.spans) {
      if (span.endIndex !== 0 && span.endIndex < from) continue
      if (span.startIndex > toIndex) return
      const start = await this.#recordAt(span, Math.max(from, span.startIndex))
      const range = rangeOfSpan(this.shard, span, start, toIndex)
      for await (const entries of readAhead(soundEntries(this.#database, range))) {
        for (const [key, bytes] of entries) {
          for (const each of links.add(key, bytes)) {
            // Behind the end of a log the last record is found.
            if (each instanceof LogDamage || each.lastIndex >= from) yield each
          }
        }
      }
      if (toIndex >= (span.endIndex || Number.POSITIVE_INFINITY)) yield* links.endSpan(span)
      else yield* links.endAt(toIndex, span.epoch, await this.#beginAfter(span, toIndex))
    }
  }

  /** What was cut off the log and is still here, by epoch and index, as `scan`. Only damage of the records themselves. */
  async *orphans(): AsyncGenerator<Scanned> {
    const lte = epochEndKey(this.shard, EPOCH_MAX)
    for (let gte = recordKey(this.shard, 0, 0); ; ) {
      const key = await this.#database.firstKey({ gte, lte })
      if (key === undefined) return
      const epoch = epochOfKey(key)
      yield* this.#orphansOf(epoch)
      if (epoch === EPOCH_MAX) return
      gte = recordKey(this.shard, epoch + 1, 0)
    }
  }

  async *#orphansOf(epoch: number): AsyncGenerator<Scanned> {
    const span = this.state.spans.find(each => each.epoch === epoch)
    // An open span holds all that is there of its epoch.
    if (span?.endIndex === 0) return
    const from = span === undefined ? 0 : span.endIndex + 1
    const range = { gte: recordKey(this.shard, epoch, from), lte: epochEndKey(this.shard, epoch) }
    for await (const entries of soundEntries(this.#database, range)) {
      for (const [key, bytes] of entries) {
        const index = firstIndexOfKey(key)
        try {
          yield LogRecord.decode(bytes, 'the record')
        } catch (error) {
          if (!isDamage(error)) throw error
          const what = `cut off in epoch ${epoch}: ${error.message}`
          const levelKey = key.toString('hex')
          yield new LogDamage({ shard: this.shard, epoch, index, lastIndex: 0, levelKey, what })
        }
      }
    }
  }

  /** Where the first record of the span above `index` begins; 0 where there is none. */
  async #beginAfter(span: SpanState, index: number): Promise<number> {
    const range = rangeOfSpan(this.shard, span, index + 1, Number.POSITIVE_INFINITY)
    const key = await this.#database.firstKey(range)
    return key === undefined ? 0 : firstIndexOfKey(key)
  }

  /** First index of the record that may hold `index`, within the span. */
  async #recordAt(span: SpanState, index: number): Promise<number> {
    const from = Math.max(span.startIndex, this.baseIndex + 1)
    if (index <= from) return from
    const gte = recordKey(this.shard, span.epoch, from)
    const key = await this.#database.lastKey({ gte, lte: recordKey(this.shard, span.epoch, index) })
    return key === undefined ? from : firstIndexOfKey(key)
  }
}

function rangeOfSpan(shard: number, span: SpanState, from: number, to: number): KeyRange {
  const last = Math.min(span.endIndex || Number.POSITIVE_INFINITY, to)
  const isOpen = last === Number.POSITIVE_INFINITY
  const lte = isOpen ? epochEndKey(shard, span.epoch) : recordKey(shard, span.epoch, last)
  return { gte: recordKey(shard, span.epoch, from), lte }
}

async function shardsIn(database: LevelDatabase, facts: LevelFacts): Promise<number[]> {
  const named = facts.names(LOG).map(name => Number(name.slice(LOG.length)))
  return [...new Set([...named, ...(await shardsWithRecords(database))])].sort((a, b) => a - b)
}

async function openLog(
  database: LevelDatabase,
  shard: number,
  stored: Buffer | undefined,
  problems: string[],
): Promise<LogScan> {
  let state: LogState
  try {
    if (stored === undefined) throw new LogError('LOG_DAMAGED', 'it is missing')
    state = decodeState(stored, shard)
  } catch (error) {
    if (!isDamage(error)) throw error
    problems.push(
      `the epoch table of shard ${shard} cannot be read (${error.message}): its records tell the epochs`,
    )
    state = await inferState(database, shard)
  }
  return new LogScan(database, shard, state, await lastOf(database, shard, state))
}

/** The newest record, or where it begins if it cannot be read. */
async function lastOf(database: LevelDatabase, shard: number, state: LogState): Promise<LogRecord | number> {
  const kept = (state.base?.index ?? 0) + 1
  for (const span of [...state.spans].reverse()) {
    if (span.endIndex !== 0 && span.endIndex < kept) break
    const from = Math.max(span.startIndex, kept)
    const key = await database.lastKey(rangeOfSpan(shard, span, from, Number.POSITIVE_INFINITY))
    if (key === undefined) continue
    try {
      return LogRecord.decode(database.getSync(key) ?? Buffer.alloc(0))
    } catch (error) {
      if (!isDamage(error)) throw error
      return firstIndexOfKey(key)
    }
  }
  return 0
}

/** Without an epoch table: a later epoch begins where it cut the one before. */
async function inferState(database: LevelDatabase, shard: number): Promise<LogState> {
  const spans: SpanState[] = []
  let logId = ''
  const lte = epochEndKey(shard, EPOCH_MAX)
  let gte = recordKey(shard, 0, 0)
  for (;;) {
    const key = await database.firstKey({ gte, lte })
    if (key === undefined) break
    const startIndex = firstIndexOfKey(key)
    while (spans.length > 0 && spans[spans.length - 1]!.startIndex >= startIndex) spans.pop()
    const first = await firstSound(database, { gte: key, lte })
    logId ||= first?.logId ?? ''
    const before = spans.pop()
    if (before !== undefined && first?.firstIndex === startIndex) {
      spans.push({ ...before, endIndex: startIndex - 1, endHash: first.previousHash })
    } else if (before !== undefined) {
      spans.push({ ...before, endIndex: startIndex - 1 })
    }
    spans.push({ epoch: epochOfKey(key), startIndex, endIndex: 0, endHash: Buffer.alloc(32) })
    gte = recordKey(shard, epochOfKey(key) + 1, 0)
  }
  return { logId, adoptedEpoch: spans[spans.length - 1]?.epoch ?? 0, spans }
}

async function firstSound(database: LevelDatabase, range: KeyRange): Promise<LogRecord | undefined> {
  for await (const entries of soundEntries(database, range)) {
    for (const [, bytes] of entries) {
      try {
        return LogRecord.decode(bytes)
      } catch (error) {
        if (!isDamage(error)) throw error
      }
    }
  }
  return undefined
}

/**
 * What can be read of a range. LevelDB goes past blocks that it cannot read and says so at the end, instead of the last
 * entries: these are then asked for one by one. What was in such blocks shows as a gap.
 */
async function* soundEntries(
  database: LevelDatabase,
  range: KeyRange,
): AsyncGenerator<[Buffer, Buffer][], void, undefined> {
  let gte = range.gte
  for (const countMax of [1_000, 1]) {
    try {
      for await (const entries of database.entries({ ...range, gte }, countMax)) {
        gte = Buffer.concat([entries[entries.length - 1]![0], Buffer.of(0)])
        yield entries
      }
      return
    } catch (error) {
      if (!(error instanceof LogError && error.code === 'LOG_IO')) throw error
    }
  }
}

/** Asks for the next item before the present one is looked at. */
async function* readAhead<T>(items: AsyncGenerator<T, void, undefined>): AsyncGenerator<T, void, undefined> {
  let next = items.next()
  try {
    for (;;) {
      const { done, value } = await next
      if (done) return
      next = items.next()
      // Whoever ends early does not wait for it.
      next.catch(() => {})
      yield value
    }
  } finally {
    await next.catch(() => {})
    await items.return()
  }
}

function readOnlyCommit(dir: string): GroupCommit {
  return new GroupCommit({
    write: () => Promise.reject(new Error('opened for reading')),
    stateOperations: () => [],
    released: () => {},
    onPoison: () => {},
    now: () => 0,
    name: `the database ${dir}`,
  })
}

function isDamage(error: unknown): error is LogError {
  return error instanceof LogError && error.code === 'LOG_DAMAGED'
}
