import { baseOf, baseStateOf, spansOf } from './base-state.js'
import type { CommitMark } from './commit-mark.js'
import { checkContinues, checkPlace, type RecordPlace } from './continuity.js'
import type { Stamp } from './entry.js'
import { EpochTable } from './epoch-table.js'
import { LogError } from './errors.js'
import type { EpochSpan, Log } from './log.js'
import type { LogBase } from './log-base.js'
import type { LogDisk } from './log-disk.js'
import type { LogState } from './log-state.js'
import type { LogContents } from './log-verifier.js'
import type { LogRecord } from './record-codec.js'
import type { RecordDirectory } from './record-directory.js'
import { EPOCH_MAX, ZERO_HASH } from './record-layout.js'
import { type LogReader, readRecords } from './record-reader.js'

/** The log as both stores know it: all rules are here, the disk behind `LogDisk`. */
export class StoredLog implements Log {
  readonly shard: number
  readonly #disk: LogDisk
  readonly #directory: RecordDirectory
  readonly #table: EpochTable
  readonly #listeners: ((log: Log) => void)[] = []
  readonly #readers = new Set<LogReader>()
  #logId: string
  #adoptedEpoch: number
  #lastIndex: number
  #lastHash: Buffer
  #lastLamport: number
  #lastWallMs: number
  #commitIndexHint: number
  #base: LogBase | undefined
  /** Apart from `#base`, because every read looks at it. */
  #baseIndex: number

  #durableIndex: number
  #durableEpoch: number
  #queuedWrites = 0
  /** The batch in flight: what it makes durable, and the lowest cut since it started. */
  #flightWrites = 0
  #flightIndex = 0
  #flightEpoch = 0
  #flightCut = Number.POSITIVE_INFINITY

  constructor(shard: number, disk: LogDisk, contents: LogContents) {
    this.shard = shard
    this.#disk = disk
    this.#directory = contents.directory
    this.#table = new EpochTable(contents.state.spans, contents.orphanTops)
    this.#logId = contents.state.logId
    this.#adoptedEpoch = contents.state.adoptedEpoch
    this.#durableEpoch = contents.state.adoptedEpoch
    this.#lastIndex = contents.lastIndex
    this.#durableIndex = contents.lastIndex
    this.#lastHash = contents.lastHash
    this.#lastLamport = contents.lastLamport
    this.#lastWallMs = contents.lastWallMs
    this.#commitIndexHint = contents.commitIndexHint
    this.#base = baseOf(contents.state)
    this.#baseIndex = this.#base?.index ?? 0
    // What a crash left of records that the base stands for.
    if (this.#base !== undefined) disk.clear(this.#table.rangesTo(this.#baseIndex))
  }

  get logId(): string {
    return this.#logId
  }

  get lastIndex(): number {
    return this.#lastIndex
  }

  get lastHash(): Buffer {
    return this.#lastHash
  }

  get lastStamp(): Stamp {
    return { lamport: this.#lastLamport, wallMs: this.#lastWallMs }
  }

  get baseIndex(): number {
    return this.#baseIndex
  }

  get baseHash(): Buffer {
    return this.#base?.hash ?? ZERO_HASH
  }

  get base(): LogBase | undefined {
    return this.#base
  }

  get durableIndex(): number {
    return this.#durableIndex
  }

  get commitIndexHint(): number {
    return this.#commitIndexHint
  }

  get adoptedEpoch(): number {
    return this.#adoptedEpoch
  }

  get durableEpoch(): number {
    return this.#durableEpoch
  }

  get pendingWrites(): number {
    return this.#queuedWrites + this.#flightWrites
  }

  get epochs(): readonly EpochSpan[] {
    return this.#table.list(this.#lastIndex, this.#lastHash)
  }

  append(record: LogRecord): void {
    this.#refuseIfPoisoned()
    this.#checkContinues(record)
    const put = !this.#isOnDisk(record)
    const isFirst = this.#logId === ''
    if (isFirst) this.#logId = record.logId
    const tableChanged = this.#table.append(record.epoch, record.firstIndex, this.#lastIndex, this.#lastHash)
    this.#directory.push(record.firstIndex)
    this.#lastIndex = record.lastIndex
    this.#lastHash = record.hash
    this.#lastLamport = record.lastLamport
    this.#lastWallMs = record.wallMs
    if (record.commitIndex > this.#commitIndexHint) this.#commitIndexHint = record.commitIndex
    this.#write(record, put, isFirst || tableChanged)
  }

  startSync(): void {
    this.#disk.startSync()
  }

  adoptEpoch(epoch: number): void {
    this.#refuseIfPoisoned()
    if (epoch === this.#adoptedEpoch) return
    if (!(epoch > this.#adoptedEpoch && epoch <= EPOCH_MAX && Math.floor(epoch) === epoch)) {
      throw this.#gap(`cannot adopt epoch ${epoch} after epoch ${this.#adoptedEpoch}`)
    }
    this.#adoptedEpoch = epoch
    this.#write(undefined, false, true)
  }

  setLogId(id: string): void {
    this.#refuseIfPoisoned()
    if (id === this.#logId) return
    if (!/^[0-9a-f]{32}$/.test(id))
      throw new TypeError(`log id '${id}': expected 32 hexadecimal digits in lower case`)
    if (this.#logId !== '' && (this.#lastIndex > 0 || this.#table.hasOrphans)) {
      const text = `shard ${this.shard} holds log ${this.#logId}, given ${id}: one folder keeps one log of a shard`
      throw new LogError('LOG_FOREIGN', text, { shard: this.shard })
    }
    this.#logId = id
    this.#write(undefined, false, true)
  }

  cut(index: number): void {
    this.#refuseIfPoisoned()
    if (index === this.#lastIndex) return
    const last = index > this.#baseIndex && index < this.#lastIndex ? this.recordAt(index) : undefined
    if (index !== this.#baseIndex && last?.lastIndex !== index) {
      throw this.#gap(
        `cannot cut at index ${index}: no record ends there, the log ends at ${this.#lastIndex}`,
      )
    }
    this.#dropAbove(index)
    this.#lastIndex = index
    this.#lastHash = last?.hash ?? this.baseHash
    this.#lastLamport = last?.lastLamport ?? this.#base?.stamp.lamport ?? 0
    this.#lastWallMs = last?.wallMs ?? this.#base?.stamp.wallMs ?? 0
    this.#commitIndexHint = Math.min(this.#commitIndexHint, index)
    this.#write(undefined, false, true)
  }

  trim(base: LogBase): void {
    this.#refuseIfPoisoned()
    if (base.index === this.#baseIndex && base.hash.equals(this.baseHash)) return
    const isOurs = base.index > this.#baseIndex && this.hashAt(base.index)?.equals(base.hash) === true
    if (!isOurs || base.index > this.#durableIndex) {
      const own = `the log holds indexes ${this.#baseIndex + 1} to ${this.#durableIndex} durably`
      throw this.#gap(`no base can stand at index ${base.index}: ${own}`, base.index)
    }
    this.#requireBlob(base)
    this.#directory.dropFirst(this.#directory.find(base.index) + 1)
    this.#useBase(base)
  }

  installBase(base: LogBase, committedIndex: number): void {
    this.#refuseIfPoisoned()
    if (base.logId !== this.#logId && this.#logId !== '') {
      const text = `shard ${this.shard} holds log ${this.#logId}, given a base of log ${base.logId}`
      throw new LogError('LOG_FOREIGN', text, { shard: this.shard, index: base.index })
    }
    if (base.index <= this.#baseIndex || base.index < committedIndex) {
      const own = `kept above ${this.#baseIndex}, committed to ${committedIndex}`
      throw this.#gap(`no base can be installed at index ${base.index} in a log ${own}`, base.index)
    }
    this.#requireBlob(base)
    this.#logId = base.logId
    this.#dropAbove(Math.min(committedIndex, this.#lastIndex))
    this.#directory.dropFirst(this.#directory.length)
    this.#table.replace(spansOf(base))
    this.#lastIndex = base.index
    this.#lastHash = base.hash
    this.#lastLamport = base.stamp.lamport
    this.#lastWallMs = base.stamp.wallMs
    this.#useBase(base)
  }

  cleared(): Promise<void> {
    return this.#disk.cleared()
  }

  read(firstIndex: number): LogRecord | undefined {
    if (firstIndex <= this.#baseIndex) return undefined
    const cached = this.#disk.cached(firstIndex)
    if (cached !== undefined) return cached
    const place = this.#directory.find(firstIndex)
    if (place < 0 || this.#directory.at(place) !== firstIndex) return undefined
    const record = this.#disk.read(this.#table.epochOf(firstIndex), firstIndex)
    return this.#checkFound(record, place)
  }

  async readMany(firstIndexes: readonly number[]): Promise<(LogRecord | undefined)[]> {
    const places = firstIndexes.map(firstIndex => {
      const place = firstIndex > this.#baseIndex ? this.#directory.find(firstIndex) : -1
      return this.#directory.at(place) === firstIndex ? place : -1
    })
    const found = await this.#fetch(places.filter(place => place >= 0))
    let at = 0
    return places.map(place => (place < 0 ? undefined : found[at++]))
  }

  recordAt(index: number): LogRecord | undefined {
    if (!(index > this.#baseIndex && index <= this.#lastIndex)) return undefined
    return this.read(this.#directory.at(this.#directory.find(index)))
  }

  firstIndexes(fromIndex: number, toIndex: number): Float64Array {
    return this.#directory.slice(this.#directory.find(fromIndex - 1) + 1, this.#directory.find(toIndex) + 1)
  }

  hashAt(index: number): Buffer | undefined {
    if (index === this.#baseIndex) return this.baseHash
    if (index === this.#lastIndex) return this.#lastHash
    const record = this.recordAt(index)
    return record?.lastIndex === index ? record.hash : undefined
  }

  epochStartHash(epoch: number): Buffer | undefined {
    const known = this.#base?.epochs.find(each => each.epoch === epoch)
    if (known !== undefined) return known.startHash
    const span = this.epochs.find(each => each.epoch === epoch)
    return span === undefined ? undefined : this.read(span.startIndex)?.hash
  }

  records(fromIndex: number, toIndex = Number.POSITIVE_INFINITY): AsyncIterable<LogRecord> {
    const fetch = (places: number[]) => this.#fetch(places)
    const from = fromIndex <= 0 ? this.#baseIndex + 1 : fromIndex
    return readRecords(this, this.#directory, this.#readers, fetch, from, toIndex)
  }

  orphans(): AsyncIterable<LogRecord> {
    return this.#disk.orphans((epoch, firstIndex) => {
      return firstIndex <= this.#lastIndex && this.#table.epochOf(firstIndex) === epoch
    })
  }

  onDurable(listener: (log: Log) => void): void {
    this.#listeners.push(listener)
  }

  /** Takes note of how far this log was committed, if it is this log that the mark is of. Throws as `read`. */
  believe({ index, hash }: CommitMark): void {
    if (index <= this.#commitIndexHint || index > this.#durableIndex) return
    if (this.hashAt(index)?.equals(hash) === true) this.#commitIndexHint = index
  }

  /** The store starts a batch with all that this log has written so far. */
  batchStarted(): void {
    this.#flightWrites = this.#queuedWrites
    this.#queuedWrites = 0
    this.#flightIndex = this.#lastIndex
    this.#flightEpoch = this.#adoptedEpoch
    this.#flightCut = Number.POSITIVE_INFINITY
  }

  /** The batch is on disk and synced. What was cut off meanwhile does not count. */
  batchDurable(): void {
    this.#flightWrites = 0
    this.#durableIndex = Math.min(this.#flightIndex, this.#flightCut)
    this.#durableEpoch = this.#flightEpoch
  }

  notifyDurable(): void {
    for (const listener of this.#listeners) listener(this)
  }

  #write(record: LogRecord | undefined, put: boolean, stateChanged: boolean): void {
    this.#queuedWrites++
    this.#disk.write({ log: this, record, put, state: stateChanged ? this.#state() : undefined })
  }

  #state(): LogState {
    const spans = this.#table.toState(this.#lastIndex, this.#lastHash)
    const base = this.#base === undefined ? undefined : baseStateOf(this.#base)
    return { logId: this.#logId, adoptedEpoch: this.#adoptedEpoch, spans, base }
  }

  /** Everything at or below the base is from now on not in the log; it goes from the disk when that is durable. */
  #useBase(base: LogBase): void {
    this.#base = base
    this.#baseIndex = base.index
    this.#commitIndexHint = Math.max(this.#commitIndexHint, base.index)
    this.#write(undefined, false, true)
    this.#disk.clear(this.#table.rangesTo(base.index))
  }

  #requireBlob(base: LogBase): void {
    if (this.#disk.holdsBase(base)) return
    throw this.#gap(`the base at index ${base.index} is not written down: write its blob first`, base.index)
  }

  #checkContinues(record: LogRecord): void {
    checkContinues(record, {
      shard: this.shard,
      logId: this.#logId,
      lastIndex: this.#lastIndex,
      lastHash: this.#lastHash,
      lastEpoch: this.#table.lastEpoch,
      lastLamport: this.#lastLamport,
      lastWallMs: this.#lastWallMs,
    })
  }

  /** Were these bytes written before, and cut? Keys are written once: other bytes under the same key are an alarm. */
  #isOnDisk(record: LogRecord): boolean {
    if (!this.#table.mayHoldOrphan(record.epoch, record.firstIndex)) return false
    const stored = this.#disk.stored(record.epoch, record.firstIndex)
    if (stored === undefined) return false
    if (stored.hash.equals(record.hash)) return true
    const text = `shard ${this.shard} holds another record of epoch ${record.epoch}, index ${record.firstIndex}`
    throw new LogError('LOG_DAMAGED', text, { shard: this.shard, index: record.firstIndex })
  }

  #dropAbove(index: number): void {
    const directory = this.#directory
    for (;;) {
      const firstIndex = directory.at(directory.length - 1)
      if (firstIndex <= index) break
      this.#table.drop(firstIndex)
      this.#disk.forget(firstIndex)
      directory.pop()
    }
    this.#durableIndex = Math.min(this.#durableIndex, index)
    this.#flightCut = Math.min(this.#flightCut, index)
    for (const reader of this.#readers) reader.cutAt = Math.min(reader.cutAt, index)
  }

  async #fetch(places: number[]): Promise<LogRecord[]> {
    // As it is now: it may be cut, or trimmed, while the disk is read.
    const expected = places.map(place => this.#placeOf(place))
    const epochs = expected.map(({ epoch }) => epoch)
    const firstIndexes = expected.map(({ firstIndex }) => firstIndex)
    const found = await this.#disk.readMany(epochs, firstIndexes)
    return found.map((record, i) => checkPlace(record, expected[i]!))
  }

  #endOf(place: number): number {
    return place + 1 < this.#directory.length ? this.#directory.at(place + 1) - 1 : this.#lastIndex
  }

  #checkFound(record: LogRecord | undefined, place: number): LogRecord {
    return checkPlace(record, this.#placeOf(place))
  }

  /** Where the record at that place of the directory must be. */
  #placeOf(place: number): RecordPlace {
    const firstIndex = this.#directory.at(place)
    const epoch = this.#table.epochOf(firstIndex)
    return { shard: this.shard, epoch, firstIndex, lastIndex: this.#endOf(place) }
  }

  #refuseIfPoisoned(): void {
    const poisoned = this.#disk.poisoned
    if (poisoned !== undefined) throw poisoned
  }

  #gap(what: string, index?: number): LogError {
    return new LogError('LOG_GAP', `shard ${this.shard}: ${what}`, { shard: this.shard, index })
  }
}
