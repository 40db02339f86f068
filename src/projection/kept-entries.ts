/**
 * Which entries a base keeps beyond the newest of each key: of keys that are kept for longer, all above their horizon and
 * the one that each of them held there. So a walk along previous-links, and a state put together from the base's
 * entries, are right for these keys from their horizon on.
 */
import { EntryFlag, indexOf, Operation, type Position, positionOf } from '../log/entry.js'
import type { BaseSource } from './base-codec.js'
import { BaseRow } from './base-rows.js'
import { fitting, longestFirst, type PrefixHorizon } from './kept-prefixes.js'

/** Records, or frames of the base before, looked at between two pauses. */
const SLICE_ITEMS = 8

/** Asked about every entry in the order of the log. */
export class KeptEntries {
  readonly #ordered: readonly PrefixHorizon[]
  /** At or below a horizon, and named by an entry above it. */
  readonly #named = new Set<Position>()
  #isInBatch = false
  #endsBatch = false

  constructor(kept: readonly PrefixHorizon[]) {
    this.#ordered = longestFirst(kept)
  }

  /** Whether a batch of which something is kept ends with the last entry taken: lookups by Lamport time must find that. */
  get endsBatch(): boolean {
    return this.#endsBatch
  }

  /** Notes what an entry above its key's horizon names; before anything is taken. */
  note(bytes: Buffer, keyStart: number, keyLength: number, index: number, previous: Position): void {
    const horizon = this.#horizon(bytes, keyStart, keyLength)
    if (horizon !== undefined && index > horizon && previous !== 0 && indexOf(previous) <= horizon) {
      this.#named.add(previous)
    }
  }

  /** Whether this entry is kept. Those without a key never are. */
  take(bytes: Buffer, keyStart: number, keyLength: number, position: Position, flags: number): boolean {
    const horizon = keyLength === 0 ? undefined : this.#horizon(bytes, keyStart, keyLength)
    const isAbove = horizon !== undefined && indexOf(position) > horizon
    const continues = (flags & EntryFlag.BATCH_CONTINUES) !== 0
    this.#endsBatch = this.#isInBatch && !continues
    if (!continues) this.#isInBatch = false
    else if (isAbove) this.#isInBatch = true
    return isAbove || (horizon !== undefined && this.#named.has(position))
  }

  #horizon(bytes: Buffer, keyStart: number, keyLength: number): number | undefined {
    return fitting(this.#ordered, bytes, keyStart, keyLength)?.horizon.index
  }
}

/**
 * Gets ready to choose what is kept up to `throughIndex`; undefined where that is nothing. Reads the base before and the
 * log once, from the lowest horizon on.
 */
export async function findKept(throughIndex: number, source: BaseSource): Promise<KeptEntries | undefined> {
  const { kept, before, log, pause } = source
  if (kept.length === 0) return undefined
  const entries = new KeptEntries(kept)
  // Below index 1 there is nothing that could be named.
  const lowest = Math.min(...kept.map(({ horizon }) => (horizon.index === 0 ? throughIndex : horizon.index)))
  let sincePause = 0
  const row = new BaseRow()
  for (const payload of lowest < log.baseIndex ? (before?.payloads() ?? []) : []) {
    for (let more = row.first(payload); more; more = row.next()) {
      if (!row.isStub) entries.note(payload, row.keyStart, row.keyLength, row.index, row.previous)
    }
    if (++sincePause % SLICE_ITEMS === 0) await pause()
  }
  for await (const record of log.records(Math.max(lowest, log.baseIndex) + 1, throughIndex)) {
    const { bytes, firstIndex, count } = record
    for (let slot = 0; slot < count; slot++) {
      const operation = record.operation(slot)
      if (operation !== Operation.SET && operation !== Operation.DELETE) continue
      const index = indexOf(positionOf(firstIndex + slot, slot))
      entries.note(bytes, record.keyStart(slot), record.keyLength(slot), index, record.previous(slot))
    }
    if (++sincePause % SLICE_ITEMS === 0) await pause()
  }
  return entries
}
