import type { ClearRange, LogWrite } from './log-disk.js'
import { EMPTY_STATE, type LogState } from './log-state.js'
import { type LogContents, LogVerifier } from './log-verifier.js'
import { LogRecord } from './record-codec.js'

/** Records by epoch and first index. */
class RecordTable {
  readonly #epochs = new Map<number, Map<number, LogRecord>>()

  get isEmpty(): boolean {
    return this.#epochs.size === 0
  }

  get(epoch: number, firstIndex: number): LogRecord | undefined {
    return this.#epochs.get(epoch)?.get(firstIndex)
  }

  set(record: LogRecord): void {
    let records = this.#epochs.get(record.epoch)
    if (records === undefined) {
      records = new Map()
      this.#epochs.set(record.epoch, records)
    }
    records.set(record.firstIndex, record)
  }

  delete({ epoch, firstIndex, lastIndex }: ClearRange): void {
    const records = this.#epochs.get(epoch)
    for (const index of records?.keys() ?? []) {
      if (index >= firstIndex && index <= lastIndex) records!.delete(index)
    }
    if (records?.size === 0) this.#epochs.delete(epoch)
  }

  /** By epoch, then index, as LevelDB's keys sort. */
  inOrder(): LogRecord[] {
    const all = [...this.#epochs.values()].flatMap(records => [...records.values()])
    return all.sort((a, b) => a.epoch - b.epoch || a.firstIndex - b.firstIndex)
  }

  clear(): void {
    this.#epochs.clear()
  }
}

/** What survives a crash of one log in memory, and what has been handed over and would not. */
export class MemoryDisk {
  readonly #synced = new RecordTable()
  readonly #unsynced = new RecordTable()
  /** What the disk holds in place of these records. */
  readonly #damaged = new Map<LogRecord, Buffer>()
  #state: LogState = EMPTY_STATE

  /** Nothing was ever synced. */
  get isEmpty(): boolean {
    return this.#synced.isEmpty && this.#state === EMPTY_STATE
  }

  /** A record can be read from now on. */
  take(record: LogRecord): void {
    this.#unsynced.set(record)
  }

  /** The write is synced. */
  apply(write: LogWrite): void {
    if (write.record !== undefined && write.put) this.#synced.set(write.record)
    if (write.state !== undefined) this.#state = write.state
  }

  /** Records that a base stands for. */
  clear(ranges: readonly ClearRange[]): void {
    for (const range of ranges) this.#synced.delete(range)
  }

  /** All that was taken is synced, or lost. */
  forgetUnsynced(): void {
    this.#unsynced.clear()
  }

  get(epoch: number, firstIndex: number): LogRecord | undefined {
    return this.#unsynced.get(epoch, firstIndex) ?? this.#synced.get(epoch, firstIndex)
  }

  syncedInOrder(): LogRecord[] {
    return this.#synced.inOrder()
  }

  /** One bit of a synced record changes: bit `bit` of the record at `place`, both modulo what there is. */
  flipBit(place: number, bit: number): boolean {
    const records = this.#synced.inOrder()
    const record = records[place % records.length]
    if (record === undefined) return false
    const bytes = Buffer.from(record.bytes)
    const at = bit % (bytes.length * 8)
    bytes[at >> 3]! ^= 1 << (at & 7)
    this.#damaged.set(record, bytes)
    return true
  }

  /** What a process finds here when it starts. @throws LogError when it is not a sound log */
  contents(): LogContents {
    const state = this.#state
    const tops = new Map<number, number>()
    const inLog: LogRecord[] = []
    const baseIndex = state.base?.index ?? 0
    for (const record of this.#synced.inOrder()) {
      const span = state.spans.find(each => each.epoch === record.epoch)
      const end = span === undefined ? 0 : span.endIndex || Number.POSITIVE_INFINITY
      if (record.firstIndex <= end && record.firstIndex <= baseIndex) continue
      if (record.firstIndex <= end) inLog.push(record)
      else tops.set(record.epoch, record.firstIndex)
    }
    const verifier = new LogVerifier(inLog[0]?.shard ?? 0, state, tops)
    for (const record of inLog) {
      const damaged = this.#damaged.get(record)
      const found = damaged === undefined ? record : LogRecord.decode(damaged, `shard ${record.shard}`)
      verifier.add(found, record.epoch, record.firstIndex)
    }
    return verifier.finish()
  }
}
