import type { Position } from '../log/entry.js'
import type { EntryView } from './entry-reader.js'
import type { KeyIndex } from './key-index.js'
import type { KeyRows } from './key-rows.js'
import { type KeyBlocks, placeOf } from './ordered-keys.js'

/** Which state a read sees: with tentative entries, or only what is committed (R3). */
export type StateView = 'newest' | 'committed'

export interface ScanOptions extends KeyRange {
  readonly view: StateView
  /** At most so many items. */
  readonly limit: number
  /** Ends the page when its keys and values hold so many bytes; the first item may exceed it. */
  readonly sizeBytesMax: number
  /** Leave the log alone: items have no `entry`. */
  readonly keysOnly?: boolean
  /** Ends the page after so many keys looked at, deleted ones too, so that no page takes long. Default 50,000. */
  readonly examinedMax?: number
}

export interface ScanItem {
  /** A copy. */
  readonly key: Buffer
  readonly position: Position
  readonly entry: ScanEntry | undefined
}

export interface ScanEntry {
  /** A copy. */
  readonly value: Buffer
  readonly epoch: number
  readonly lamport: number
  readonly wallMs: number
}

export interface ScanPage {
  /** Live keys only, in the order asked for. May be empty although more follow: see `examinedMax`. */
  readonly items: readonly ScanItem[]
  /** Where to go on: the `start` of the next page (in reverse its `end`); undefined when this was the last. */
  readonly next: Buffer | undefined
}

const EXAMINED_MAX = 50_000
/** What an item costs beside key and value. */
const ITEM_SIZE_BYTES = 48

/** One page of keys in byte order. `blocks` must hold all keys of `index`. Throws as `read`. */
export function scanKeys(
  index: KeyIndex,
  blocks: KeyBlocks,
  read: (position: Position) => EntryView,
  options: ScanOptions,
): ScanPage {
  const { limit, sizeBytesMax, reverse = false } = options
  const items: ScanItem[] = []
  let sizeBytes = 0
  let examined = 0
  let last = -1
  for (const id of idsInRange(index.keys, blocks, options)) {
    if (
      items.length >= limit ||
      sizeBytes >= sizeBytesMax ||
      examined >= (options.examinedMax ?? EXAMINED_MAX)
    ) {
      return { items, next: index.keys.copy(reverse ? last : id) }
    }
    examined++
    last = id
    const item = itemOf(index, id, read, options)
    if (item === undefined) continue
    items.push(item)
    sizeBytes += ITEM_SIZE_BYTES + item.key.length + (item.entry?.value.length ?? 0)
  }
  return { items, next: undefined }
}

function itemOf(
  index: KeyIndex,
  id: number,
  read: (position: Position) => EntryView,
  options: ScanOptions,
): ScanItem | undefined {
  const isCommittedView = options.view === 'committed'
  const position = isCommittedView ? index.committed(id) : index.newest(id)
  if (position === 0) return undefined
  if (isCommittedView ? index.committedIsDelete(id) : index.newestIsDelete(id)) return undefined
  const key = index.keys.copy(id)
  if (options.keysOnly === true) return { key, position, entry: undefined }
  const { bytes, valueStart, valueLength, epoch, lamport, wallMs } = read(position)
  const value = Buffer.allocUnsafe(valueLength)
  bytes.copy(value, 0, valueStart, valueStart + valueLength)
  return { key, position, entry: { value, epoch, lamport, wallMs } }
}

/** Keys in byte order, or from the last to the first. */
export interface KeyRange {
  /** First key wanted; empty: from the very first. */
  readonly start: Buffer
  /** Keys from here on are not wanted; undefined: no bound. */
  readonly end?: Buffer | undefined
  readonly reverse?: boolean
}

/** Ids of the keys in a range, in the order asked for. `blocks` must hold all keys. */
export function idsInRange(keys: KeyRows, blocks: KeyBlocks, range: KeyRange): Generator<number> {
  return range.reverse === true ? descending(keys, blocks, range) : ascending(keys, blocks, range)
}

function* ascending(keys: KeyRows, blocks: KeyBlocks, { start, end }: KeyRange): Generator<number> {
  const from = placeOf(blocks, keys, start)
  for (let number = from.block; number < blocks.length; number++) {
    const block = blocks[number]!
    for (let at = number === from.block ? from.at : 0; at < block.length; at++) {
      const id = block[at]!
      if (end !== undefined && keys.compareBytes(id, end, 0, end.length) >= 0) return
      yield id
    }
  }
}

function* descending(keys: KeyRows, blocks: KeyBlocks, { start, end }: KeyRange): Generator<number> {
  const from = end === undefined ? { block: blocks.length, at: 0 } : placeOf(blocks, keys, end)
  for (let number = Math.min(from.block, blocks.length - 1); number >= 0; number--) {
    const block = blocks[number]!
    for (let at = (number === from.block ? from.at : block.length) - 1; at >= 0; at--) {
      const id = block[at]!
      if (keys.compareBytes(id, start, 0, start.length) < 0) return
      yield id
    }
  }
}
