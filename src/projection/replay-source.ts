/** Where the log of one shard is read from to be replayed: a log on this disk or in memory, or a process that is asked. */
import type { BlobStore } from '../log/blob-store.js'
import { type Entry, indexOf, type Position } from '../log/entry.js'
import type { LogError } from '../log/errors.js'
import type { Log } from '../log/log.js'
import {
  type BaseName,
  baseBlobName,
  beyondHorizon,
  horizonOf,
  type LogBase,
  outOfRetention,
} from '../log/log-base.js'
import type { LogRecord } from '../log/record-codec.js'
import { openBase } from './base.js'
import { BaseKind } from './base-codec.js'
import { decodeBase } from './base-decoder.js'
import { type BaseEntries, baseDamaged } from './base-entries.js'
import { readHeader } from './base-header.js'
import { BaseRow } from './base-rows.js'
import { EntryReader } from './entry-reader.js'
import { FrameReader } from './frames.js'
import { type ReplayedState, type ReplayOptions, replayState } from './replay.js'

/** What a log is kept from, as bytes. */
export interface ReplayBase {
  readonly name: BaseName
  /** From its beginning, each time it is called. */
  chunks(): AsyncIterable<Buffer>
}

/** A shard's log, read in order. Everything throws what the place where it is read from throws. */
export interface ReplaySource {
  /** The shard's ordinal. */
  readonly shard: number
  /** Undefined where the log is kept from its beginning. */
  base(): Promise<ReplayBase | undefined>
  /** The records from the one that holds `fromIndex`, which is above the base, to the one that holds `toIndex`. */
  records(fromIndex: number, toIndex: number): AsyncIterable<LogRecord>
  /**
   * The entry of `key` at the position that a later one of its entries, at `ofIndex`, names as its previous; undefined
   * where retention dropped it. Its bytes may be views: copy to keep.
   */
  previous(position: Position, key: Buffer, ofIndex: number): Promise<Entry | undefined>
}

/** A log that this process has opened. */
export class LogReplaySource implements ReplaySource {
  readonly #log: Log
  readonly #blobs: BlobStore
  readonly #reader: EntryReader
  #entries: BaseEntries | undefined

  constructor(log: Log, blobs: BlobStore) {
    this.#log = log
    this.#blobs = blobs
    this.#reader = new EntryReader(log, 0)
  }

  get shard(): number {
    return this.#log.shard
  }

  async base(): Promise<ReplayBase | undefined> {
    const { base, shard } = this.#log
    if (base === undefined) return undefined
    const chunks = () => {
      const found = this.#blobs.read(baseBlobName(shard, base))
      if (found === undefined) throw baseDamaged(shard, base.index, 'it is missing')
      return found
    }
    return { name: base, chunks }
  }

  records(fromIndex: number, toIndex: number): AsyncIterable<LogRecord> {
    return this.#log.records(fromIndex, toIndex)
  }

  async previous(position: Position): Promise<Entry | undefined> {
    if (indexOf(position) <= this.#log.baseIndex) this.#openBase()
    return this.#reader.entry(position)
  }

  #openBase(): void {
    const { base, shard } = this.#log
    if (base === undefined) throw outOfRetention(this.#log)
    if (this.#entries?.base.index === base.index) return
    this.#entries = openBase(shard, this.#blobs, base)
    this.#reader.useBase(this.#entries)
  }
}

/** The options of `replayState` but for the base, which the source knows. */
export type ReplaySourceOptions = Omit<ReplayOptions, 'base'>

/**
 * The state at `toIndex` from a source's base and records alone. Throws as `replayState`, and
 * @throws LogError LOG_OUT_OF_RETENTION (horizon) where that is below the base, LOG_DAMAGED where the base is
 */
export async function replaySource(
  source: ReplaySource,
  options: ReplaySourceOptions = {},
): Promise<ReplayedState> {
  const base = await source.base()
  const { toIndex = Number.POSITIVE_INFINITY } = options
  if (base === undefined) return await replayState(source.records(1, toIndex), options)
  const { index } = base.name
  if (toIndex < index) throw await belowBase(source.shard, base)
  const start = await decodeBase(source.shard, base.name, base.chunks())
  return await replayState(source.records(index + 1, toIndex), { ...options, base: start })
}

/** The error for whoever wants what is below a base. Throws LogError LOG_DAMAGED. */
export async function belowBase(shard: number, base: ReplayBase): Promise<LogError> {
  return beyondHorizon(shard, horizonOf({ base: await readBaseHeader(shard, base) }))
}

/** What a base says of itself, read from its first frame. Throws LogError LOG_DAMAGED. */
export async function readBaseHeader(shard: number, base: ReplayBase): Promise<LogBase> {
  const fail = (what: string) => baseDamaged(shard, base.name.index, what)
  let found: LogBase | undefined
  const reader = new FrameReader((kind, payload) => {
    if (kind !== BaseKind.HEADER) return
    const header = readHeader(payload)
    if (typeof header === 'string') throw fail(header)
    found = header.base
  }, fail)
  for await (const chunk of base.chunks()) {
    reader.add(chunk)
    if (found !== undefined) return found
  }
  throw fail('it is cut short')
}

/** Shows `visit` every row of a base, by index; the row holds until it returns. Throws LogError LOG_DAMAGED. */
export async function visitBase(
  shard: number,
  base: ReplayBase,
  visit: (row: BaseRow) => void,
): Promise<void> {
  const row = new BaseRow()
  const fail = (what: string) => baseDamaged(shard, base.name.index, what)
  const reader = new FrameReader((kind, payload) => {
    if (kind !== BaseKind.ENTRIES) return
    for (let more = row.first(payload); more; more = row.next()) visit(row)
  }, fail)
  for await (const chunk of base.chunks()) reader.add(chunk)
  reader.end()
}
