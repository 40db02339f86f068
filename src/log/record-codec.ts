import { hash as oneShotHash } from 'node:crypto'
import { type Entry, EntryFlag, type Operation, type Position } from './entry.js'
import { LogError, type LogErrorDetails } from './errors.js'
import { checkFrame, findProblem, type RecordProblem } from './record-check.js'
import {
  CLIENT_ID_SIZE_BYTES,
  ClientAt,
  COVERED_FROM,
  EntryAt,
  HASH_SIZE_BYTES,
  HeaderAt,
  OFFSET_SIZE_BYTES,
} from './record-layout.js'

/** What a record says about itself. `previousHash` is a view on the record's bytes, or the caller's own. */
export interface RecordHeader {
  /** 32 hexadecimal digits. */
  readonly logId: string
  /** The shard's ordinal. */
  readonly shard: number
  readonly epoch: number
  readonly firstIndex: number
  readonly count: number
  /** Lamport time of the first entry; entry `slot` has `lamport + slot`. */
  readonly lamport: number
  /** Wall time of all its entries, epoch ms. */
  readonly wallMs: number
  /** The head's commitIndex when it built the record: always below `firstIndex`. */
  readonly commitIndex: number
  /** Hash of the record before; 32 zero bytes for the log's first. */
  readonly previousHash: Buffer
}

/**
 * A record: an immutable view on its encoded bytes. Nothing is copied and nothing is decoded ahead; accessors read
 * the bytes and allocate nothing, so a projection can walk thousands of entries without making garbage.
 * Slots run from 0 to `count - 1` and are not checked by the accessors.
 */
export class LogRecord {
  /** The record as stored and sent. Nobody may write to it. */
  readonly bytes: Buffer
  readonly shard: number
  readonly epoch: number
  readonly firstIndex: number
  readonly count: number
  /** Lamport time of the first entry. */
  readonly lamport: number
  /** Wall time of every entry, epoch ms. */
  readonly wallMs: number
  /** The head's commitIndex when it built this. */
  readonly commitIndex: number
  /** How many clients the record's client table holds. */
  readonly clientCount: number
  readonly #view: DataView
  readonly #offsets: number
  #hash: Buffer | undefined

  private constructor(bytes: Buffer, view: DataView) {
    this.bytes = bytes
    this.#view = view
    this.shard = view.getUint16(HeaderAt.shard, true)
    this.epoch = view.getFloat64(HeaderAt.epoch, true)
    this.firstIndex = view.getFloat64(HeaderAt.firstIndex, true)
    this.count = view.getUint16(HeaderAt.count, true)
    this.lamport = view.getFloat64(HeaderAt.lamport, true)
    this.wallMs = view.getFloat64(HeaderAt.wallMs, true)
    this.commitIndex = view.getFloat64(HeaderAt.commitIndex, true)
    this.clientCount = view.getUint16(HeaderAt.clientCount, true)
    this.#offsets = view.getUint32(HeaderAt.offsets, true)
  }

  /**
   * Checks everything that can be checked on one record alone (magic, version, lengths, offset tables, every
   * entry's fixed part, CRC) and returns it as a view on `bytes`, which the caller must not change afterwards.
   * `where` says in an error where the bytes came from.
   * @throws LogError LOG_DAMAGED, LOG_NEWER_FORMAT
   */
  static decode(bytes: Buffer, where = 'a record', details: LogErrorDetails = {}): LogRecord {
    const view = viewOf(bytes)
    refuse(findProblem(bytes, view), where, details)
    return new LogRecord(bytes, view)
  }

  /**
   * As `decode`, for bytes that were decoded in full before they were stored: the CRC says that they are still the
   * same, so the structure inside is not gone through again.
   * @throws LogError LOG_DAMAGED, LOG_NEWER_FORMAT
   */
  static decodeStored(bytes: Buffer, where: string, details: LogErrorDetails): LogRecord {
    const view = viewOf(bytes)
    refuse(checkFrame(bytes, view), where, details)
    return new LogRecord(bytes, view)
  }

  /** Wraps bytes that this process just encoded, and their hash: no checks. The caller hands both over. */
  static fromWriter(bytes: Buffer, hash: Buffer): LogRecord {
    const record = new LogRecord(bytes, viewOf(bytes))
    record.#hash = hash
    return record
  }

  get lastIndex(): number {
    return this.firstIndex + this.count - 1
  }

  /** Lamport time of the last entry. */
  get lastLamport(): number {
    return this.lamport + this.count - 1
  }

  get sizeBytes(): number {
    return this.bytes.length
  }

  /** SHA-256 of header and body as stored, without the CRC field; computed when first asked for, then kept. */
  get hash(): Buffer {
    this.#hash ??= oneShotHash('sha256', this.bytes.subarray(COVERED_FROM), 'buffer')
    return this.#hash
  }

  get logId(): string {
    return this.bytes.toString('hex', HeaderAt.logId, HeaderAt.logId + 16)
  }

  /** Hash of the record before: a view. */
  get previousHash(): Buffer {
    return this.bytes.subarray(HeaderAt.previousHash, HeaderAt.previousHash + HASH_SIZE_BYTES)
  }

  /** All header fields in one object, made anew at each call. */
  get header(): RecordHeader {
    const { logId, shard, epoch, firstIndex, count, lamport, wallMs, commitIndex, previousHash } = this
    return { logId, shard, epoch, firstIndex, count, lamport, wallMs, commitIndex, previousHash }
  }

  operation(slot: number): Operation {
    return this.#view.getUint8(this.#at(slot) + EntryAt.operation) as Operation
  }

  flags(slot: number): number {
    return this.#view.getUint8(this.#at(slot) + EntryAt.flags)
  }

  /** Where the key begins in `bytes`. */
  keyStart(slot: number): number {
    return this.#at(slot) + EntryAt.key
  }

  keyLength(slot: number): number {
    return this.#view.getUint16(this.#at(slot) + EntryAt.keyLength, true)
  }

  /** Where the value begins in `bytes`. */
  valueStart(slot: number): number {
    const at = this.#at(slot)
    return at + EntryAt.key + this.#view.getUint16(at + EntryAt.keyLength, true)
  }

  valueLength(slot: number): number {
    return this.#view.getUint32(this.#at(slot) + EntryAt.valueLength, true)
  }

  /** Position of the key's entry before this one, 0 if there is none. */
  previous(slot: number): Position {
    return this.#view.getFloat64(this.#at(slot) + EntryAt.previous, true)
  }

  /** Slot of the entry's client in the record's client table. */
  client(slot: number): number {
    return this.#view.getUint16(this.#at(slot) + EntryAt.client, true)
  }

  /** The client's number of the request, 0 for entries that no client asked for. */
  sequence(slot: number): number {
    return this.#view.getFloat64(this.#at(slot) + EntryAt.sequence, true)
  }

  /** A view on the key. */
  key(slot: number): Buffer {
    const start = this.keyStart(slot)
    return this.bytes.subarray(start, start + this.keyLength(slot))
  }

  /** A view on the value; empty for everything but SET and EPOCH. */
  value(slot: number): Buffer {
    const start = this.valueStart(slot)
    return this.bytes.subarray(start, start + this.valueLength(slot))
  }

  /** A view on the 16 bytes of client `client` of the table; all zero for "nobody". */
  clientId(client: number): Buffer {
    const at = this.#clientAt(client)
    return this.bytes.subarray(at, at + CLIENT_ID_SIZE_BYTES)
  }

  clientActor(client: number): string {
    const at = this.#clientAt(client)
    const length = this.#view.getUint16(at + ClientAt.actorLength, true)
    return this.bytes.toString('utf8', at + ClientAt.actor, at + ClientAt.actor + length)
  }

  /**
   * One entry as an object, for everything that is not in a hurry.
   * @throws RangeError when there is no such slot
   */
  entry(slot: number): Entry {
    if (!(slot >= 0 && slot < this.count)) throw new RangeError(`slot ${slot} of a record of ${this.count}`)
    const flags = this.flags(slot)
    const client = this.client(slot)
    return {
      index: this.firstIndex + slot,
      epoch: this.epoch,
      stamp: { lamport: this.lamport + slot, wallMs: this.wallMs },
      operation: this.operation(slot),
      key: this.key(slot),
      value: this.value(slot),
      previous: this.previous(slot),
      clientId: this.clientId(client),
      sequence: this.sequence(slot),
      actor: this.clientActor(client),
      batchContinues: (flags & EntryFlag.BATCH_CONTINUES) !== 0,
      refused: (flags & EntryFlag.REFUSED) !== 0,
      record: this.firstIndex,
    }
  }

  /** This record on memory of its own: itself, unless its bytes are a small part of a larger buffer. */
  compacted(): LogRecord {
    if (this.bytes.buffer.byteLength <= 2 * this.bytes.length) return this
    const bytes = Buffer.allocUnsafeSlow(this.bytes.length)
    this.bytes.copy(bytes)
    const copy = new LogRecord(bytes, viewOf(bytes))
    copy.#hash = this.#hash
    return copy
  }

  #at(slot: number): number {
    return this.#view.getUint32(this.#offsets + slot * OFFSET_SIZE_BYTES, true)
  }

  #clientAt(client: number): number {
    return this.#view.getUint32(this.#offsets + (this.count + client) * OFFSET_SIZE_BYTES, true)
  }
}

function viewOf(bytes: Buffer): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
}

function refuse(problem: RecordProblem | undefined, where: string, details: LogErrorDetails): void {
  if (problem === undefined) return
  if (problem.newer) throw new LogError('LOG_NEWER_FORMAT', `${where}: ${problem.text}`, details)
  throw new LogError('LOG_DAMAGED', `${where} is damaged: ${problem.text}`, details)
}
