/**
 * The past of one replica's shard, as services ask for it: moments become indexes here (`closing.ts`), everything else is
 * asked by index, of whichever replica holds that much. An index at or below `commitIndex` never changes its meaning.
 */
import { VarveError } from '../client/errors.js'
import type { Entry as EntryMessage, Stamp } from '../generated/varve/v1/entry.js'
import type { ScanItem, ScanRequest, ScanResponse } from '../generated/varve/v1/kv.js'
import type {
  BlameRequest,
  BlameResponse,
  Cut,
  DiffRequest,
  DiffResponse,
  HistoryRequest,
  HistoryResponse,
} from '../generated/varve/v1/time_travel.js'
import type { Entry } from '../log/entry.js'
import type { Log } from '../log/log.js'
import { horizonOf } from '../log/log-base.js'
import type { Moment } from '../log/moment.js'
import { type RangeOfKeys, visibleRanges } from '../log/system-key.js'
import { stampBefore } from '../projection/horizon-due.js'
import { nextTurn } from '../projection/next-turn.js'
import type { ShardProjection } from '../projection/shard-projection.js'
import type { PastPage, PastScanOptions, TimeTravel } from '../projection/time-travel.js'
import type { ReplicaDriver } from '../replication/replica-driver.js'
import { Batches } from './batches.js'
import type { Closing } from './closing.js'
import type { CommitWaits } from './commit-waits.js'
import { entryMessage, positionMessage } from './entry-message.js'
import type { ShardPast } from './node-host.js'
import { pastError, readingPast } from './past-errors.js'
import { SCAN_ITEMS_DEFAULT, SCAN_ITEMS_MAX, SCAN_SIZE_BYTES_TARGET } from './scan-limits.js'

/** How long a read waits for a replica that is a little behind. */
export const REACH_TIMEOUT_MS = 1_000
/** A page of a stream over many keys is read so much at a time. */
const PAGE_ENTRIES_MAX = 1_024
const PAGE_SIZE_BYTES_MAX = 262_144
/** Entries of a history read between two turns of the event loop: a few ms. */
const READS_BETWEEN_PAUSES = 256

export interface PastReadsOptions {
  readonly name: string
  readonly address: string
  readonly log: Log
  readonly projection: ShardProjection
  readonly driver: ReplicaDriver
  readonly timeTravel: TimeTravel
  readonly closing: Closing
  readonly waits: CommitWaits
  readonly headHint: () => string
}

export class PastReads implements ShardPast {
  readonly #options: PastReadsOptions

  constructor(options: PastReadsOptions) {
    this.#options = options
  }

  async cut(moment: Moment, signal: AbortSignal): Promise<Cut> {
    const { closing } = this.#options
    return await this.#reading(async () => this.#cutAt(await closing.close(moment, signal)))
  }

  async newest(): Promise<Cut> {
    return await this.#reading(async () => this.#cutAt(await this.#options.closing.newest()))
  }

  async get(key: Buffer, index: number, signal: AbortSignal): Promise<EntryMessage | undefined> {
    await this.#reach(index, signal)
    const { timeTravel, name } = this.#options
    const entry = await this.#reading(() => timeTravel.get(key, index))
    return entry === undefined ? undefined : entryMessage(name, entry, index)
  }

  async scan(request: ScanRequest, index: number, signal: AbortSignal): Promise<ScanResponse> {
    await this.#reach(index, signal)
    const { timeTravel, address, driver } = this.#options
    const { reverse, keysOnly } = request
    const limit = request.limit === 0 ? SCAN_ITEMS_DEFAULT : Math.min(request.limit, SCAN_ITEMS_MAX)
    const answer = (items: ScanItem[], more: boolean): ScanResponse => {
      return { items, more, appliedIndex: driver.replica.commitIndex, node: address, cuts: [] }
    }
    const page = ({ start, end }: RangeOfKeys, limit: number) => {
      const range = { start, end: end.length === 0 ? undefined : end, reverse }
      const options = { ...range, index, limit, sizeBytesMax: SCAN_SIZE_BYTES_TARGET }
      return this.#reading(() => timeTravel.scan(options))
    }
    const parts = visibleRanges(request)
    if (reverse) parts.reverse()
    for (let part = parts.shift(); part !== undefined; ) {
      signal.throwIfAborted()
      const { entries, next } = await page(part, limit)
      while (next === undefined && parts.length > 0 && (await page(parts[0]!, 1)).entries.length === 0) {
        parts.shift()
      }
      const more = next !== undefined || parts.length > 0
      if (entries.length > 0 || !more) {
        return answer(
          entries.map(entry => this.#scanItem(entry, keysOnly)),
          more,
        )
      }
      if (next === undefined) part = parts.shift()
      else part = reverse ? { ...part, end: next } : { ...part, start: next }
    }
    return answer([], false)
  }

  async *history(request: HistoryRequest, signal: AbortSignal): AsyncGenerator<HistoryResponse, void, void> {
    const { timeTravel, log, projection, driver, name } = this.#options
    const { horizons } = projection
    const { key, fromIndex, limit, tentative } = request
    const newest = tentative ? log.lastIndex : driver.replica.commitIndex
    const to = request.toIndex === 0 ? newest : request.toIndex
    if (!tentative || to > log.lastIndex) await this.#reach(to, signal)
    await this.#reading(async () => horizons.checkKey(key, to))
    const batches = new Batches<EntryMessage>()
    let left = limit === 0 ? Number.POSITIVE_INFINITY : limit
    let reads = 0
    let older = 0
    try {
      // From the newest on, so that even where nothing is left up to `to` it shows that something was.
      for (const entry of timeTravel.history(key, log.lastIndex)) {
        if (++reads % READS_BETWEEN_PAUSES === 0) await nextTurn()
        signal.throwIfAborted()
        older = entry.previous
        if (entry.index > to) continue
        if (entry.index < fromIndex || left <= 0) {
          older = 0
          break
        }
        left -= 1
        const message = entryMessage(name, entry, driver.replica.commitIndex)
        if (batches.add(message, entry.key.length + entry.value.length)) {
          yield { entries: batches.take(), horizonIndex: 0 }
        }
      }
    } catch (error) {
      throw pastError(name, log, error)
    }
    // The walk ended although the last entry names one before it: that one was dropped.
    yield { entries: batches.take(), horizonIndex: older === 0 ? 0 : horizons.ofKey(key).index }
  }

  async *diff(request: DiffRequest, signal: AbortSignal): AsyncGenerator<DiffResponse, void, void> {
    const { fromIndex, toIndex } = request
    if (fromIndex > toIndex) {
      const text = `a diff from index ${fromIndex} to ${toIndex}, expected from the earlier to the later`
      throw new VarveError('INVALID_ARGUMENT', text)
    }
    await this.#reach(toIndex, signal)
    const { timeTravel, log, name } = this.#options
    const batches = new Batches<DiffResponse['differences'][number]>()
    const message = (entry: Entry | undefined) =>
      entry === undefined ? undefined : entryMessage(name, entry, toIndex)
    try {
      for (const { start, end } of visibleRanges(request)) {
        const range = { fromIndex, toIndex, start, end: end.length === 0 ? undefined : end }
        for await (const found of timeTravel.diff(range)) {
          signal.throwIfAborted()
          for (const { key, before, after } of found) {
            const sizeBytes = key.length + (before?.value.length ?? 0) + (after?.value.length ?? 0)
            const difference = { key, before: message(before), after: message(after) }
            if (batches.add(difference, sizeBytes)) yield { differences: batches.take() }
          }
        }
      }
    } catch (error) {
      throw pastError(name, log, error)
    }
    if (batches.count > 0) yield { differences: batches.take() }
  }

  async *blame(request: BlameRequest, signal: AbortSignal): AsyncGenerator<BlameResponse, void, void> {
    const { index } = request
    await this.#reach(index, signal)
    const { timeTravel, name } = this.#options
    for (const part of visibleRanges(request)) {
      const end = part.end.length === 0 ? undefined : part.end
      for (let start: Buffer | undefined = part.start; start !== undefined; ) {
        const bounds = { limit: PAGE_ENTRIES_MAX, sizeBytesMax: PAGE_SIZE_BYTES_MAX }
        const options: PastScanOptions = { start, end, index, ...bounds }
        const page: PastPage = await this.#reading(() => timeTravel.scan(options))
        signal.throwIfAborted()
        if (page.entries.length > 0) {
          yield { entries: page.entries.map(entry => entryMessage(name, entry, index)) }
        }
        start = page.next
      }
    }
  }

  #cutAt(index: number): Cut {
    const { log, projection, name } = this.#options
    const horizon = horizonOf(log)
    // At and below the base, the base knows.
    const epoch = log.recordAt(index)?.epoch ?? projection.base?.epochOf(index) ?? 0
    const stamp: Stamp | undefined = index === 0 ? undefined : stampBefore(projection, index)
    return {
      shard: name,
      index,
      epoch: index === 0 ? 0 : epoch,
      stamp,
      horizonIndex: horizon.index,
      horizonStamp: horizon.index === 0 ? undefined : { ...horizon.stamp },
      horizonWrittenMs: horizon.droppedMs,
    }
  }

  /** Waits a little for a replica that does not know yet that so much is committed. */
  async #reach(index: number, signal: AbortSignal): Promise<void> {
    const { driver, waits, name, headHint } = this.#options
    const endsAt = performance.now() + REACH_TIMEOUT_MS
    while (driver.replica.commitIndex < index) {
      const leftMs = endsAt - performance.now()
      if (leftMs <= 0) {
        const holds = `this replica knows ${driver.replica.commitIndex} entries to be committed`
        const hint = headHint() === '' ? undefined : headHint()
        throw new VarveError('BEHIND', `${name}: ${holds}, index ${index} was asked for`, { hint })
      }
      await waits.until(index, leftMs, signal)
    }
  }

  #scanItem(entry: Entry, keysOnly: boolean): ScanItem {
    const { index, epoch, stamp } = entry
    const position = positionMessage(this.#options.name, { index, epoch, ...stamp }, true)
    return { key: entry.key, value: keysOnly ? Buffer.alloc(0) : entry.value, position }
  }

  async #reading<T>(read: () => Promise<T>): Promise<T> {
    return await readingPast(this.#options.name, this.#options.log, read)
  }
}
