/**
 * Where the newest entry of each key is. The index holds no values and no JavaScript object per key: a value is read
 * from the log record at the key's position. For each key it keeps two positions: that of its newest entry, and
 * that of its newest committed one, which strong reads answer from (R3). Entries above the commit index can be
 * undone one by one, newest first, because each remembers what its key held before it.
 */
import { randomInt } from 'node:crypto'
import { type Position, positionOf } from '../log/entry.js'
import { hashKey } from './key-hash.js'
import { KeyRows } from './key-rows.js'
import { KeyTable } from './key-table.js'
import { UndoRing } from './undo-ring.js'

/** Fields of an undo row. Positions in it are signed as in the index. */
const KEY = 0
const WRITTEN = 1
const BEFORE = 2

/** The committed state of all keys at one moment. Unharmed by what happens to the index later. */
export interface CommittedKeys {
  readonly keys: KeyRows
  /** The newest key's id at that moment, -1 if there was none. */
  readonly lastId: number
  /** Keys whose newest committed entry is a SET or DELETE, and those of them where it is a SET. */
  readonly keyCount: number
  readonly liveKeyCount: number
  /** Position of a key's newest committed entry, negative where that is a DELETE, 0 if there is none; ids to `lastId`. */
  signedPosition(id: number): number
  /** The same of a key by its bytes; 0 where it was not known. */
  positionOf(bytes: Buffer, start: number, length: number): number
}

/** Writes of keys, as many as anybody may need room for: one element of each array for each write. */
export interface KeyWrites {
  /** Where the keys lie, each from its start, so many bytes. */
  bytes: Buffer
  readonly starts: Uint32Array
  readonly lengths: Uint32Array
  /** Positions, negative for a DELETE. */
  readonly signed: Float64Array
  /** Position of the key's entry before. */
  readonly previous: Float64Array
  /** The index's own notes. */
  readonly ids: Int32Array
}

/** Room for so many writes. */
export function keyWrites(countMax: number): KeyWrites {
  return {
    bytes: Buffer.alloc(0),
    starts: new Uint32Array(countMax),
    lengths: new Uint32Array(countMax),
    signed: new Float64Array(countMax),
    previous: new Float64Array(countMax),
    ids: new Int32Array(countMax),
  }
}

export class KeyIndex {
  /** The keys by id, for ordering them. Ids of keys whose every write was undone stay and are invisible. */
  readonly keys = new KeyRows()
  readonly #table = new KeyTable(this.keys)
  readonly #seedLow: number
  readonly #seedHigh: number
  #lastId = -1
  readonly #undo = new UndoRing(3)
  #keyCount = 0
  #liveKeyCount = 0

  /** `seed` keys the hash; the default is random. Nothing that can be observed depends on it. */
  constructor(seed: readonly [number, number] = [randomInt(2 ** 32), randomInt(2 ** 32)]) {
    this.#seedLow = seed[0]
    this.#seedHigh = seed[1]
  }

  /** Keys with a committed entry, deleted ones too. */
  get keyCount(): number {
    return this.#keyCount
  }

  /** Keys whose newest committed entry is a SET. */
  get liveKeyCount(): number {
    return this.#liveKeyCount
  }

  /** Writes that are not committed yet. */
  get tentativeCount(): number {
    return this.#undo.length
  }

  /** Bytes held in typed arrays. */
  get sizeBytes(): number {
    return this.keys.sizeBytes + this.#table.sizeBytes + this.#undo.sizeBytes
  }

  /** Id of the key, or -1 if it was never seen. Allocates nothing. */
  find(bytes: Buffer, start: number, length: number): number {
    const hash = hashKey(bytes, start, length, this.#seedLow, this.#seedHigh)
    return this.#table.find(hash, bytes, start, length)
  }

  /** Id of the key; a new key's bytes are copied. A key without a write is invisible. */
  findOrAdd(bytes: Buffer, start: number, length: number): number {
    const hash = hashKey(bytes, start, length, this.#seedLow, this.#seedHigh)
    const found = this.#table.find(hash, bytes, start, length)
    if (found !== -1) return found
    const id = this.keys.add(bytes, start, length)
    this.#table.insert(hash, id)
    this.#lastId = id
    return id
  }

  /** Position of the key's newest entry, 0 if there is none. */
  newest(id: number): Position {
    return Math.abs(this.keys.newest(id))
  }

  /** Whether the key's newest entry is a DELETE. */
  newestIsDelete(id: number): boolean {
    return this.keys.newest(id) < 0
  }

  /** Position of the key's newest committed entry, 0 if there is none. */
  committed(id: number): Position {
    return Math.abs(this.keys.committed(id))
  }

  /** Whether the key's newest committed entry is a DELETE. */
  committedIsDelete(id: number): boolean {
    return this.keys.committed(id) < 0
  }

  /**
   * Notes a SET or DELETE of the key at `position`, tentatively, and returns the position of the key's entry before
   * it (0 if there was none): the entry's previous-link. Positions must rise from call to call.
   */
  write(id: number, position: Position, isDelete: boolean): Position {
    const before = this.keys.newest(id)
    const written = isDelete ? -position : position
    const at = this.#undo.push()
    const rows = this.#undo.rows
    rows[at + KEY] = id
    rows[at + WRITTEN] = written
    rows[at + BEFORE] = before
    this.keys.setNewest(id, written)
    return Math.abs(before)
  }

  /** Settles the writes of all entries up to `index`: they can no longer be undone. */
  commit(index: number): void {
    const undo = this.#undo
    const limit = positionOf(index + 1, 0)
    while (undo.length > 0) {
      const at = undo.first
      const written = undo.rows[at + WRITTEN]!
      if (Math.abs(written) >= limit) break
      this.#settle(undo.rows[at + KEY]!, written)
      undo.dropFirst()
    }
    undo.settle()
  }

  /** Undoes the writes of all entries above `index` that are not committed, newest first. */
  truncate(index: number): void {
    const undo = this.#undo
    const limit = positionOf(index + 1, 0)
    while (undo.length > 0) {
      const at = undo.last
      if (Math.abs(undo.rows[at + WRITTEN]!) < limit) break
      this.keys.setNewest(undo.rows[at + KEY]!, undo.rows[at + BEFORE]!)
      undo.dropLast()
    }
    undo.settle()
  }

  /** Puts a key with its newest committed entry into an index that has no tentative write: loading a checkpoint. */
  restore(bytes: Buffer, start: number, length: number, position: Position, isDelete: boolean): void {
    const id = this.findOrAdd(bytes, start, length)
    const signed = isDelete ? -position : position
    this.keys.setNewest(id, signed)
    this.#settle(id, signed)
  }

  /**
   * Applies the first `count` of these writes, which are committed, to an index that has no tentative write, in order.
   * Three times as quick as `write` and `commit`: while the memory of one key is on its way the next one is asked for
   * already, and where the newest position of the key with this hash is the one that the write names as its previous,
   * nobody needs to compare keys.
   * @returns number of the first write whose `previous` is not what the index held, -1 where there is none; with
   *   `lenient` such a write is applied all the same
   */
  replay(
    { bytes, starts, lengths, signed, previous, ids }: KeyWrites,
    count: number,
    lenient: boolean,
  ): number {
    const keys = this.keys
    for (let i = 0; i < count; i++) {
      ids[i] = hashKey(bytes, starts[i]!, lengths[i]!, this.#seedLow, this.#seedHigh)
    }
    for (let i = 0; i < count; i++) ids[i] = this.#table.candidate(ids[i]!)
    let touched = 0
    for (let i = 0; i < count; i++) if (ids[i] !== -1) touched += keys.newest(ids[i]!)
    for (let i = 0; i < count; i++) {
      let id = ids[i]!
      let before = id === -1 ? 0 : keys.newest(id)
      if (before === 0 || Math.abs(before) !== previous[i]) {
        id = this.findOrAdd(bytes, starts[i]!, lengths[i]!)
        before = keys.newest(id)
        if (Math.abs(before) !== previous[i] && !lenient) return i
      }
      keys.setNewest(id, signed[i]!)
      this.#settle(id, signed[i]!)
    }
    // Never: but it is not to be optimised away.
    return Number.isNaN(touched) ? 0 : -1
  }

  /** The committed state as it is now, for reading it at leisure while the index goes on. */
  captureCommitted(): CommittedKeys {
    const lastId = this.#lastId
    const signedPosition = this.keys.shareCommitted()
    return {
      keys: this.keys,
      lastId,
      keyCount: this.#keyCount,
      liveKeyCount: this.#liveKeyCount,
      signedPosition,
      positionOf: (bytes, start, length) => {
        const id = this.find(bytes, start, length)
        return id === -1 || id > lastId ? 0 : signedPosition(id)
      },
    }
  }

  #settle(id: number, written: number): void {
    const before = this.keys.committed(id)
    if (before === 0) this.#keyCount++
    if (before > 0) this.#liveKeyCount--
    if (written > 0) this.#liveKeyCount++
    this.keys.setCommitted(id, written)
  }
}
