/**
 * The head's way from request to entry (Normal work, 1 and 3). What arrived in one turn of the event loop becomes one
 * record, or a few: checked, given its indexes, stamps and previous-links, staged in the projection, appended,
 * forwarded. The answer goes out when the record is durable here (weak) or on every member (strong).
 *
 * Under load everything that is outstanding tends to travel as one convoy: all answered at once, all asked at once,
 * each process idle while another works. So a record takes at most a share of what is outstanding, and the rest waits
 * for the next turn: several records are then under way at a time, each at another replica.
 */

import { type ErrorCode, VarveError } from '../client/errors.js'
import { WriteFlag } from '../client/session-frame.js'
import { WriteFrameReader } from '../client/session-frame-request.js'
import { shardOfKeyAt } from '../client/shard-of-key.js'
import { EntryFlag, indexOf, Limits } from '../log/entry.js'
import type { StampClock } from '../log/stamp.js'
import { isSystemKeyAt, RESERVED_KEY } from '../log/system-key.js'
import type { ShardProjection } from '../projection/shard-projection.js'
import type { ReplicaDriver } from '../replication/replica-driver.js'
import type { ReplySink } from './node-host.js'
import { type FrameWrite, OpenRecord } from './open-record.js'
import { TentativeBytes } from './tentative-bytes.js'
import type { WriteAnswers } from './write-answers.js'

/** Request frames that may wait; a session sends far fewer. */
export const WAITING_FRAMES_MAX = 65_536

/** A record takes at most this share of the writes outstanding ... */
const CONVOY_SHARE = 1 / 3
/** ... but so many in any case: each record costs some ms of CPU over all replicas, however small it is. */
const CONVOY_ENTRIES_MIN = 512

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

interface Fault {
  readonly code: ErrorCode
  readonly message: string
}

/** A frame that was checked, and how far it is carried out: its reader stands before the write `nextId`. */
interface WaitingFrame {
  readonly reader: WriteFrameReader
  readonly sink: ReplySink
  nextId: number
}

export class HeadPipeline {
  readonly #options: HeadPipelineOptions
  readonly #tentative = new TentativeBytes()
  readonly #record: OpenRecord
  #waiting: WaitingFrame[] = []
  #waitingWrites = 0
  #isScheduled = false
  /** Of the frame under way. */
  #reader!: WriteFrameReader
  #sink!: ReplySink

  constructor(options: HeadPipelineOptions) {
    this.#options = options
    this.#record = new OpenRecord({ ...options, tentative: this.#tentative })
  }

  /**
   * Takes a WRITES frame; it is carried out at the end of this turn of the event loop, or soon after.
   * Throws `VarveError` INVALID_ARGUMENT for one that cannot be read.
   */
  submit(frame: Buffer, sink: ReplySink): void {
    const reader = new WriteFrameReader()
    reader.reset(frame)
    const { observedLamport, firstId, count } = reader
    this.#options.clock.observe(observedLamport)
    if (this.#waiting.length >= WAITING_FRAMES_MAX) {
      const fault: Fault = { code: 'RESOURCE_EXHAUSTED', message: 'too many frames wait' }
      return this.#fail(sink, firstId, count, fault)
    }
    this.#waiting.push({ reader, sink, nextId: firstId })
    this.#waitingWrites += count
    this.#schedule()
  }

  /**
   * Appends a NOOP, at once: an entry that says nothing but that time has passed. Not in the middle of a step. Why that
   * cannot be, as for strong writes; undefined when it is done.
   */
  appendNoop(): VarveError | undefined {
    const refusal = this.#refusal(true)
    if (refusal !== undefined) return new VarveError(refusal.code, refusal.message)
    this.#record.appendNoop()
    return undefined
  }

  /** All up to `index` is committed. */
  onCommit(index: number): void {
    this.#tentative.release(index)
  }

  #schedule(): void {
    if (this.#isScheduled) return
    this.#isScheduled = true
    setImmediate(() => {
      this.#isScheduled = false
      this.#carryOutConvoy()
    })
  }

  /** Makes one record of what waits, as far as its share goes; the rest has its turn after what arrived meanwhile. */
  #carryOutConvoy(): void {
    const outstanding = this.#waitingWrites + this.#options.answers.waitingCount
    const entriesMax = Math.max(CONVOY_ENTRIES_MIN, Math.ceil(outstanding * CONVOY_SHARE))
    let done = 0
    while (this.#record.count < entriesMax && done < this.#waiting.length) {
      if (this.#carryOut(this.#waiting[done]!, entriesMax)) done += 1
    }
    if (done > 0) this.#waiting = this.#waiting.slice(done)
    this.#record.close()
    // Repeated requests wait for what may have happened long ago.
    this.#options.answers.release()
    if (this.#waiting.length > 0) this.#schedule()
  }

  /** Carries out the frame until it or the record's share ends. True when nothing of it is left to do. */
  #carryOut(waiting: WaitingFrame, entriesMax: number): boolean {
    const { sink, reader } = waiting
    const { firstId, count } = reader
    const endId = firstId + count
    const beginId = waiting.nextId
    const strong = reader.consistency === 1
    const refusal = sink.closed ? undefined : this.#refusal(strong)
    if (refusal !== undefined) this.#fail(sink, beginId, endId - beginId, refusal)
    if (sink.closed || refusal !== undefined) {
      this.#waitingWrites -= endId - beginId
      return true
    }
    this.#sink = sink
    this.#reader = reader
    this.#record.serve(sink, strong)
    while (this.#record.count < entriesMax && reader.next()) {
      if ((reader.flags & WriteFlag.BATCH_CONTINUES) === 0) {
        this.#single(waiting.nextId)
        waiting.nextId += 1
      } else waiting.nextId += this.#batch(waiting.nextId)
    }
    this.#record.closeRun()
    this.#waitingWrites -= waiting.nextId - beginId
    return waiting.nextId === endId
  }

  #refusal(strong: boolean): Fault | undefined {
    const { driver, name, diskRefusal } = this.#options
    const reason = driver.replica.writeRefusal(strong)
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
    const { frame, flags, keyStart, keyLength } = reader
    const fault = this.#faultOf(reader)
    if (fault !== undefined) return this.#breakRun(id, 1, fault)
    const { projection } = this.#options
    const original = projection.lookupRequest(this.#sink.clientId, id)
    if (original !== 0) return this.#repeat(id, original)
    this.#record.makeRoom(keyLength + reader.valueLength, 1)
    if (flags === 0) {
      this.#record.add(frame, id, reader, 0)
      return
    }
    const applied = this.#conditionHolds(reader)
    const previous = projection.locate(frame, keyStart, keyLength, 'newest')
    const index = applied
      ? this.#record.add(frame, id, reader, 0)
      : this.#record.addRefusal(frame, id, reader, previous)
    const wantsPrevious = (flags & WriteFlag.RETURN_PREVIOUS) !== 0
    this.#record.answerSingly({ id, index, applied, previous, wantsPrevious })
  }

  /** An atomic batch: all of it in one record, or, if one condition does not hold, none. Returns its length. */
  #batch(firstId: number): number {
    const { frame } = this.#reader
    const writes = this.#gather()
    const sizeBytes = writes.reduce((sum, write) => sum + write.keyLength + write.valueLength, 0)
    const fault = this.#batchFault(writes, sizeBytes)
    if (fault !== undefined) {
      this.#breakRun(firstId, writes.length, fault)
      return writes.length
    }
    const { projection } = this.#options
    if (projection.lookupRequest(this.#sink.clientId, firstId) !== 0) {
      for (let id = firstId; id < firstId + writes.length; id += 1) {
        this.#repeat(id, projection.lookupRequest(this.#sink.clientId, id))
      }
      return writes.length
    }
    this.#record.makeRoom(sizeBytes, writes.length)
    const applied = writes.every(write => this.#conditionHolds(write))
    const isPlain = writes.every(({ flags }) => (flags & ~WriteFlag.BATCH_CONTINUES) === 0)
    writes.forEach((write, at) => {
      const id = firstId + at
      const flags = at === writes.length - 1 ? 0 : EntryFlag.BATCH_CONTINUES
      const previous = projection.locate(frame, write.keyStart, write.keyLength, 'newest')
      const index = applied
        ? this.#record.add(frame, id, write, flags)
        : this.#record.addRefusal(frame, id, write, previous)
      const wantsPrevious = (write.flags & WriteFlag.RETURN_PREVIOUS) !== 0
      if (!isPlain) this.#record.answerSingly({ id, index, applied, previous, wantsPrevious })
    })
    return writes.length
  }

  /** The writes of the batch that begins with the reader's current one. */
  #gather(): FrameWrite[] {
    const reader = this.#reader
    const writes: FrameWrite[] = []
    for (;;) {
      const { operation, flags, keyStart, keyLength, valueStart, valueLength, ifIndex } = reader
      writes.push({ operation, flags, keyStart, keyLength, valueStart, valueLength, ifIndex })
      if ((flags & WriteFlag.BATCH_CONTINUES) === 0 || !reader.next()) return writes
    }
  }

  /** Why a write cannot be done here. Sizes were checked when the frame was taken in. */
  #faultOf({ keyStart, keyLength }: FrameWrite): Fault | undefined {
    const { shardCount, ordinal, name } = this.#options
    const { frame } = this.#reader
    if (isSystemKeyAt(frame, keyStart, keyLength) && this.#sink.writesSystemKeys !== true) {
      return invalid(RESERVED_KEY)
    }
    if (shardOfKeyAt(frame, keyStart, keyLength, shardCount) === ordinal) return undefined
    return { code: 'WRONG_SHARD', message: `a key that was sent to ${name} belongs to another shard` }
  }

  #batchFault(writes: readonly FrameWrite[], sizeBytes: number): Fault | undefined {
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

  #conditionHolds(write: FrameWrite): boolean {
    if ((write.flags & (WriteFlag.IF_INDEX | WriteFlag.IF_ABSENT)) === 0) return true
    const { projection } = this.#options
    const at = projection.locate(this.#reader.frame, write.keyStart, write.keyLength, 'newest')
    const isAbsent = at === 0 || projection.lastWasDelete
    if ((write.flags & WriteFlag.IF_ABSENT) !== 0) return isAbsent
    return (isAbsent ? 0 : indexOf(at)) === write.ifIndex
  }

  /** A request id that the log holds already: answered with what became of it (or expired, or never to be known). */
  #repeat(id: number, original: number): void {
    if (original > 0) return this.#record.repeat(id, original)
    const message = `request ${id} is older than what the shard remembers`
    this.#breakRun(id, 1, { code: 'SESSION_EXPIRED', message })
  }

  #breakRun(id: number, count: number, fault: Fault): void {
    this.#record.closeRun()
    this.#fail(this.#sink, id, count, fault)
  }

  #fail(sink: ReplySink, firstId: number, count: number, { code, message }: Fault): void {
    this.#options.answers.fail(sink, firstId, count, code, message, 'failed')
  }
}

function invalid(message: string): Fault {
  return { code: 'INVALID_ARGUMENT', message }
}
