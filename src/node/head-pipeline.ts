/**
 * The head's way from request to entry (Normal work, 1 and 3). What arrived in one turn of the event loop becomes one
 * record: checked, given its indexes, stamps and previous-links, staged in the projection, appended, forwarded. The
 * answer goes out when the record is durable here (weak) or on every member (strong).
 */

import type { ErrorCode } from '../client/errors.js'
import { WriteFlag } from '../client/session-frame.js'
import { WriteFrameReader } from '../client/session-frame-request.js'
import { shardOfKeyAt } from '../client/shard-of-key.js'
import { EntryFlag, indexOf, Limits, Operation, type Position, positionOf } from '../log/entry.js'
import { RecordWriter } from '../log/record-writer.js'
import type { StampClock } from '../log/stamp.js'
import type { ShardProjection } from '../projection/shard-projection.js'
import type { ReplicaDriver } from '../replication/replica-driver.js'
import type { ReplySink } from './node-host.js'
import type { SingleAnswer } from './pending-answers.js'
import { TentativeBytes } from './tentative-bytes.js'
import type { WriteAnswers } from './write-answers.js'

/** Request frames that may wait for the end of the turn; a session sends far fewer. */
export const WAITING_FRAMES_MAX = 65_536

export interface HeadPipelineOptions {
  readonly ordinal: number
  readonly name: string
  /** Number of shards in the cluster: a key that belongs elsewhere is refused. */
  readonly shardCount: number
  readonly driver: ReplicaDriver
  readonly projection: ShardProjection
  readonly clock: StampClock
  readonly answers: WriteAnswers
  /** Why the disk takes no more, in words; undefined while it does. */
  readonly diskRefusal: () => string | undefined
}

/** One write of a frame, kept while its batch is gathered. */
interface BatchWrite {
  readonly operation: number
  readonly flags: number
  readonly keyStart: number
  readonly keyLength: number
  readonly valueStart: number
  readonly valueLength: number
  readonly ifIndex: number
}

interface Fault {
  readonly code: ErrorCode
  readonly message: string
}

export class HeadPipeline {
  readonly #options: HeadPipelineOptions
  readonly #reader = new WriteFrameReader()
  readonly #writer = new RecordWriter()
  readonly #tentative = new TentativeBytes()
  #waiting: { frame: Buffer; sink: ReplySink }[] = []
  #isOpen = false
  #firstIndex = 0
  #firstLamport = 0
  #wallMs = 0
  /** The frame under way: who sent it, and the run of plain writes since the last break. */
  #sink!: ReplySink
  #strong = false
  #client = 0
  #runId = 0
  #runIndex = 0
  #runCount = 0

  constructor(options: HeadPipelineOptions) {
    this.#options = options
  }

  /**
   * Takes a WRITES frame; it is carried out at the end of this turn of the event loop.
   * Throws `VarveError` INVALID_ARGUMENT for one that cannot be read.
   */
  submit(frame: Buffer, sink: ReplySink): void {
    this.#reader.reset(frame)
    this.#options.clock.observe(this.#reader.observedLamport)
    if (this.#waiting.length >= WAITING_FRAMES_MAX) {
      this.#sink = sink
      const fault: Fault = { code: 'RESOURCE_EXHAUSTED', message: 'too many frames wait' }
      return this.#fail(this.#reader.firstId, this.#reader.count, fault)
    }
    this.#waiting.push({ frame, sink })
    if (this.#waiting.length === 1) setImmediate(() => this.flush())
  }

  /** Carries out all frames that wait. */
  flush(): void {
    const waiting = this.#waiting
    this.#waiting = []
    for (const { frame, sink } of waiting) {
      if (!sink.closed) this.#carryOut(frame, sink)
    }
    this.#closeRecord()
    // Repeated requests wait for what may have happened long ago.
    this.#options.answers.release()
  }

  /** All up to `index` is committed. */
  onCommit(index: number): void {
    this.#tentative.release(index)
  }

  #carryOut(frame: Buffer, sink: ReplySink): void {
    const reader = this.#reader
    reader.reset(frame)
    this.#sink = sink
    this.#strong = reader.consistency === 1
    const refusal = this.#refusal()
    if (refusal !== undefined) return this.#fail(reader.firstId, reader.count, refusal)
    this.#runCount = 0
    this.#openRecord()
    for (let id = reader.firstId; reader.next(); id += 1) {
      if ((reader.flags & WriteFlag.BATCH_CONTINUES) === 0) this.#single(id)
      else id += this.#batch(id) - 1
    }
    this.#closeRun()
  }

  #refusal(): Fault | undefined {
    const { driver, name, diskRefusal } = this.#options
    const reason = driver.replica.writeRefusal(this.#strong)
    if (reason !== undefined) {
      const code = driver.replica.isHead ? 'UNAVAILABLE' : 'NOT_HEAD'
      return { code, message: `${name} takes no writes here: ${reason}` }
    }
    const diskFault = diskRefusal()
    if (diskFault !== undefined) return { code: 'RESOURCE_EXHAUSTED', message: `${name}: ${diskFault}` }
    if (this.#tentative.isFull) {
      const message = `${name} holds ${this.#tentative.sizeBytes} bytes that its members have not confirmed: try again`
      return { code: 'RESOURCE_EXHAUSTED', message }
    }
    return undefined
  }

  /** One write that stands for itself. */
  #single(id: number): void {
    const reader = this.#reader
    const { flags, keyStart, keyLength } = reader
    const fault = this.#faultOf(reader)
    if (fault !== undefined) return this.#breakRun(id, 1, fault)
    const original = this.#options.projection.lookupRequest(this.#sink.clientId, id)
    if (original !== 0) return this.#repeat(id, original)
    if (this.#isFull(reader.keyLength + reader.valueLength)) this.#reopenRecord()
    if (flags === 0) {
      this.#addWrite(id, reader, 0)
      return
    }
    const isRefused = !this.#conditionHolds(reader)
    const before = this.#options.projection.locate(reader.frame, keyStart, keyLength, 'newest')
    const index = isRefused ? this.#addRefusal(id, reader, before) : this.#addWrite(id, reader, 0)
    this.#answerSingly(id, index, !isRefused, before, (flags & WriteFlag.RETURN_PREVIOUS) !== 0)
  }

  /** An atomic batch: all of it in one record, or, if one condition does not hold, none. Returns its length. */
  #batch(firstId: number): number {
    const reader = this.#reader
    const writes = this.#gather()
    const sizeBytes = writes.reduce((sum, write) => sum + write.keyLength + write.valueLength, 0)
    const fault = this.#batchFault(writes, sizeBytes)
    if (fault !== undefined) {
      this.#breakRun(firstId, writes.length, fault)
      return writes.length
    }
    const { projection } = this.#options
    const original = projection.lookupRequest(this.#sink.clientId, firstId)
    if (original !== 0) {
      for (let at = 0; at < writes.length; at += 1) {
        this.#repeat(firstId + at, projection.lookupRequest(this.#sink.clientId, firstId + at))
      }
      return writes.length
    }
    if (this.#isFull(sizeBytes, writes.length)) this.#reopenRecord()
    const isRefused = !writes.every(write => this.#conditionHolds(write))
    const isPlain = writes.every(({ flags }) => (flags & ~WriteFlag.BATCH_CONTINUES) === 0)
    writes.forEach((write, at) => {
      const isLast = at === writes.length - 1
      const before = projection.locate(reader.frame, write.keyStart, write.keyLength, 'newest')
      const id = firstId + at
      const flags = isLast ? 0 : EntryFlag.BATCH_CONTINUES
      const index = isRefused ? this.#addRefusal(id, write, before) : this.#addWrite(id, write, flags)
      const wantsPrevious = (write.flags & WriteFlag.RETURN_PREVIOUS) !== 0
      if (!isPlain) this.#answerSingly(id, index, !isRefused, before, wantsPrevious)
    })
    return writes.length
  }

  /** The writes of the batch that begins with the reader's current one. */
  #gather(): BatchWrite[] {
    const reader = this.#reader
    const writes: BatchWrite[] = []
    for (;;) {
      const { operation, flags, keyStart, keyLength, valueStart, valueLength, ifIndex } = reader
      writes.push({ operation, flags, keyStart, keyLength, valueStart, valueLength, ifIndex })
      if ((flags & WriteFlag.BATCH_CONTINUES) === 0 || !reader.next()) return writes
    }
  }

  /** Why a write cannot be done here. Sizes were checked when the frame was taken in. */
  #faultOf({ keyStart, keyLength }: BatchWrite): Fault | undefined {
    const { shardCount, ordinal, name } = this.#options
    if (shardOfKeyAt(this.#reader.frame, keyStart, keyLength, shardCount) === ordinal) return undefined
    return { code: 'WRONG_SHARD', message: `a key that was sent to ${name} belongs to another shard` }
  }

  #batchFault(writes: readonly BatchWrite[], sizeBytes: number): Fault | undefined {
    if (writes.length > Limits.recordEntriesMax) {
      return invalid(`batch of ${writes.length} operations: expected at most ${Limits.recordEntriesMax}`)
    }
    if (sizeBytes > Limits.batchSizeBytesMax) {
      return invalid(`batch of ${sizeBytes} bytes: expected at most ${Limits.batchSizeBytesMax}`)
    }
    for (const write of writes) {
      const fault = this.#faultOf(write)
      if (fault !== undefined) return fault
    }
    return undefined
  }

  #conditionHolds(write: BatchWrite): boolean {
    if ((write.flags & (WriteFlag.IF_INDEX | WriteFlag.IF_ABSENT)) === 0) return true
    const { projection } = this.#options
    const at = projection.locate(this.#reader.frame, write.keyStart, write.keyLength, 'newest')
    const isAbsent = at === 0 || projection.lastWasDelete
    if ((write.flags & WriteFlag.IF_ABSENT) !== 0) return isAbsent
    return (isAbsent ? 0 : indexOf(at)) === write.ifIndex
  }

  #addWrite(id: number, write: BatchWrite, entryFlags: number): number {
    const { projection } = this.#options
    const { frame } = this.#reader
    const { keyStart, keyLength, valueStart, valueLength } = write
    const operation = write.operation === 1 ? Operation.SET : Operation.DELETE
    const slot = this.#writer.count
    const index = this.#firstIndex + slot
    const previous = projection.stage(operation, frame, keyStart, keyLength, positionOf(index, slot))
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
    this.#continueRun(id, index)
    return index
  }

  /**
   * R4: a refused conditional write is logged as a NOOP with its request id, and answered at that entry's commit.
   * The entry names the key and what the decision saw of it.
   */
  #addRefusal(id: number, write: BatchWrite, seen: Position): number {
    const { frame } = this.#reader
    const { keyStart, keyLength } = write
    const index = this.#firstIndex + this.#writer.count
    this.#writer.add(
      Operation.NOOP,
      EntryFlag.REFUSED,
      frame,
      keyStart,
      keyLength,
      frame,
      0,
      0,
      seen,
      this.#client,
      id,
    )
    this.#continueRun(id, index)
    return index
  }

  #continueRun(id: number, index: number): void {
    this.#options.projection.recordRequest(this.#sink.clientId, id, index)
    if (this.#runCount === 0) {
      this.#runId = id
      this.#runIndex = index
    }
    this.#runCount += 1
  }

  /** Takes the write that was just added out of its run and answers it by itself. */
  #answerSingly(id: number, index: number, applied: boolean, previous: number, wantsPrevious: boolean): void {
    this.#runCount -= 1
    this.#closeRun()
    this.#pushSingle({ id, index, applied, previous, wantsPrevious }, index)
  }

  /** A request id that the log holds already: answered with what became of it (or expired, or never to be known). */
  #repeat(id: number, original: number): void {
    if (original < 0) {
      const message = `request ${id} is older than what the shard remembers`
      return this.#breakRun(id, 1, { code: 'SESSION_EXPIRED', message })
    }
    if (this.#writer.count > 0 && original >= this.#firstIndex) this.#reopenRecord()
    this.#closeRun()
    this.#pushSingle(this.#options.answers.repeat(id, original), original)
  }

  #pushSingle(single: SingleAnswer, waitsFor: number): void {
    this.#options.answers.push(this.#strong, {
      sink: this.#sink,
      lastIndex: waitsFor,
      epoch: this.#options.driver.replica.epoch,
      firstId: single.id,
      count: 1,
      firstIndex: single.index,
      firstLamport: 0,
      wallMs: 0,
      singles: [single],
    })
  }

  #closeRun(): void {
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

  #breakRun(id: number, count: number, fault: Fault): void {
    this.#closeRun()
    this.#fail(id, count, fault)
  }

  #fail(firstId: number, count: number, { code, message }: Fault): void {
    this.#options.answers.fail(this.#sink, firstId, count, code, message, 'failed')
  }

  // -- the record under way

  #isFull(sizeBytes: number, count = 1): boolean {
    if (this.#writer.count === 0) return false
    if (this.#writer.count + count > Limits.recordEntriesMax) return true
    return this.#writer.sizeBytes + sizeBytes > Limits.recordSizeBytesTarget
  }

  #openRecord(): void {
    if (!this.#isOpen) {
      const { stamp, firstIndex } = this.#options.driver.begin(this.#writer)
      this.#isOpen = true
      this.#firstIndex = firstIndex
      this.#firstLamport = stamp.lamport
      this.#wallMs = stamp.wallMs
    }
    this.#client = this.#writer.client(this.#sink.clientId, this.#sink.actor)
  }

  #reopenRecord(): void {
    this.#closeRun()
    this.#closeRecord()
    this.#openRecord()
  }

  #closeRecord(): void {
    if (!this.#isOpen) return
    this.#isOpen = false
    if (this.#writer.count === 0) return
    const { driver, projection } = this.#options
    const record = this.#writer.finish()
    driver.append(record)
    projection.stagedTo(record.lastIndex)
    this.#tentative.add(record.lastIndex, record.sizeBytes)
  }
}

function invalid(message: string): Fault {
  return { code: 'INVALID_ARGUMENT', message }
}
