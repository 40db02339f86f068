import type { LogError } from './errors.js'
import type { GroupCommit } from './group-commit.js'
import type { LevelBlobStore } from './level-blobs.js'
import { LevelClearing } from './level-clearing.js'
import type { LevelDatabase } from './level-database.js'
import { epochEndKey, epochOfKey, firstIndexOfKey, recordKey, shardOfKey } from './level-keys.js'
import { type BaseName, baseBlobName } from './log-base.js'
import type { ClearRange, LogDisk, LogWrite } from './log-disk.js'
import type { LogState, SpanState } from './log-state.js'
import { type LogContents, LogVerifier } from './log-verifier.js'
import type { ShardRecordCache } from './record-cache.js'
import { LogRecord } from './record-codec.js'
import { EPOCH_MAX } from './record-layout.js'
import type { KnownStarts } from './record-starts.js'

/** One log's part of the database. */
export class LevelLogDisk implements LogDisk {
  readonly #shard: number
  readonly #database: LevelDatabase
  readonly #commit: GroupCommit
  readonly #cache: ShardRecordCache
  readonly #blobs: LevelBlobStore
  readonly #clearing: LevelClearing

  constructor(
    shard: number,
    database: LevelDatabase,
    commit: GroupCommit,
    cache: ShardRecordCache,
    blobs: LevelBlobStore,
  ) {
    this.#shard = shard
    this.#database = database
    this.#commit = commit
    this.#cache = cache
    this.#blobs = blobs
    this.#clearing = new LevelClearing(shard, database, commit)
  }

  get poisoned(): LogError | undefined {
    return this.#commit.poisoned
  }

  write(write: LogWrite): void {
    const { record, put } = write
    const key =
      record !== undefined && put ? recordKey(this.#shard, record.epoch, record.firstIndex) : undefined
    this.#commit.write(write, key)
    if (record !== undefined) this.#cache.pin(record)
  }

  startSync(): void {
    this.#commit.start()
  }

  cached(firstIndex: number): LogRecord | undefined {
    return this.#cache.get(firstIndex)
  }

  read(epoch: number, firstIndex: number): LogRecord | undefined {
    const bytes = this.#database.getSync(recordKey(this.#shard, epoch, firstIndex))
    if (bytes === undefined) return undefined
    const record = decodeStored(bytes, this.#shard, firstIndex)
    // Under the wrong key, a record is not this log's, and must not be found under its own index either.
    if (record.firstIndex === firstIndex && record.epoch === epoch) this.#cache.add(record)
    return record
  }

  async readMany(epochs: number[], firstIndexes: number[]): Promise<(LogRecord | undefined)[]> {
    const records = firstIndexes.map(firstIndex => this.#cache.get(firstIndex))
    const missing = firstIndexes.flatMap((firstIndex, i) => {
      return records[i] === undefined ? [recordKey(this.#shard, epochs[i]!, firstIndex)] : []
    })
    if (missing.length === 0) return records
    // Reading in sequence goes past the cache: it would only push out what is read again and again.
    const found = await this.#database.getMany(missing)
    let at = 0
    return records.map((record, i) => {
      if (record !== undefined) return record
      const bytes = found[at++]
      return bytes === undefined ? undefined : decodeStored(bytes, this.#shard, firstIndexes[i]!)
    })
  }

  stored(epoch: number, firstIndex: number): LogRecord | undefined {
    const pending = this.#commit.pendingRecord(this.#shard, epoch, firstIndex)
    if (pending !== undefined) return pending
    const bytes = this.#database.getSync(recordKey(this.#shard, epoch, firstIndex))
    return bytes === undefined ? undefined : decodeStored(bytes, this.#shard, firstIndex)
  }

  forget(firstIndex: number): void {
    this.#cache.forget(firstIndex)
  }

  holdsBase(base: BaseName): boolean {
    return this.#blobs.has(baseBlobName(this.#shard, base))
  }

  clear(ranges: readonly ClearRange[]): void {
    // What is not needed any more is no burden on a view.
    if (!this.#database.isView) this.#clearing.start(ranges)
  }

  cleared(): Promise<void> {
    return this.#clearing.finished()
  }

  /** The store is about to close: nothing more is removed. */
  stop(): Promise<void> {
    return this.#clearing.stop()
  }

  /** The records are durable, and need not be kept at hand any more. */
  release(record: LogRecord): void {
    this.#cache.release(record)
  }

  async *orphans(
    isInLog: (epoch: number, firstIndex: number) => boolean,
  ): AsyncGenerator<LogRecord, void, undefined> {
    await this.#commit.settled()
    for await (const { epoch, first, last } of epochsOnDisk(this.#database, this.#shard)) {
      if (isInLog(epoch, last)) continue
      // Of an epoch, what was cut off is its end: nothing of what stayed is read.
      const from = firstOutside(first, last, index => isInLog(epoch, index))
      const range = { gte: recordKey(this.#shard, epoch, from), lte: epochEndKey(this.#shard, epoch) }
      for await (const entries of this.#database.entries(range)) {
        for (const [key, bytes] of entries) {
          const firstIndex = firstIndexOfKey(key)
          if (!isInLog(epoch, firstIndex)) yield decodeStored(bytes, this.#shard, firstIndex)
        }
      }
    }
  }
}

/** The lowest index above those from `first` on that are in the log; `last` is not. */
function firstOutside(first: number, last: number, isInLog: (index: number) => boolean): number {
  let low = first
  let high = last
  while (low < high) {
    const middle = low + Math.floor((high - low) / 2)
    if (isInLog(middle)) low = middle + 1
    else high = middle
  }
  return low
}

function decodeStored(bytes: Buffer, shard: number, index: number): LogRecord {
  return LogRecord.decodeStored(bytes, `shard ${shard}, index ${index}`, { shard, index })
}

/** Ordinals of all shards that have records, ascending. */
export async function shardsWithRecords(database: LevelDatabase): Promise<number[]> {
  const shards: number[] = []
  const end = epochEndKey(0xffff, EPOCH_MAX)
  let key = await database.firstKey({ gte: recordKey(0, 0, 0), lte: end })
  while (key !== undefined) {
    const shard = shardOfKey(key)
    shards.push(shard)
    key = shard < 0xffff ? await database.firstKey({ gte: recordKey(shard + 1, 0, 0), lte: end }) : undefined
  }
  return shards
}

/**
 * Reads a log from disk and verifies it. Records that end at or below `verifyFrom` are vouched for by the caller (a
 * checkpoint): of those only the keys are read, and not even these where `known` says where records begin.
 * @throws LogError LOG_DAMAGED (shard, index), LOG_NEWER_FORMAT, LOG_FOREIGN, LOG_IO
 */
export async function loadLog(
  database: LevelDatabase,
  shard: number,
  state: LogState,
  verifyFrom: number,
  known: KnownStarts = { starts: new Float64Array(0), lastIndex: state.base?.index ?? 0 },
): Promise<LogContents> {
  const verifier = new LogVerifier(shard, state, await orphanTops(database, shard, state))
  const kept = (state.base?.index ?? 0) + 1
  const start =
    verifyFrom >= kept ? await skipVouched(database, shard, state, verifyFrom, verifier, known) : kept
  for (const span of state.spans) {
    if (span.endIndex !== 0 && span.endIndex < start) continue
    const range = rangeOfSpan(shard, span, Math.max(start, span.startIndex))
    for await (const entries of database.entries(range)) {
      for (const [key, bytes] of entries) {
        const firstIndex = firstIndexOfKey(key)
        const where = `shard ${shard}, index ${firstIndex}`
        verifier.add(LogRecord.decode(bytes, where, { shard, index: firstIndex }), span.epoch, firstIndex)
      }
    }
  }
  return verifier.finish()
}

/** @returns first index of the record to verify from: the one that holds `verifyFrom`, or the last */
async function skipVouched(
  database: LevelDatabase,
  shard: number,
  state: LogState,
  verifyFrom: number,
  verifier: LogVerifier,
  known: KnownStarts,
): Promise<number> {
  const kept = (state.base?.index ?? 0) + 1
  let held = 0
  for (const firstIndex of known.starts) {
    if (held > 0) verifier.skip(held)
    held = firstIndex
  }
  const unknown = known.lastIndex + 1
  for (const span of state.spans) {
    if (span.endIndex !== 0 && span.endIndex < unknown) continue
    for await (const keys of database.keys(rangeOfSpan(shard, span, Math.max(unknown, span.startIndex)))) {
      for (const key of keys) {
        const firstIndex = firstIndexOfKey(key)
        if (firstIndex > verifyFrom) return held || kept
        if (held > 0) verifier.skip(held)
        held = firstIndex
      }
    }
  }
  return held || kept
}

/** Whether the record that begins there is in the log, ends at `index` and has that hash; false where it is damaged. */
export function isRecordEnd(
  database: LevelDatabase,
  shard: number,
  state: LogState,
  firstIndex: number,
  { index, hash }: { readonly index: number; readonly hash: Buffer },
): boolean {
  const span = state.spans.findLast(each => each.startIndex <= firstIndex)
  if (span === undefined || (span.endIndex !== 0 && span.endIndex < index)) return false
  const bytes = database.getSync(recordKey(shard, span.epoch, firstIndex))
  if (bytes === undefined) return false
  try {
    const record = decodeStored(bytes, shard, firstIndex)
    return record.lastIndex === index && record.hash.equals(hash)
  } catch {
    return false
  }
}

function rangeOfSpan(shard: number, span: SpanState, from: number): { gte: Buffer; lte: Buffer } {
  const gte = recordKey(shard, span.epoch, from)
  const lte =
    span.endIndex === 0 ? epochEndKey(shard, span.epoch) : recordKey(shard, span.epoch, span.endIndex)
  return { gte, lte }
}

/** Of each epoch with records outside the log, the greatest first index among them. */
async function orphanTops(
  database: LevelDatabase,
  shard: number,
  state: LogState,
): Promise<Map<number, number>> {
  const tops = new Map<number, number>()
  for await (const { epoch, last } of epochsOnDisk(database, shard)) {
    const span = state.spans.find(each => each.epoch === epoch)
    const isInLog = span !== undefined && (span.endIndex === 0 || last <= span.endIndex)
    if (!isInLog) tops.set(epoch, last)
  }
  return tops
}

/** The epochs that a shard has records of, in the log or cut from it, with the first and last record's first index. */
async function* epochsOnDisk(
  database: LevelDatabase,
  shard: number,
): AsyncGenerator<{ epoch: number; first: number; last: number }, void, undefined> {
  const lte = epochEndKey(shard, EPOCH_MAX)
  let key = await database.firstKey({ gte: recordKey(shard, 0, 0), lte })
  while (key !== undefined) {
    const epoch = epochOfKey(key)
    const last = await database.lastKey({ gte: key, lte: epochEndKey(shard, epoch) })
    if (last !== undefined) yield { epoch, first: firstIndexOfKey(key), last: firstIndexOfKey(last) }
    key =
      epoch < EPOCH_MAX ? await database.firstKey({ gte: recordKey(shard, epoch + 1, 0), lte }) : undefined
  }
}
