/** One shard's final log, looked up by time: which entries its head held at a moment. */

import type { RecordedEntry, RecordedRun } from '../record/recorded-run.js'
import { countUpTo } from './sorted.js'

export class ShardLog {
  readonly entries: readonly RecordedEntry[]
  /** Stamps that never descend: a new head's clock may stand behind the old one's, yet its entries came later. */
  readonly #stampsMs: Float64Array

  /** The entries are of one shard, by index. */
  constructor(entries: readonly RecordedEntry[]) {
    this.entries = entries
    let latest = Number.NEGATIVE_INFINITY
    this.#stampsMs = Float64Array.from(entries, ({ stampedMs }) => {
      latest = Math.max(latest, stampedMs)
      return latest
    })
  }

  /** How many of the entries the head held at that time. */
  countAt(ms: number): number {
    return countUpTo(this.#stampsMs, ms)
  }

  /** Index of the last entry that the head held at that time; 0 before the first. */
  indexAt(ms: number): number {
    return this.entries[this.countAt(ms) - 1]?.index ?? 0
  }

  /** Place in `entries` of the first with an index greater than that. */
  placeAfter(index: number): number {
    const first = this.entries[0]?.index ?? 1
    return Math.min(this.entries.length, Math.max(0, index - first + 1))
  }
}

/** The logs of all shards by name, those without an entry included. */
export function shardLogs(run: RecordedRun): Map<string, ShardLog> {
  const parts = new Map<string, RecordedEntry[]>(Object.keys(run.about.shards).map(shard => [shard, []]))
  for (const entry of run.log) {
    const part = parts.get(entry.shard)
    if (part === undefined) parts.set(entry.shard, [entry])
    else part.push(entry)
  }
  return new Map([...parts].map(([shard, entries]) => [shard, new ShardLog(entries)]))
}
