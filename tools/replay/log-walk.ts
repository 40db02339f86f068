/**
 * The debugger's core: a place in the logs, and the ways to move it. The place is an index in each shard: all entries up to
 * there have happened, none above. Entries come in the order of their Lamport times, equal ones in the order of the shards,
 * so that at every place nothing has happened without what it may depend on. It holds no entries but the one it shows.
 */

import { Operation } from '../../src/log/entry.js'
import type { LogRecord } from '../../src/log/record-codec.js'
import type { LogLine } from '../log-line.js'
import type { Places, StepSource } from './step-source.js'

/** An entry and what it changed. */
export interface Step {
  readonly line: LogLine
  /** The key's entry before it, a DELETE too; undefined where there was none, and for entries without a key. */
  readonly before: LogLine | undefined
  /** Whether it is one of several that happened at once. */
  readonly isInBatch: boolean
}

/** Whether an entry is one that is looked for. */
export type Match = (record: LogRecord, slot: number) => boolean

/** Told every so often how far a search has come; false ends it with an error. */
export type Progress = (line: { readonly shard: string; readonly index: number }) => Promise<boolean>

/** Records between two calls of `Progress`. */
const RECORDS_BETWEEN_CALLS = 64

export class LogWalk {
  readonly #source: StepSource
  #places: Map<string, number>

  /** Begins before the first entry that is kept. */
  constructor(source: StepSource) {
    this.#source = source
    this.#places = new Map(source.shards.map(shard => [shard, source.range(shard).baseIndex]))
  }

  /** The index of each shard. */
  get places(): Places {
    return this.#places
  }

  /** The entry that happened last; undefined before the first. */
  async current(): Promise<Step | undefined> {
    const last = await this.#lastOf(this.#places)
    return last === undefined ? undefined : await this.#stepAt(last)
  }

  /** Goes one entry on, and tells it; undefined at the end. */
  async next(): Promise<Step | undefined> {
    let best: { shard: string; index: number; lamport: number } | undefined
    for (const [shard, place] of this.#places) {
      if (place >= this.#source.range(shard).lastIndex) continue
      const index = place + 1
      const lamport = await this.#lamportOf(shard, index)
      if (best === undefined || lamport < best.lamport) best = { shard, index, lamport }
    }
    if (best === undefined) return undefined
    this.#places.set(best.shard, best.index)
    return await this.#stepAt(best)
  }

  /** Goes one entry back, and tells the one that has not happened now; undefined at the beginning. */
  async previous(): Promise<Step | undefined> {
    const last = await this.#lastOf(this.#places)
    if (last === undefined) return undefined
    const step = await this.#stepAt(last)
    this.#places.set(last.shard, last.index - 1)
    return step
  }

  /** Goes to a place as it is. */
  jump(places: Places): void {
    this.#places = new Map(places)
  }

  /** Goes on to where the key changes next, and tells the entry; undefined, and the place is the same, where it does not. */
  async untilKeyChanges(key: Buffer, progress?: Progress): Promise<Step | undefined> {
    const shard = this.#source.shardOf(key)
    return await this.#search(shard === undefined ? this.#source.shards : [shard], keyMatch(key), progress)
  }

  /** As `untilKeyChanges`, to the next entry whose value is one that `matches`. */
  async untilValue(matches: (value: Buffer) => boolean, progress?: Progress): Promise<Step | undefined> {
    const match: Match = (record, slot) => {
      return record.operation(slot) === Operation.SET && matches(record.value(slot))
    }
    return await this.#search(this.#source.shards, match, progress)
  }

  /** Goes back to where the key changed last before the present entry, and tells that entry; undefined where it did not. */
  async beforeKeyChanged(key: Buffer): Promise<Step | undefined> {
    const last = await this.#lastOf(this.#places)
    if (last === undefined) return undefined
    for (const shard of this.#shardsOf(key)) {
      // The present entry itself may be of this key.
      const from = this.#places.get(shard)! - (shard === last.shard ? 1 : 0)
      const { baseIndex } = this.#source.range(shard)
      const found = from <= baseIndex ? undefined : await this.#source.newest(shard, key, from)
      if (found === undefined || found.index <= baseIndex) continue
      await this.#moveTo({ shard, index: found.index, lamport: found.lamport }, Math.min)
      return await this.#stepAt({ shard, index: found.index })
    }
    return undefined
  }

  /** The key's newest entry here, a DELETE too; undefined where it has none. */
  async get(key: Buffer): Promise<LogLine | undefined> {
    for (const shard of this.#shardsOf(key)) {
      const found = await this.#source.newest(shard, key, this.#places.get(shard)!)
      if (found !== undefined) return found
    }
    return undefined
  }

  /** The SETs of the keys that have a value here and begin so, in byte order. */
  keys(prefix: string): AsyncIterable<LogLine> {
    return this.#source.keys(this.#places, prefix)
  }

  #shardsOf(key: Buffer): readonly string[] {
    const shard = this.#source.shardOf(key)
    return shard === undefined ? this.#source.shards : [shard]
  }

  /** The first entry behind the place that matches, over several shards: the one with the lowest Lamport time. */
  async #search(shards: readonly string[], match: Match, progress?: Progress): Promise<Step | undefined> {
    let best: { shard: string; index: number; lamport: number } | undefined
    for (const shard of shards) {
      const from = this.#places.get(shard)! + 1
      const { lastIndex } = this.#source.range(shard)
      let count = 0
      for await (const record of this.#source.records(shard, from)) {
        if (best !== undefined && record.lamport >= best.lamport) break
        const slot = firstMatch(record, from, lastIndex, match)
        if (slot !== undefined && (best === undefined || record.lamport + slot < best.lamport)) {
          best = { shard, index: record.firstIndex + slot, lamport: record.lamport + slot }
        }
        if (slot !== undefined) break
        if (++count % RECORDS_BETWEEN_CALLS !== 0 || progress === undefined) continue
        if (!(await progress({ shard, index: record.lastIndex })))
          throw new Error('stopped: this is where it was')
      }
    }
    if (best === undefined) return undefined
    await this.#moveTo(best, Math.max)
    return await this.#stepAt(best)
  }

  /** Makes an entry the one that happened last. `choose` keeps shards from going the other way. */
  async #moveTo(
    target: { readonly shard: string; readonly index: number; readonly lamport: number },
    choose: (a: number, b: number) => number,
  ): Promise<void> {
    const order = this.#source.shards.indexOf(target.shard)
    for (const [at, shard] of this.#source.shards.entries()) {
      if (shard === target.shard) continue
      const through = at < order ? target.lamport : target.lamport - 1
      this.#places.set(shard, choose(this.#places.get(shard)!, await this.#lastThrough(shard, through)))
    }
    this.#places.set(target.shard, target.index)
  }

  /** Index of the shard's last entry with this Lamport time at most. */
  async #lastThrough(shard: string, lamport: number): Promise<number> {
    const { baseIndex, lastIndex } = this.#source.range(shard)
    let low = baseIndex
    let high = lastIndex
    while (low < high) {
      const record = await this.#source.record(shard, low + Math.ceil((high - low) / 2))
      if (record.lamport > lamport) high = record.firstIndex - 1
      else if (record.lastLamport > lamport)
        return Math.min(high, record.firstIndex + lamport - record.lamport)
      else low = Math.min(high, record.lastIndex)
    }
    return low
  }

  /** The entry with the highest Lamport time among those that happened last in their shards. */
  async #lastOf(places: Places) {
    let best: { shard: string; index: number; lamport: number } | undefined
    for (const [shard, index] of places) {
      if (index <= this.#source.range(shard).baseIndex) continue
      const lamport = await this.#lamportOf(shard, index)
      if (best === undefined || lamport >= best.lamport) best = { shard, index, lamport }
    }
    return best
  }

  async #lamportOf(shard: string, index: number): Promise<number> {
    const record = await this.#source.record(shard, index)
    return record.lamport + index - record.firstIndex
  }

  async #stepAt({ shard, index }: { readonly shard: string; readonly index: number }): Promise<Step> {
    const record = await this.#source.record(shard, index)
    const slot = index - record.firstIndex
    const line = this.#source.line(shard, record, slot)
    // A batch never spans two records.
    const follows = slot > 0 && this.#source.line(shard, record, slot - 1).batchContinues
    return { line, before: await this.#before(line), isInBatch: follows || line.batchContinues }
  }

  async #before({ shard, key, index, previous }: LogLine): Promise<LogLine | undefined> {
    if (previous === 0) return undefined
    if (previous <= this.#source.range(shard).baseIndex) {
      return await this.#source.newest(shard, key, index - 1)
    }
    const record = await this.#source.record(shard, previous)
    return this.#source.line(shard, record, previous - record.firstIndex)
  }
}

/** Slot of the first entry from one index to another that matches. */
function firstMatch(record: LogRecord, from: number, to: number, match: Match): number | undefined {
  const end = Math.min(record.count, to - record.firstIndex + 1)
  for (let slot = Math.max(0, from - record.firstIndex); slot < end; slot++) {
    if (match(record, slot)) return slot
  }
  return undefined
}

function keyMatch(key: Buffer): Match {
  return (record, slot) => {
    if (record.keyLength(slot) !== key.length) return false
    const operation = record.operation(slot)
    if (operation !== Operation.SET && operation !== Operation.DELETE) return false
    const start = record.keyStart(slot)
    return record.bytes.compare(key, 0, key.length, start, start + key.length) === 0
  }
}
