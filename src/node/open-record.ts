/**
 * The record that a head is building: entries with their indexes, stamps and previous-links, staged in the projection
 * as they are added; and the runs of plain writes in it, each of which one acknowledgement will answer.
 */
import { EntryFlag, Limits, Operation, type Position, positionOf } from '../log/entry.js'
import { RecordWriter } from '../log/record-writer.js'
import type { ShardProjection } from '../projection/shard-projection.js'
import type { ReplicaDriver } from '../replication/replica-driver.js'
import type { ReplySink } from './node-host.js'
import type { SingleAnswer } from './pending-answers.js'
import type { TentativeBytes } from './tentative-bytes.js'
import type { WriteAnswers } from './write-answers.js'

/** One write of a frame: where it lies there, and what it asks for. */
export interface FrameWrite {
  /** 1: SET, 2: DELETE. */
  readonly operation: number
  readonly flags: number
  readonly keyStart: number
  readonly keyLength: number
  readonly valueStart: number
  readonly valueLength: number
  readonly ifIndex: number
}

export interface OpenRecordOptions {
  readonly driver: ReplicaDriver
  readonly projection: ShardProjection
  readonly answers: WriteAnswers
  readonly tentative: TentativeBytes
}

/** Who asks for entries that no client asked for. */
const NO_CLIENT = Buffer.alloc(16)
const NOTHING = Buffer.alloc(0)

export class OpenRecord {
  readonly #options: OpenRecordOptions
  readonly #writer = new RecordWriter()
  #isOpen = false
  #firstIndex = 0
  #firstLamport = 0
  #wallMs = 0
  /** Of the frame under way: whose it is, when it is acknowledged, and the run since the last break. */
  #sink!: ReplySink
  #strong = false
  #client = 0
  #runId = 0
  #runIndex = 0
  #runCount = 0

  constructor(options: OpenRecordOptions) {
    this.#options = options
  }

  /** Entries added so far. */
  get count(): number {
    return this.#writer.count
  }

  /** What is added from now on was asked for by this session. Opens a record if none is open. */
  serve(sink: ReplySink, strong: boolean): void {
    this.#sink = sink
    this.#strong = strong
    this.#runCount = 0
    this.#open()
  }

  /** Makes room for `count` more entries of so many bytes: closes the record and opens another if need be. */
  makeRoom(sizeBytes: number, count: number): void {
    const writer = this.#writer
    if (writer.count === 0) return
    const isFull = writer.count + count > Limits.recordEntriesMax
    if (isFull || writer.sizeBytes + sizeBytes > Limits.recordSizeBytesTarget) this.#reopen()
  }

  /** Adds a write as the next of the run. Returns its index. */
  add(frame: Buffer, id: number, write: FrameWrite, entryFlags: number): number {
    const { keyStart, keyLength, valueStart, valueLength } = write
    const operation = write.operation === 1 ? Operation.SET : Operation.DELETE
    const slot = this.#writer.count
    const position = positionOf(this.#firstIndex + slot, slot)
    const previous = this.#options.projection.stage(operation, frame, keyStart, keyLength, position)
    this.#writer.add(
      operation,
      entryFlags,
      frame,
      keyStart,
      keyLength,
      frame,
      valueStart,
      operation === Operation.SET ? valueLength : 0,
      previous,
      this.#client,
      id,
    )
    return this.#continueRun(id, this.#firstIndex + slot)
  }

  /**
   * R4: a refused conditional write is logged as a NOOP with its request id, and answered at that entry's commit.
   * The entry names the key and what the decision saw of it.
   */
  addRefusal(frame: Buffer, id: number, { keyStart, keyLength }: FrameWrite, seen: Position): number {
    const { NOOP } = Operation
    const { REFUSED } = EntryFlag
    const index = this.#firstIndex + this.#writer.count
    this.#writer.add(NOOP, REFUSED, frame, keyStart, keyLength, frame, 0, 0, seen, this.#client, id)
    return this.#continueRun(id, index)
  }

  /** Takes the write that was just added out of its run: its answer says more than its index. */
  answerSingly(single: SingleAnswer): void {
    this.#runCount -= 1
    this.closeRun()
    this.#pushSingle(single)
  }

  /** A request that the log, or this record, holds already. */
  repeat(id: number, original: number): void {
    if (this.#writer.count > 0 && original >= this.#firstIndex) this.#reopen()
    this.closeRun()
    this.#pushSingle(this.#options.answers.repeat(id, original))
  }

  /** The run ends here: what follows is not answered with it. */
  closeRun(): void {
    if (this.#runCount === 0) return
    this.#options.answers.push(this.#strong, {
      sink: this.#sink,
      lastIndex: this.#runIndex + this.#runCount - 1,
      epoch: this.#options.driver.replica.epoch,
      firstId: this.#runId,
      count: this.#runCount,
      firstIndex: this.#runIndex,
      firstLamport: this.#firstLamport + this.#runIndex - this.#firstIndex,
      wallMs: this.#wallMs,
      singles: undefined,
    })
    this.#runCount = 0
  }

  /** Appends what was added, which forwards it and starts its sync. Nothing was added: nothing happens. */
  close(): void {
    if (!this.#isOpen) return
    this.#isOpen = false
    if (this.#writer.count === 0) return
    const { driver, projection, tentative } = this.#options
    const record = this.#writer.finish()
    driver.append(record)
    projection.stagedTo(record.lastIndex)
    tentative.add(record.lastIndex, record.sizeBytes)
  }

  /** Appends a record that says nothing but that time has passed. No other may be open. */
  appendNoop(): void {
    this.#begin()
    const client = this.#writer.client(NO_CLIENT, '')
    this.#writer.add(Operation.NOOP, 0, NOTHING, 0, 0, NOTHING, 0, 0, 0, client, 0)
    this.close()
  }

  #continueRun(id: number, index: number): number {
    this.#options.projection.recordRequest(this.#sink.clientId, id, index)
    if (this.#runCount === 0) {
      this.#runId = id
      this.#runIndex = index
    }
    this.#runCount += 1
    return index
  }

  #pushSingle(single: SingleAnswer): void {
    this.#options.answers.push(this.#strong, {
      sink: this.#sink,
      lastIndex: single.index,
      epoch: this.#options.driver.replica.epoch,
      firstId: single.id,
      count: 1,
      firstIndex: single.index,
      firstLamport: 0,
      wallMs: 0,
      singles: [single],
    })
  }

  #open(): void {
    if (!this.#isOpen) this.#begin()
    this.#client = this.#writer.client(this.#sink.clientId, this.#sink.actor)
  }

  #begin(): void {
    const { stamp, firstIndex } = this.#options.driver.begin(this.#writer)
    this.#isOpen = true
    this.#firstIndex = firstIndex
    this.#firstLamport = stamp.lamport
    this.#wallMs = stamp.wallMs
  }

  #reopen(): void {
    this.closeRun()
    this.close()
    this.#open()
  }
}
