/**
 * Past views: where every key was at an index, for scans of the past. A view begins at the last checkpoint (or base, or
 * other view) before and replays the log from there, which the spacing of checkpoints bounds; one that is close to the
 * present is the present with a few keys taken back. Views used lately are kept, up to a number of bytes.
 */
import { Operation, positionOf } from '../log/entry.js'
import { outOfRetention } from '../log/log-base.js'
import type { LogRecord } from '../log/record-codec.js'
import { openBase } from './base.js'
import { BaseRow } from './base-rows.js'
import { type CheckpointContext, readCheckpointKeys } from './checkpoint.js'
import { ProjectionError } from './errors.js'
import type { KeyIndex } from './key-index.js'
import { type PastPositions, PositionChunks, PositionOverlay } from './past-positions.js'
import type { ShardProjection } from './shard-projection.js'

const LIMITS: PastViewLimits = { viewsSizeBytesMax: 134_217_728, takenBackMax: 4_096 }
/** Views that may wait for their turn; more are refused. */
const WAITING_MAX = 64
/** Keys looked up between two pauses, and records replayed: a few ms. */
const READS_BETWEEN_PAUSES = 64
const RECORDS_BETWEEN_PAUSES = 16

/** What decides how a view comes about; nothing that can be observed depends on it but time and memory. */
export interface PastViewLimits {
  /** Views that are kept hold so many bytes together; the newest is kept whatever it holds. Default 128 MiB. */
  readonly viewsSizeBytesMax: number
  /** A view this close to the present is the present with so many entries taken back. Default 4,096. */
  readonly takenBackMax: number
}

interface KeptView {
  readonly index: number
  readonly positions: PositionChunks
}

export class PastViews {
  readonly #projection: ShardProjection
  readonly #context: CheckpointContext
  readonly #limits: PastViewLimits
  /** Of which index of keys the ids are: a base that is installed brings another one. */
  #keys: KeyIndex
  /** Least recently used first. */
  #kept: KeptView[] = []
  readonly #building = new Map<number, Promise<PastPositions>>()
  #last: Promise<unknown> = Promise.resolve()

  constructor(projection: ShardProjection, context: CheckpointContext, limits: Partial<PastViewLimits> = {}) {
    this.#projection = projection
    this.#context = context
    this.#limits = { ...LIMITS, ...limits }
    this.#keys = projection.keys
  }

  /** Whether any view is being made. */
  get isBuilding(): boolean {
    return this.#building.size > 0
  }

  /** How many views fit in memory, at least 1. */
  get countMax(): number {
    return Math.max(1, Math.floor(this.#limits.viewsSizeBytesMax / Math.max(1, this.#keys.keys.sizeBytes)))
  }

  /** The view with the lowest index at or above this one that is at hand; undefined where there is none. */
  above(index: number): { readonly index: number; readonly positions: PastPositions } | undefined {
    this.#forgetForeign()
    let best: KeptView | undefined
    for (const view of this.#kept) {
      if (view.index >= index && (best === undefined || view.index < best.index)) best = view
    }
    return best
  }

  /**
   * Where every key was at `index`, which is at most `appliedIndex`. The ids are those of `projection.keys` as it is
   * when this resolves.
   * @throws LogError LOG_OUT_OF_RETENTION below the base, LOG_DAMAGED, LOG_IO; ProjectionError BUSY where too many wait
   */
  async at(index: number): Promise<PastPositions> {
    const { log } = this.#context
    if (index < this.#projection.horizons.lowestIndex) throw outOfRetention(log)
    this.#forgetForeign()
    const kept = this.#kept.findIndex(view => view.index === index)
    if (kept !== -1) {
      const [view] = this.#kept.splice(kept, 1)
      this.#kept.push(view!)
      return view!.positions
    }
    const running = this.#building.get(index)
    if (running !== undefined) return await running
    if (this.#building.size >= WAITING_MAX) {
      const text = `shard ${log.shard}: ${WAITING_MAX} reads of other moments wait already: try again`
      throw new ProjectionError('BUSY', text)
    }
    const building = this.#nearPresent(index) ?? this.#inTurn(index)
    this.#building.set(index, building)
    try {
      return await building
    } finally {
      this.#building.delete(index)
    }
  }

  #forgetForeign(): void {
    if (this.#keys === this.#projection.keys) return
    this.#keys = this.#projection.keys
    this.#kept = []
  }

  /** The committed state of now, with what came after `index` taken back; undefined where that is too much. */
  #nearPresent(index: number): Promise<PastPositions> | undefined {
    const { committedIndex, log } = this.#projection
    if (index < log.baseIndex || index > committedIndex || committedIndex - index > this.#limits.takenBackMax)
      return undefined
    return this.#takeBack(index, committedIndex)
  }

  async #takeBack(index: number, committedIndex: number): Promise<PastPositions> {
    const { keys, log, pause } = this.#projection
    const captured = keys.captureCommitted()
    const present: PastPositions = { at: id => (id > captured.lastId ? 0 : captured.signedPosition(id)) }
    const before = new Map<number, number>()
    for (let next = index + 1; next <= committedIndex; next++) {
      const record = log.recordAt(next)
      if (record === undefined) throw outOfRetention(log)
      const slot = next - record.firstIndex
      const operation = record.operation(slot)
      if (operation !== Operation.SET && operation !== Operation.DELETE) continue
      const id = keys.find(record.bytes, record.keyStart(slot), record.keyLength(slot))
      if (!before.has(id)) before.set(id, this.#signed(record.previous(slot)))
      if (before.size % READS_BETWEEN_PAUSES === 0) await pause()
    }
    return before.size === 0 ? present : new PositionOverlay(present, before)
  }

  /** A previous-link does not say whether the entry there is a DELETE: the entry does. */
  #signed(position: number): number {
    if (position === 0) return 0
    const entry = this.#projection.entry(position)
    if (entry === undefined) return 0
    return entry.operation === Operation.DELETE ? -position : position
  }

  /** One after the other: each holds a view's memory, and makes the next one cheaper. */
  #inTurn(index: number): Promise<PastPositions> {
    const turn = this.#last.then(() => this.#build(index))
    this.#last = turn.catch(() => {})
    return turn
  }

  async #build(index: number): Promise<PastPositions> {
    this.#forgetForeign()
    const keys = this.#keys
    const start = await this.#start(index, keys)
    await this.#replay(start, index, keys)
    const view = { index, positions: start.positions }
    if (keys === this.#projection.keys) this.#keep(view)
    return view.positions
  }

  /** The latest state at or before `index` that needs no replay. Its positions are the caller's. */
  async #start(index: number, keys: KeyIndex): Promise<KeptView> {
    const { log, blobs } = this.#context
    const kept = this.#kept.reduce<KeptView | undefined>(
      (best, view) => (view.index <= index && view.index >= (best?.index ?? 0) ? view : best),
      undefined,
    )
    let positions = new PositionChunks()
    const begin = () => {
      positions = new PositionChunks()
      return (bytes: Buffer, start: number, length: number, position: number, isDelete: boolean) => {
        const id = keys.find(bytes, start, length)
        // A base forgets deleted keys, which a checkpoint from before it still names.
        if (id !== -1) positions.set(id, isDelete ? -position : position)
        else if (!isDelete) throw new Error('it has a key that the log does not have')
      }
    }
    const from = Math.max(kept?.index ?? 0, log.baseIndex)
    const checkpoint = await readCheckpointKeys(this.#context, begin, from + 1, index)
    if (checkpoint !== undefined) return { index: checkpoint, positions }
    if (kept !== undefined && kept.index >= log.baseIndex)
      return { index: kept.index, positions: kept.positions.copy() }
    const begun = new PositionChunks()
    if (log.base === undefined) return { index: 0, positions: begun }
    const base = openBase(log.shard, blobs, log.base)
    const row = new BaseRow()
    for (const payload of base.payloads()) {
      for (let more = row.first(payload); more; more = row.next()) {
        const { operation, position } = row
        // Of some keys a base has all that they held since a moment before it.
        if (row.index > index) return { index, positions: begun }
        if (row.isStub || (operation !== Operation.SET && operation !== Operation.DELETE)) continue
        const id = keys.find(payload, row.keyStart, row.keyLength)
        if (id !== -1) begun.set(id, operation === Operation.DELETE ? -position : position)
      }
      await this.#projection.pause()
    }
    return { index: Math.min(index, base.base.index), positions: begun }
  }

  async #replay({ index, positions }: KeptView, until: number, keys: KeyIndex): Promise<void> {
    if (index === until) return
    const { log } = this.#context
    let records = 0
    let last = index
    for await (const record of log.records(index + 1, until)) {
      replayInto(positions, keys, record, index, until)
      last = record.lastIndex
      if (++records % RECORDS_BETWEEN_PAUSES === 0) await this.#projection.pause()
    }
    if (last >= until) return
    const text = `shard ${log.shard}: the log was cut at ${last} while index ${until} was read: try again`
    throw new ProjectionError('BUSY', text, until)
  }

  #keep(view: KeptView): void {
    // What is not committed may come to be something else.
    if (view.index > this.#projection.committedIndex) return
    this.#kept.push(view)
    let sizeBytes = this.#kept.reduce((sum, { positions }) => sum + positions.sizeBytes, 0)
    while (this.#kept.length > 1 && sizeBytes > this.#limits.viewsSizeBytesMax) {
      sizeBytes -= this.#kept.shift()!.positions.sizeBytes
    }
  }
}

/** Puts the record's entries above `after`, up to `until`, in their keys' places. */
function replayInto(
  positions: PositionChunks,
  keys: KeyIndex,
  record: LogRecord,
  after: number,
  until: number,
): void {
  const { firstIndex, bytes } = record
  const end = Math.min(record.count, until - firstIndex + 1)
  for (let slot = Math.max(0, after + 1 - firstIndex); slot < end; slot++) {
    const operation = record.operation(slot)
    if (operation !== Operation.SET && operation !== Operation.DELETE) continue
    const id = keys.find(bytes, record.keyStart(slot), record.keyLength(slot))
    if (id === -1) throw unknownKey(record, slot)
    const position = positionOf(firstIndex + slot, slot)
    positions.set(id, operation === Operation.DELETE ? -position : position)
  }
}

/** Every key of the log is in the present index of keys: this would be a fault of the projection. */
function unknownKey(record: LogRecord, slot: number): ProjectionError {
  const index = record.firstIndex + slot
  const text = `shard ${record.shard}: entry ${index} has a key that the projection never saw; restart to rebuild it`
  return new ProjectionError('PROJECTION_DIVERGED', text, index)
}
