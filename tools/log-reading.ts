/** Entries of logs as `varve log cat` reads them: parts of several shards, filtered, forwards or backwards. */

import type { LogDamage } from '../src/log/log-damage.js'
import type { LogRecord } from '../src/log/record-codec.js'
import type { EntryFilter } from './log-filter.js'
import { type LogLine, lineOfEntry } from './log-line.js'
import type { LogRange } from './log-selection.js'
import type { LogSource } from './log-source.js'
import { note } from './output.js'

/** Entries read at once when going backwards. */
const BACKWARDS_ENTRIES = 1_024

/** The wanted entries of a part of a log, oldest first. */
export async function* linesForward(
  source: LogSource,
  range: LogRange,
  filter: EntryFilter | undefined,
): AsyncGenerator<LogLine> {
  const { shard, firstIndex, lastIndex } = range
  if (lastIndex < firstIndex) return
  for await (const record of source.records(shard, firstIndex, lastIndex)) {
    yield* linesOfRecord(shard, record, range, filter, await source.commitIndex(shard))
  }
}

/** The same, newest first. */
export async function* linesBackward(
  source: LogSource,
  range: LogRange,
  filter: EntryFilter | undefined,
): AsyncGenerator<LogLine> {
  const { firstIndex } = range
  for (let last = range.lastIndex; last >= firstIndex; ) {
    const first = Math.max(firstIndex, last - BACKWARDS_ENTRIES + 1)
    const slice: LogLine[] = []
    for await (const line of linesForward(source, { ...range, firstIndex: first, lastIndex: last }, filter)) {
      slice.push(line)
    }
    yield* slice.reverse()
    last = first - 1
  }
}

function* linesOfRecord(
  shard: string,
  record: LogRecord,
  range: LogRange,
  filter: EntryFilter | undefined,
  commitIndex: number,
): Generator<LogLine> {
  const from = Math.max(record.firstIndex, range.firstIndex) - record.firstIndex
  const to = Math.min(record.lastIndex, range.lastIndex) - record.firstIndex
  for (let slot = from; slot <= to; slot++) {
    if (filter !== undefined && !filter(record, slot)) continue
    yield lineOfEntry(shard, record.entry(slot), commitIndex)
  }
}

/** Tells of damage on stderr, each place once, and remembers whether there was any. */
export class DamageTeller {
  readonly #told = new Set<string>()

  get isEmpty(): boolean {
    return this.#told.size === 0
  }

  readonly tell = (shard: string, damage: LogDamage): void => {
    const text = damage.text(shard)
    if (this.#told.has(text)) return
    this.#told.add(text)
    note(`varve: damaged: ${text}; going on behind it`)
  }
}
