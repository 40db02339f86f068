/**
 * What a shard held at an index of its log, and how it came to that. Nothing is kept for it but the log: each entry names
 * the one before it of the same key, and a walk along these links from the newest entry finds any older one. Where
 * many keys are wanted at once, or one was written very often, a *past view* is built from the last checkpoint before.
 * Indexes are cuts that `indexAtMoment` found: never inside an atomic batch.
 */
import { type Entry, indexOf, Operation, type Position } from '../log/entry.js'
import type { CheckpointContext } from './checkpoint.js'
import { changedKeys, type DiffRange } from './past-diff.js'
import { type Pair, readPairs } from './past-entries.js'
import { PastPivots, type PivotLimits } from './past-pivots.js'
import { type PastViewLimits, PastViews } from './past-views.js'
import { idsInRange, type KeyRange } from './scan.js'
import type { ShardProjection } from './shard-projection.js'

/** What an entry of a page costs beside key and value. */
const ITEM_SIZE_BYTES = 48

export interface PastScanOptions extends KeyRange {
  readonly index: number
  /** At most so many entries. */
  readonly limit: number
  /** Ends the page when its keys and values hold so many bytes; the first entry may exceed it. */
  readonly sizeBytesMax: number
}

export interface PastPage {
  /** The SET that each live key had its value from, in the order asked for. Views: copy what is to be kept. */
  readonly entries: readonly Entry[]
  /** Where to go on: the `start` of the next page (in reverse its `end`); undefined when this was the last. */
  readonly next: Buffer | undefined
}

/** A key that held something else at the two indexes: the values differ, or one is not there. */
export interface Difference {
  readonly key: Buffer
  /** The SET that it had its value from; undefined where it had none. */
  readonly before: Entry | undefined
  /** The entry that made it what it is, a DELETE where it has no value; undefined only where its DELETE was dropped. */
  readonly after: Entry | undefined
}

/** What decides how an answer is found; nothing that can be observed depends on it but time and memory. */
export interface TimeTravelLimits extends PastViewLimits, PivotLimits {
  /** A walk back along a key's entries that is this long is given up for a past view. Default 512. */
  readonly stepsMax: number
  /** So many entries are read through for a diff; beyond that two past views are compared. Default 1,000,000. */
  readonly readThroughMax: number
}

const STEPS_MAX = 512
const READ_THROUGH_MAX = 1_000_000
/** Keys looked at between two pauses, and entries read: a few ms. */
const KEYS_BETWEEN_PAUSES = 16_384
const READS_BETWEEN_PAUSES = 128
/** A batch of differences ends at so many, or at so many bytes of keys and values. */
const BATCH_DIFFERENCES_MAX = 512
const BATCH_SIZE_BYTES_MAX = 262_144

/** The past of one projection's shard. Indexes are at most `appliedIndex`. */
export class TimeTravel {
  readonly #projection: ShardProjection
  readonly #views: PastViews
  readonly #pivots: PastPivots
  readonly #stepsMax: number
  readonly #readThroughMax: number

  constructor(
    projection: ShardProjection,
    context: CheckpointContext,
    limits: Partial<TimeTravelLimits> = {},
  ) {
    this.#projection = projection
    this.#views = new PastViews(projection, context, limits)
    this.#pivots = new PastPivots(projection, this.#views, limits)
    this.#stepsMax = limits.stepsMax ?? STEPS_MAX
    this.#readThroughMax = limits.readThroughMax ?? READ_THROUGH_MAX
  }

  /**
   * The key's newest entry at or below `index`, a DELETE too; undefined where it had none.
   * @throws LogError LOG_OUT_OF_RETENTION (index: the base's) below the base, LOG_DAMAGED, LOG_IO; ProjectionError BUSY
   */
  async get(key: Buffer, index: number): Promise<Entry | undefined> {
    const projection = this.#projection
    const range = onlyKey(key)
    this.#refuseDropped(index, range)
    let position = this.#newestNear(key, index)
    let steps = 0
    for (; indexOf(position) > index; steps++) {
      // Written very often since: the view knows where to begin.
      if (steps >= this.#stepsMax) return await this.#getInView(key, index)
      position = projection.entry(position)?.previous ?? 0
    }
    this.#pivots.walked(steps, index)
    return this.#entryAt(position, index, range)
  }

  /**
   * The key's entries at or below `index`, newest first, one read each; ends at the first that retention dropped. Throws
   * LogError LOG_DAMAGED, LOG_IO.
   */
  *history(key: Buffer, index: number): Generator<Entry, void, void> {
    const projection = this.#projection
    let position = projection.locate(key, 0, key.length, 'newest')
    while (position !== 0) {
      const entry = projection.entry(position)
      if (entry === undefined) return
      if (indexOf(position) <= index) yield entry
      // What the key held at its horizon is the last that can be read of it.
      if (indexOf(position) <= projection.horizons.ofKey(key).index) return
      position = entry.previous
    }
  }

  /** One page of the live keys at an index, in byte order. Rejects as `get`. */
  async scan(options: PastScanOptions): Promise<PastPage> {
    const projection = this.#projection
    const { index, limit, sizeBytesMax } = options
    this.#refuseDropped(index, options)
    const view = await this.#views.at(index)
    await projection.orderKeys()
    // Nothing is awaited between these: they are of one moment.
    const { keys } = projection.keys
    const entries: Entry[] = []
    let sizeBytes = 0
    let examined = 0
    let last = -1
    for (const id of idsInRange(keys, projection.orderedKeys(), options)) {
      if (entries.length >= limit || sizeBytes >= sizeBytesMax) {
        return { entries, next: keys.copy(options.reverse === true ? last : id) }
      }
      last = id
      if (++examined % KEYS_BETWEEN_PAUSES === 0) await projection.pause()
      const position = view.at(id)
      if (position <= 0) continue
      const entry = this.#entryAt(position, index, options)
      if (entry === undefined || entry.operation === Operation.DELETE) continue
      entries.push(entry)
      sizeBytes += ITEM_SIZE_BYTES + entry.key.length + entry.value.length
      if (entries.length % READS_BETWEEN_PAUSES === 0) await projection.pause()
    }
    return { entries, next: undefined }
  }

  /** The keys that held something else at the two indexes, in byte order, in batches. Throws as `get`. */
  async *diff(range: DiffRange): AsyncGenerator<readonly Difference[], void, void> {
    const { fromIndex, toIndex } = range
    if (fromIndex > toIndex)
      throw new RangeError(`a diff from index ${fromIndex} to ${toIndex}, which is before`)
    this.#refuseDropped(fromIndex, range)
    const { keys } = this.#projection.keys
    const changed = changedKeys(this.#projection, this.#views, range, this.#readThroughMax)
    let batch: Difference[] = []
    let sizeBytes = 0
    for await (const { ids, positions } of changed) {
      for (let from = 0; from < ids.length; ) {
        const pairs = await readPairs(this.#projection, positions.slice(2 * from))
        for (let place = 0; place < pairs.count; place++) {
          const key = keys.copy(ids[from + place]!)
          const difference = this.#difference(key, range, pairs.pair(place, key))
          if (difference === undefined) continue
          batch.push(difference)
          sizeBytes += difference.key.length + (difference.before?.value.length ?? 0)
          sizeBytes += difference.after?.value.length ?? 0
          if (batch.length < BATCH_DIFFERENCES_MAX && sizeBytes < BATCH_SIZE_BYTES_MAX) continue
          yield batch
          batch = []
          sizeBytes = 0
        }
        from += pairs.count
      }
    }
    if (batch.length > 0) yield batch
  }

  #difference(key: Buffer, range: DiffRange, { before, after }: Pair): Difference | undefined {
    // Unless retention has just overtaken the read.
    if (before === undefined) this.#refuseDropped(range.fromIndex, range)
    if (after === undefined) this.#refuseDropped(range.toIndex, range)
    const held = before?.operation === Operation.SET ? before : undefined
    const holds = after?.operation === Operation.SET ? after : undefined
    if (held === undefined && holds === undefined) return undefined
    if (held !== undefined && holds?.value.equals(held.value) === true) return undefined
    return { key, before: held, after }
  }

  /** Position of the key's newest entry at some moment at or after `index`: the nearest that is at hand. */
  #newestNear(key: Buffer, index: number): Position {
    const view = this.#views.above(index)
    if (view === undefined) return this.#projection.locate(key, 0, key.length, 'newest')
    const id = this.#projection.keys.find(key, 0, key.length)
    return id === -1 ? 0 : Math.abs(view.positions.at(id))
  }

  async #getInView(key: Buffer, index: number): Promise<Entry | undefined> {
    const view = await this.#views.at(index)
    const id = this.#projection.keys.find(key, 0, key.length)
    return this.#entryAt(id === -1 ? 0 : Math.abs(view.at(id)), index, onlyKey(key))
  }

  /** An entry that a state at `index` names. A DELETE may be gone that a base stands for: then there is no entry. */
  #entryAt(position: Position, index: number, range: KeyRange): Entry | undefined {
    const entry = position === 0 ? undefined : this.#projection.entry(position)
    // Unless retention has just overtaken the read.
    if (entry === undefined) this.#refuseDropped(index, range)
    return entry
  }

  #refuseDropped(index: number, { start, end }: KeyRange): void {
    this.#projection.horizons.checkRange(start, end, index)
  }
}

function onlyKey(key: Buffer): KeyRange {
  return { start: key, end: Buffer.concat([key, Buffer.of(0)]) }
}
