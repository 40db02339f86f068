/** A log told entry by entry: each with what its key held before it and after it. */
import { type Entry, Operation, type Position, positionOf } from '../log/entry.js'
import { belowBase, type ReplaySource } from './replay-source.js'

/** Newest entries of keys that are kept at hand, in bytes. */
const KEPT_SIZE_BYTES = 67_108_864
/** What an entry costs beside its key and value, about. */
const ENTRY_SIZE_BYTES = 400

/** One entry and what it changed. The bytes are the receiver's. */
export interface ReplayStep {
  readonly entry: Entry
  /** The SET that the key had its value from before; undefined where it had none, and for EPOCH and NOOP. */
  readonly before: Entry | undefined
  /** The entry itself where it is a SET; undefined for a DELETE, which leaves no value, and for EPOCH and NOOP. */
  readonly after: Entry | undefined
}

export interface StepOptions {
  /** First index wanted. Default: the first that is kept. */
  readonly fromIndex?: number
  /** Last index wanted. Default: the end of the log. */
  readonly toIndex?: number
  /** Memory for what keys held, bytes; what does not fit is read again when it is needed. Default 64 MiB. */
  readonly keptSizeBytes?: number
}

/**
 * All entries from one index to another, in order.
 * @throws LogError LOG_OUT_OF_RETENTION (horizon) where `fromIndex` is below the base; whatever the source throws
 */
export async function* replaySteps(
  source: ReplaySource,
  { fromIndex, toIndex = Number.POSITIVE_INFINITY, keptSizeBytes = KEPT_SIZE_BYTES }: StepOptions = {},
): AsyncGenerator<ReplayStep, void, void> {
  const base = await source.base()
  const first = fromIndex ?? (base?.name.index ?? 0) + 1
  if (base !== undefined && first <= base.name.index) throw await belowBase(source.shard, base)
  const kept = new KeptEntries(keptSizeBytes)
  if (first > toIndex) return
  for await (const record of source.records(first, toIndex)) {
    const end = Math.min(record.count, toIndex - record.firstIndex + 1)
    for (let slot = Math.max(0, first - record.firstIndex); slot < end; slot++) {
      const entry = ownedEntry(record.entry(slot))
      if (entry.operation !== Operation.SET && entry.operation !== Operation.DELETE) {
        yield { entry, before: undefined, after: undefined }
        continue
      }
      const before = await entryBefore(source, kept, entry)
      kept.add(positionOf(entry.index, slot), entry)
      yield {
        entry,
        before: before?.operation === Operation.SET ? before : undefined,
        after: entry.operation === Operation.SET ? entry : undefined,
      }
    }
  }
}

/** The entry with bytes of its own. */
export function ownedEntry(entry: Entry): Entry {
  return {
    ...entry,
    key: Buffer.from(entry.key),
    value: Buffer.from(entry.value),
    clientId: Buffer.from(entry.clientId),
  }
}

async function entryBefore(
  source: ReplaySource,
  kept: KeptEntries,
  entry: Entry,
): Promise<Entry | undefined> {
  if (entry.previous === 0) return undefined
  const held = kept.take(entry.previous)
  if (held !== undefined) return held
  const found = await source.previous(entry.previous, entry.key, entry.index)
  return found === undefined ? undefined : ownedEntry(found)
}

/** Newest entries of the keys met so far, by position; those that were met longest ago go first. */
class KeptEntries {
  readonly #sizeBytesMax: number
  readonly #entries = new Map<Position, Entry>()
  #sizeBytes = 0

  constructor(sizeBytesMax: number) {
    this.#sizeBytesMax = sizeBytesMax
  }

  /** Takes an entry out: it is not its key's newest any more. */
  take(position: Position): Entry | undefined {
    const entry = this.#entries.get(position)
    if (entry === undefined) return undefined
    this.#entries.delete(position)
    this.#sizeBytes -= sizeOf(entry)
    return entry
  }

  add(position: Position, entry: Entry): void {
    this.#entries.set(position, entry)
    this.#sizeBytes += sizeOf(entry)
    for (const [oldest, dropped] of this.#entries) {
      if (this.#sizeBytes <= this.#sizeBytesMax) break
      this.#entries.delete(oldest)
      this.#sizeBytes -= sizeOf(dropped)
    }
  }
}

function sizeOf({ key, value }: Entry): number {
  return ENTRY_SIZE_BYTES + key.length + value.length
}
