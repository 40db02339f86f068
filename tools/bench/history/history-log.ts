/**
 * A long log, made at the speed of the disk: what a head would have written in more than an hour, with the stamps that
 * it would have given. The same shape gives the same entries, but for the time at which they end.
 */

import { Operation, type Position, positionOf } from '../../../src/log/entry.js'
import type { Log, LogStore } from '../../../src/log/log.js'
import type { LogRecord } from '../../../src/log/record-codec.js'
import { ZERO_CLIENT_ID } from '../../../src/log/record-layout.js'
import { RecordWriter } from '../../../src/log/record-writer.js'
import { keyOf, Random, ValuePool } from '../workload.js'

export interface HistoryShape {
  readonly entries: number
  readonly keys: number
  readonly valueSizeBytes: number
  /** Of the key `watchedKey`, spread over the whole log. */
  readonly versions: number
}

/** Written by so many entries a second, by their stamps. */
export const ENTRIES_PER_SECOND = 2_000
export const RECORD_ENTRIES = 256

const ACTORS = ['checkout', 'inventory', 'billing', 'support']
/** A client's entries come in runs, as those of its frames do. */
const RUN_ENTRIES = 64
/** Every so many entries, one takes its key away. */
const DELETE_EVERY = 97
/** So many records may be on their way to the disk. */
const RECORDS_AHEAD = 64

/** The key that was written `versions` times. */
export const watchedKey = keyOf(0)

/** Where the log begins: the EPOCH entry that a cluster was born with, in the words of its first head. */
export interface HistoryBirth {
  readonly logId: string
  readonly epoch: number
  /** Value of the EPOCH entry. */
  readonly value: Buffer
}

/**
 * Appends the whole log to an empty one, its last entry stamped `endMs` (epoch ms); `each` is told of every record, and
 * the next is made when what it returns resolves. Resolves when all is durable.
 */
export async function writeHistory(
  store: LogStore,
  shape: HistoryShape,
  birth: HistoryBirth,
  endMs: number,
  each: (record: LogRecord, log: Log) => Promise<void> | undefined,
): Promise<void> {
  const log = store.log(0)
  const maker = new HistoryMaker(shape, birth, endMs)
  log.adoptEpoch(birth.epoch)
  for (let record: LogRecord | undefined = maker.first(); record !== undefined; record = maker.next(log)) {
    log.append(record)
    await each(record, log)
    if (log.pendingWrites >= RECORDS_AHEAD) await store.flush()
  }
  await store.flush()
}

class HistoryMaker {
  readonly #shape: HistoryShape
  readonly #birth: HistoryBirth
  readonly #startMs: number
  readonly #writer = new RecordWriter()
  readonly #random = new Random(4)
  readonly #values: ValuePool
  /** Of each key, by its number. */
  readonly #newest: Float64Array
  readonly #keys: Buffer
  readonly #keySize = keyOf(0).length
  readonly #clients = ACTORS.map((actor, at) => ({ actor, id: Buffer.alloc(16, at + 1), sequence: 0 }))

  constructor(shape: HistoryShape, birth: HistoryBirth, endMs: number) {
    this.#shape = shape
    this.#birth = birth
    this.#startMs = endMs - Math.floor((shape.entries * 1_000) / ENTRIES_PER_SECOND)
    this.#values = new ValuePool(shape.valueSizeBytes)
    this.#newest = new Float64Array(shape.keys)
    this.#keys = Buffer.from(Array.from({ length: shape.keys }, (_, number) => keyOf(number)).join(''))
  }

  first(): LogRecord {
    const { value } = this.#birth
    this.#begin(1, Buffer.alloc(32), 0)
    const nobody = this.#writer.client(ZERO_CLIENT_ID, '')
    this.#writer.add(Operation.EPOCH, 0, value, 0, 0, value, 0, value.length, 0, nobody, 0)
    return this.#writer.finish()
  }

  /** Undefined when the log has all its entries. */
  next(log: Log): LogRecord | undefined {
    const firstIndex = log.lastIndex + 1
    const count = Math.min(RECORD_ENTRIES, this.#shape.entries - log.lastIndex)
    if (count <= 0) return undefined
    // A head that commits what it sent two records ago.
    this.#begin(firstIndex, log.lastHash, Math.max(0, firstIndex - 1 - 2 * RECORD_ENTRIES))
    for (let slot = 0; slot < count; slot++) this.#add(firstIndex + slot, slot)
    return this.#writer.finish()
  }

  #begin(firstIndex: number, previousHash: Buffer, commitIndex: number): void {
    const { logId, epoch } = this.#birth
    const wallMs = this.#startMs + Math.floor((firstIndex * 1_000) / ENTRIES_PER_SECOND)
    const lamport = firstIndex
    this.#writer.begin({ logId, shard: 0, epoch, firstIndex, lamport, wallMs, commitIndex, previousHash })
  }

  #add(index: number, slot: number): void {
    const { entries, keys, versions } = this.#shape
    const isWatched =
      Math.floor((index * versions) / entries) > Math.floor(((index - 1) * versions) / entries)
    const key = isWatched ? 0 : 1 + this.#random.below(keys - 1)
    const isDelete = !isWatched && index % DELETE_EVERY === 0
    const value = this.#values.at(index)
    const client = this.#clients[Math.floor(index / RUN_ENTRIES) % this.#clients.length]!
    client.sequence++
    const previous: Position = this.#newest[key]!
    this.#newest[key] = positionOf(index, slot)
    this.#writer.add(
      isDelete ? Operation.DELETE : Operation.SET,
      0,
      this.#keys,
      key * this.#keySize,
      this.#keySize,
      value,
      0,
      isDelete ? 0 : value.length,
      previous,
      this.#writer.client(client.id, client.actor),
      client.sequence,
    )
  }
}

/** How much log there is from the first entry to the last, by their stamps, ms. */
export function coveredMs(shape: HistoryShape): number {
  return (shape.entries * 1_000) / ENTRIES_PER_SECOND
}
