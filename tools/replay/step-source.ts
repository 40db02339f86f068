/** Where the debugger reads from: records of logs around where it stands, and what keys held, without ever holding a log. */

import type { Cut } from '../../src/client/moment.js'
import type { LogRecord } from '../../src/log/record-codec.js'
import { type LogLine, lineOfEntry } from '../log-line.js'
import { type LogOptions, type LogSource, openLogSource } from '../log-source.js'
import { timeOf } from '../past/past-options.js'
import { type PastMoment, type PastSource, rangeOf, withPast } from '../past/past-source.js'

/** A shard's part that can be gone through. */
export interface StepRange {
  /** Nothing at or below it can be shown. */
  readonly baseIndex: number
  /** As it was when the debugger began. */
  readonly lastIndex: number
}

/** An index for each shard that is gone through. */
export type Places = ReadonlyMap<string, number>

export interface StepSource {
  /** Those that are gone through, in the order of their ordinals. */
  readonly shards: readonly string[]
  range(shard: string): StepRange
  /** The record that holds the entry, which is in the range. */
  record(shard: string, index: number): Promise<LogRecord>
  /** The records from the one that holds `fromIndex` to the range's end, in order. */
  records(shard: string, fromIndex: number): AsyncIterable<LogRecord>
  /** An entry as the tools show it; `slot` in the record. */
  line(shard: string, record: LogRecord, slot: number): LogLine
  /** The key's newest entry at or below an index, a DELETE too; undefined where it has none. */
  newest(shard: string, key: Buffer, index: number): Promise<LogLine | undefined>
  /** The shard that the key belongs to; undefined where that is not gone through. */
  shardOf(key: Buffer): string | undefined
  /** The SETs that the live keys with this prefix had their values from, in byte order. */
  keys(places: Places, prefix: string): AsyncIterable<LogLine>
  /** Where the shards stood at a time, as it is typed; never beyond the range. */
  resolve(time: string): Promise<Places>
}

/** Entries that are fetched with the one that is wanted, on the side that the walk goes to. */
const WINDOW_ENTRIES = 1_024
/** Records that are kept at hand, of all shards together. */
const RECORDS_KEPT = 512
const NOTHING: Cut = { index: 0, epoch: 0, lamport: 0, wallMs: 0 }

/** Opens what the options name, and lets `use` work with it. */
export async function withStepSource<T>(
  options: LogOptions,
  use: (source: StepSource) => Promise<T>,
): Promise<T> {
  const logs = await openLogSource(options, () => {})
  try {
    return await withPast(options, async past => {
      const newest = await past.resolve({ kind: 'now' }, '--at')
      const shards = options.shard === undefined ? Object.keys(newest.cuts) : [options.shard]
      const ranges = new Map<string, StepRange>()
      const committed = new Map<string, number>()
      for (const shard of shards) {
        const { baseIndex } = await logs.logInfo(shard)
        ranges.set(shard, { baseIndex, lastIndex: newest.cuts[shard]?.index ?? 0 })
        committed.set(shard, logs.isLive ? Number.POSITIVE_INFINITY : await logs.commitIndex(shard))
      }
      return await use(new OpenStepSource(logs, past, ranges, committed))
    })
  } finally {
    await logs.close()
  }
}

class OpenStepSource implements StepSource {
  readonly shards: readonly string[]
  readonly #logs: LogSource
  readonly #past: PastSource
  readonly #ranges: ReadonlyMap<string, StepRange>
  readonly #committed: ReadonlyMap<string, number>
  /** By shard and first index, least recently used first. */
  readonly #kept = new Map<string, LogRecord>()
  readonly #lastWanted = new Map<string, number>()

  constructor(
    logs: LogSource,
    past: PastSource,
    ranges: ReadonlyMap<string, StepRange>,
    committed: ReadonlyMap<string, number>,
  ) {
    this.#logs = logs
    this.#past = past
    this.#ranges = ranges
    this.#committed = committed
    this.shards = [...ranges.keys()]
  }

  range(shard: string): StepRange {
    return this.#ranges.get(shard)!
  }

  async record(shard: string, index: number): Promise<LogRecord> {
    const known = this.#find(shard, index)
    const isBackwards = index < (this.#lastWanted.get(shard) ?? 0)
    this.#lastWanted.set(shard, index)
    if (known !== undefined) return known
    const { baseIndex, lastIndex } = this.range(shard)
    const from = isBackwards ? Math.max(baseIndex + 1, index - WINDOW_ENTRIES) : index
    const to = isBackwards ? index : Math.min(lastIndex, index + WINDOW_ENTRIES)
    for await (const record of this.#logs.records(shard, from, to)) this.#keep(shard, record.compacted())
    const found = this.#find(shard, index)
    if (found !== undefined) return found
    throw new Error(`${shard}: entry ${index} is not in the log any more`)
  }

  async *records(shard: string, fromIndex: number): AsyncGenerator<LogRecord> {
    const { lastIndex } = this.range(shard)
    if (fromIndex <= lastIndex) yield* this.#logs.records(shard, fromIndex, lastIndex)
  }

  line(shard: string, record: LogRecord, slot: number): LogLine {
    return lineOfEntry(shard, record.entry(slot), this.#committed.get(shard)!)
  }

  async newest(shard: string, key: Buffer, index: number): Promise<LogLine | undefined> {
    if (index === 0) return undefined
    const at = { moment: { lamport: 0 }, cuts: { [shard]: { ...NOTHING, index } } }
    for await (const line of this.#past.history(key, at, { limit: 1 })) return line
    return undefined
  }

  shardOf(key: Buffer): string | undefined {
    const found = this.#past.shardsOf(key)
    // A node's folder alone does not say how keys are given to shards.
    return found.length === 1 || this.shards.length === 1
      ? this.shards.find(each => found.includes(each))
      : undefined
  }

  async *keys(places: Places, prefix: string): AsyncGenerator<LogLine> {
    const cuts: Record<string, Cut> = {}
    // A cluster is asked for all its shards; what is not gone through is left out of its answer.
    if (this.#logs.isLive) for (const shard of this.#past.shards) cuts[shard] = NOTHING
    for (const [shard, index] of places) cuts[shard] = { ...NOTHING, index }
    const at: PastMoment = { moment: { lamport: 0 }, cuts }
    for await (const line of this.#past.blame(at, rangeOf(prefix))) if (places.has(line.shard)) yield line
  }

  async resolve(time: string): Promise<Places> {
    const address = timeOf(time, 'j')
    if (address.kind === 'start') return this.#places(() => 0)
    const moment = await this.#past.resolve(address, 'j', this.shards)
    return this.#places(shard => moment.cuts[shard]?.index ?? 0)
  }

  #places(indexOf: (shard: string) => number): Places {
    return new Map(
      this.shards.map(shard => {
        const { baseIndex, lastIndex } = this.range(shard)
        return [shard, Math.min(lastIndex, Math.max(baseIndex, indexOf(shard)))]
      }),
    )
  }

  #find(shard: string, index: number): LogRecord | undefined {
    const ordinal = this.#logs.ordinal(shard)
    for (const [name, record] of this.#kept) {
      if (record.shard !== ordinal || index < record.firstIndex || index > record.lastIndex) continue
      this.#kept.delete(name)
      this.#kept.set(name, record)
      return record
    }
    return undefined
  }

  #keep(shard: string, record: LogRecord): void {
    this.#kept.set(`${shard}/${record.firstIndex}`, record)
    for (const oldest of this.#kept.keys()) {
      if (this.#kept.size <= RECORDS_KEPT) break
      this.#kept.delete(oldest)
    }
  }
}
