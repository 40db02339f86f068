/**
 * The state of a shard at an index, rebuilt from its log alone: no checkpoint, no projection that was kept. Slower than
 * asking for it, and the proof that what one is told is what was written. Everything that is read is committed or
 * taken to be, so that nothing has to be undone: this is what makes it quicker than following.
 */
import { indexOf, Limits, Operation, positionOf } from '../log/entry.js'
import type { LogRecord } from '../log/record-codec.js'
import { type Digest, digestOf } from './digest.js'
import { ProjectionError } from './errors.js'
import { KeyIndex, type KeyWrites, keyWrites } from './key-index.js'
import { nextTurn } from './next-turn.js'
import { OrderedKeys } from './ordered-keys.js'

/** Records replayed between two pauses: a few ms. */
const RECORDS_BETWEEN_PAUSES = 64

/** Where a replay begins that does not begin at the first entry: the state at a base. Belongs to the replay then. */
export interface ReplayStart {
  readonly index: number
  readonly keys: KeyIndex
}

export interface ReplayOptions {
  /** Last entry that counts, inside a record or at its end. Default: all that the records hold. */
  readonly toIndex?: number
  /** What stands for the entries before the records. Default: nothing came before them. */
  readonly base?: ReplayStart | undefined
  /** Awaited every few ms, so that others get their turn. Default: the next event-loop turn. */
  readonly pause?: () => Promise<void>
  /** Told every few ms how far it is. */
  readonly onProgress?: (index: number) => void
  /**
   * Goes on where records are missing, and says which in `missing`: keys that were written there may hold what they
   * held before. Without it that is PROJECTION_DIVERGED.
   */
  readonly skipMissing?: boolean
}

/** Entries that were not there to be replayed, both inclusive. */
export interface MissingEntries {
  readonly from: number
  readonly to: number
}

/** A shard's state at `index`. */
export class ReplayedState {
  readonly index: number
  readonly keys: KeyIndex
  /** What was replayed for it; the entries of a base do not count. */
  readonly entries: number
  readonly records: number
  /** Empty unless `skipMissing` was given. */
  readonly missing: readonly MissingEntries[]
  readonly #ordered: OrderedKeys

  constructor(
    index: number,
    keys: KeyIndex,
    replayed: { readonly entries: number; readonly records: number; readonly missing: MissingEntries[] },
  ) {
    this.index = index
    this.keys = keys
    this.entries = replayed.entries
    this.records = replayed.records
    this.missing = replayed.missing
    this.#ordered = new OrderedKeys(keys.keys)
  }

  /** Keys with an entry, deleted ones too. */
  get keyCount(): number {
    return this.keys.keyCount
  }

  /** Keys that have a value. */
  get liveKeyCount(): number {
    return this.keys.liveKeyCount
  }

  /** The same as `ShardProjection.digest` where that has committed as far. */
  async digest(pause: () => Promise<void> = nextTurn): Promise<Digest> {
    await this.#ordered.order(pause)
    return await digestOf(this.keys.captureCommitted(), this.#ordered.blocks(), this.index, pause)
  }

  /**
   * Signed positions of all keys in byte order of the keys, deleted ones too (negative), which `idAt` gives the keys
   * of. Brings the keys in order first, in slices.
   */
  async ordered(
    pause: () => Promise<void> = nextTurn,
  ): Promise<{ ids: Uint32Array; positions: Float64Array }> {
    await this.#ordered.order(pause)
    const ids = new Uint32Array(this.keyCount)
    const positions = new Float64Array(this.keyCount)
    let count = 0
    for (const block of this.#ordered.blocks()) {
      for (const id of block) {
        const position = this.keys.keys.newest(id)
        if (position === 0) continue
        ids[count] = id
        positions[count++] = position
      }
    }
    return { ids, positions }
  }
}

/**
 * Replays records, which begin after the base and follow each other, up to `toIndex`; where they end before, the state is
 * that of their end. Checks that every entry names the entry of its key that it found before it.
 * @throws ProjectionError PROJECTION_DIVERGED (index) where one does not, or a record is not the next; whatever
 *   `records` throws
 */
export async function replayState(
  records: AsyncIterable<LogRecord>,
  options: ReplayOptions = {},
): Promise<ReplayedState> {
  const { toIndex = Number.POSITIVE_INFINITY, pause = nextTurn, onProgress } = options
  const keys = options.base?.keys ?? new KeyIndex()
  const replayer = new Replayer(keys)
  const missing: MissingEntries[] = []
  let index = options.base?.index ?? 0
  let entries = 0
  let count = 0
  if (index < toIndex) {
    for await (const record of records) {
      const { firstIndex } = record
      if (firstIndex > toIndex) break
      if (firstIndex !== index + 1) {
        if (options.skipMissing !== true || firstIndex <= index) throw notNext(record, index)
        missing.push({ from: index + 1, to: firstIndex - 1 })
      }
      const slots = Math.min(record.count, toIndex - firstIndex + 1)
      replayer.replay(record, slots, missing.length > 0)
      index = firstIndex + slots - 1
      entries += slots
      if (index === toIndex) break
      if (++count % RECORDS_BETWEEN_PAUSES !== 0) continue
      onProgress?.(index)
      await pause()
    }
  }
  return new ReplayedState(index, keys, { entries, records: count, missing })
}

/** Replays records into an index of keys. */
class Replayer {
  readonly #keys: KeyIndex
  /** Of the record in hand. */
  readonly #slots = new Uint32Array(Limits.recordEntriesMax)
  readonly #writes: KeyWrites = keyWrites(Limits.recordEntriesMax)

  constructor(keys: KeyIndex) {
    this.#keys = keys
  }

  /** The first `slots` entries of a record. With `hasGaps`, the entry before one may be among those that are missing. */
  replay(record: LogRecord, slots: number, hasGaps: boolean): void {
    const { firstIndex } = record
    const writes = this.#writes
    const { starts, lengths, signed, previous } = writes
    let count = 0
    for (let slot = 0; slot < slots; slot++) {
      const operation = record.operation(slot)
      if (operation !== Operation.SET && operation !== Operation.DELETE) continue
      const position = positionOf(firstIndex + slot, slot)
      this.#slots[count] = slot
      starts[count] = record.keyStart(slot)
      lengths[count] = record.keyLength(slot)
      signed[count] = operation === Operation.DELETE ? -position : position
      previous[count++] = record.previous(slot)
    }
    writes.bytes = record.bytes
    const wrong = this.#keys.replay(writes, count, hasGaps)
    if (wrong !== -1) throw otherPrevious(record, this.#slots[wrong]!)
  }
}

function notNext({ shard, firstIndex }: LogRecord, index: number): ProjectionError {
  const text = `shard ${shard}: record of index ${firstIndex}, expected index ${index + 1}`
  return new ProjectionError('PROJECTION_DIVERGED', text, firstIndex)
}

function otherPrevious(record: LogRecord, slot: number): ProjectionError {
  const index = record.firstIndex + slot
  const named = indexOf(record.previous(slot))
  const text = `entry ${index} names entry ${named} as its key's previous, and in this log it is another`
  return new ProjectionError('PROJECTION_DIVERGED', `shard ${record.shard}: ${text}`, index)
}
