/**
 * From a key's hash to its id: extendible hashing over small open-addressing tables. A full table splits in two on
 * its own, so that growth never stops the process for longer than the rehash of one table (about 4,000 keys).
 * Source: Fagin et al., "Extendible hashing", 1979.
 */
import type { KeyRows } from './key-rows.js'

const TABLE_BITS = 12
const TABLE_SLOTS = 1 << TABLE_BITS
/** A directory deeper than this would choose tables and slots by the same bits of the hash. */
const DEPTH_MAX = 32 - TABLE_BITS
/** A table with more than this share of its slots taken splits. */
const LOAD_MAX = 0.8

interface Table {
  /** Pairs of (hash, id + 1); an id + 1 of 0 is a free slot. */
  readonly slots: Int32Array
  /** How many of the hash's first bits all its keys share. */
  readonly depth: number
  count: number
}

export class KeyTable {
  readonly #rows: KeyRows
  /** One slot for each value of the hash's first `32 - #shift` bits. Several may hold the same table. */
  #directory: Table[]
  #shift = 31
  #slotCount = 2 * TABLE_SLOTS

  constructor(rows: KeyRows) {
    this.#rows = rows
    this.#directory = [emptyTable(TABLE_SLOTS, 1), emptyTable(TABLE_SLOTS, 1)]
  }

  /** Bytes held in typed arrays. */
  get sizeBytes(): number {
    return this.#slotCount * 8
  }

  /** Id of the key, or -1. `hash` must be the hash under which it was inserted. */
  find(hash: number, bytes: Buffer, start: number, length: number): number {
    const slots = this.#directory[hash >>> this.#shift]!.slots
    const mask = slots.length - 1
    for (let at = (hash << 1) & mask; ; at = (at + 2) & mask) {
      const found = slots[at + 1]!
      if (found === 0) return -1
      if (slots[at] === hash && this.#rows.equals(found - 1, bytes, start, length)) return found - 1
    }
  }

  /** Id of the first key with this hash, or -1: mostly the key itself, which nobody has looked at yet. */
  candidate(hash: number): number {
    const slots = this.#directory[hash >>> this.#shift]!.slots
    const mask = slots.length - 1
    for (let at = (hash << 1) & mask; ; at = (at + 2) & mask) {
      const found = slots[at + 1]!
      if (found === 0 || slots[at] === hash) return found - 1
    }
  }

  /** Adds an id whose key is not in the table yet. */
  insert(hash: number, id: number): void {
    let table = this.#directory[hash >>> this.#shift]!
    while (table.count >= (table.slots.length >>> 1) * LOAD_MAX) {
      this.#split(table, hash)
      table = this.#directory[hash >>> this.#shift]!
    }
    place(table, hash, id + 1)
  }

  #split(table: Table, hash: number): void {
    const slotCount = table.slots.length >>> 1
    if (table.depth === DEPTH_MAX) {
      this.#replace(table, hash, redistributed(table, [emptyTable(slotCount * 2, table.depth)]))
      this.#slotCount += slotCount
      return
    }
    if (table.depth === 32 - this.#shift) {
      this.#directory = this.#directory.flatMap(shared => [shared, shared])
      this.#shift--
    }
    const halves = [emptyTable(slotCount, table.depth + 1), emptyTable(slotCount, table.depth + 1)]
    this.#replace(table, hash, redistributed(table, halves))
    this.#slotCount += slotCount
  }

  /** Puts one or two tables where the directory holds `table`, which is found by any of its hashes. */
  #replace(table: Table, hash: number, by: readonly Table[]): void {
    const width = 2 ** (32 - this.#shift - table.depth)
    const first = Math.floor((hash >>> this.#shift) / width) * width
    for (let i = 0; i < width; i++) {
      this.#directory[first + i] = by[Math.floor((i * by.length) / width)]!
    }
  }
}

function emptyTable(slotCount: number, depth: number): Table {
  return { slots: new Int32Array(slotCount * 2), depth, count: 0 }
}

function redistributed(from: Table, to: readonly Table[]): readonly Table[] {
  const zeros = to[0]!
  const ones = to[to.length - 1]!
  const bit = 31 - from.depth
  for (let at = 0; at < from.slots.length; at += 2) {
    const held = from.slots[at + 1]!
    if (held === 0) continue
    const hash = from.slots[at]!
    place(((hash >>> bit) & 1) === 0 ? zeros : ones, hash, held)
  }
  return to
}

function place(table: Table, hash: number, held: number): void {
  const slots = table.slots
  const mask = slots.length - 1
  let at = (hash << 1) & mask
  while (slots[at + 1] !== 0) at = (at + 2) & mask
  slots[at] = hash
  slots[at + 1] = held
  table.count++
}
