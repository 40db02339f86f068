/**
 * Entries as rows of a base's frames. A payload is (offset of the clients u32), rows ascending by position, then clients
 * (id 16 bytes, length of the actor u16, actor). A row:
 *
 * operation u8, flags u8, key length u16, value length u32, client u32, position f64, previous f64, Lamport f64,
 * wall f64, sequence f64, key, value
 *
 * `client` is the offset of the client in the payload. A *stub* (a flag of its own) is an entry that only the request
 * table still needs: its key and value were dropped.
 */
import { type Entry, EntryFlag, indexOf, type Operation, type Position, recordOf } from '../log/entry.js'
import type { LogRecord } from '../log/record-codec.js'
import { CLIENT_ID_SIZE_BYTES } from '../log/record-layout.js'
import type { FrameWriter } from './frames.js'

/** Beside the flags of entries. */
const STUB = 0x80

const RowAt = {
  operation: 0,
  flags: 1,
  keyLength: 2,
  valueLength: 4,
  client: 8,
  position: 12,
  previous: 20,
  lamport: 28,
  wallMs: 36,
  sequence: 44,
  key: 52,
} as const

const ROWS_FROM = 4
const ACTOR_AT = CLIENT_ID_SIZE_BYTES + 2

/** Writes rows into frames. The clients of a frame follow its rows when it is finished. */
export class BaseRowWriter {
  readonly #frame: FrameWriter
  /** Places of the clients in the frame, by id and actor, and what will stand there. */
  readonly #places = new Map<string, number>()
  #clients: Buffer[] = []
  #clientsSize = 0
  /** Where rows name clients: offsets are known when the rows are over. */
  #references: number[] = []
  #lastSource: LogRecord | undefined
  #lastClient = -1
  #lastPlace = 0
  #firstIndex = 0
  #count = 0

  constructor(frame: FrameWriter) {
    this.#frame = frame
  }

  get isFull(): boolean {
    return this.#frame.isFull
  }

  get isEmpty(): boolean {
    return this.#frame.isEmpty
  }

  /** Rows in all frames so far. */
  get count(): number {
    return this.#count
  }

  /** Index of the frame's first row. */
  get firstIndex(): number {
    return this.#firstIndex
  }

  /** Adds an entry of a record, with its key and value or as a stub. */
  addEntry(record: LogRecord, slot: number, position: Position, isStub: boolean): void {
    const keyLength = isStub ? 0 : record.keyLength(slot)
    const valueLength = isStub ? 0 : record.valueLength(slot)
    const at = this.#take(position, RowAt.key + keyLength + valueLength)
    const { bytes } = this.#frame
    bytes[at + RowAt.operation] = record.operation(slot)
    bytes[at + RowAt.flags] = record.flags(slot) | (isStub ? STUB : 0)
    bytes.writeUInt16LE(keyLength, at + RowAt.keyLength)
    bytes.writeUInt32LE(valueLength, at + RowAt.valueLength)
    bytes.writeUInt32LE(this.#placeOf(record, record.client(slot)), at + RowAt.client)
    bytes.writeDoubleLE(position, at + RowAt.position)
    bytes.writeDoubleLE(record.previous(slot), at + RowAt.previous)
    bytes.writeDoubleLE(record.lamport + slot, at + RowAt.lamport)
    bytes.writeDoubleLE(record.wallMs, at + RowAt.wallMs)
    bytes.writeDoubleLE(record.sequence(slot), at + RowAt.sequence)
    if (isStub) return
    const from = record.keyStart(slot)
    record.bytes.copy(bytes, at + RowAt.key, from, from + keyLength + valueLength)
  }

  /** Adds a row of another base, with its key and value or as a stub. */
  addRow(row: BaseRow, isStub: boolean): void {
    const size = isStub ? RowAt.key : row.sizeBytes
    const at = this.#take(row.position, size)
    const { bytes } = this.#frame
    row.payload.copy(bytes, at, row.at, row.at + size)
    bytes.writeUInt32LE(this.#place(row.client), at + RowAt.client)
    if (!isStub) return
    bytes[at + RowAt.flags]! |= STUB
    bytes.writeUInt16LE(0, at + RowAt.keyLength)
    bytes.writeUInt32LE(0, at + RowAt.valueLength)
  }

  /** The frame, valid until the next row. */
  finish(kind: number): Buffer {
    const frame = this.#frame
    const clientsAt = frame.payloadSizeBytes
    const headerSize = frame.take(this.#clientsSize) - clientsAt
    let at = headerSize + clientsAt
    for (const client of this.#clients) at += client.copy(frame.bytes, at)
    frame.bytes.writeUInt32LE(clientsAt, headerSize)
    for (const reference of this.#references) {
      frame.bytes.writeUInt32LE(frame.bytes.readUInt32LE(reference) + clientsAt, reference)
    }
    this.#places.clear()
    this.#clients = []
    this.#clientsSize = 0
    this.#references = []
    this.#lastSource = undefined
    return frame.finish(kind)
  }

  #take(position: Position, size: number): number {
    if (this.#frame.isEmpty) {
      this.#frame.take(ROWS_FROM)
      this.#firstIndex = indexOf(position)
    }
    this.#count++
    const at = this.#frame.take(size)
    this.#references.push(at + RowAt.client)
    return at
  }

  /** Most entries of a record have the client of the one before. */
  #placeOf(record: LogRecord, client: number): number {
    if (record === this.#lastSource && client === this.#lastClient) return this.#lastPlace
    const actor = Buffer.from(record.clientActor(client))
    const bytes = Buffer.alloc(ACTOR_AT + actor.length)
    record.clientId(client).copy(bytes)
    bytes.writeUInt16LE(actor.length, CLIENT_ID_SIZE_BYTES)
    actor.copy(bytes, ACTOR_AT)
    this.#lastPlace = this.#place(bytes)
    this.#lastSource = record
    this.#lastClient = client
    return this.#lastPlace
  }

  #place(client: Buffer): number {
    const name = client.toString('latin1')
    const known = this.#places.get(name)
    if (known !== undefined) return known
    const place = this.#clientsSize
    this.#places.set(name, place)
    this.#clients.push(Buffer.from(client))
    this.#clientsSize += client.length
    return place
  }
}

/** One row of a frame's payload; it is moved from row to row, and holds until it is moved. */
export class BaseRow {
  payload: Buffer = Buffer.alloc(0)
  at = 0

  /** Goes to the first row of a frame; false where it has none. */
  first(payload: Buffer): boolean {
    this.payload = payload
    this.at = ROWS_FROM
    return payload.length > ROWS_FROM && this.at < payload.readUInt32LE(0)
  }

  /** Goes to the next row; false after the last. */
  next(): boolean {
    this.at += this.sizeBytes
    return this.at < this.payload.readUInt32LE(0)
  }

  get position(): Position {
    return this.payload.readDoubleLE(this.at + RowAt.position)
  }

  get index(): number {
    return indexOf(this.position)
  }

  get operation(): Operation {
    return this.payload[this.at + RowAt.operation]! as Operation
  }

  get isStub(): boolean {
    return (this.payload[this.at + RowAt.flags]! & STUB) !== 0
  }

  /** As stored, without the mark of a stub. */
  get flags(): number {
    return this.payload[this.at + RowAt.flags]! & ~STUB
  }

  get lamport(): number {
    return this.payload.readDoubleLE(this.at + RowAt.lamport)
  }

  get wallMs(): number {
    return this.payload.readDoubleLE(this.at + RowAt.wallMs)
  }

  get previous(): Position {
    return this.payload.readDoubleLE(this.at + RowAt.previous)
  }

  get sequence(): number {
    return this.payload.readDoubleLE(this.at + RowAt.sequence)
  }

  get keyStart(): number {
    return this.at + RowAt.key
  }

  get keyLength(): number {
    return this.payload.readUInt16LE(this.at + RowAt.keyLength)
  }

  get valueStart(): number {
    return this.keyStart + this.keyLength
  }

  get valueLength(): number {
    return this.payload.readUInt32LE(this.at + RowAt.valueLength)
  }

  get sizeBytes(): number {
    return RowAt.key + this.keyLength + this.valueLength
  }

  /** A view: id, length of the actor, actor. */
  get client(): Buffer {
    const at = this.payload.readUInt32LE(this.at + RowAt.client)
    return this.payload.subarray(at, at + ACTOR_AT + this.payload.readUInt16LE(at + CLIENT_ID_SIZE_BYTES))
  }

  /** A view on the client's 16 bytes. */
  get clientId(): Buffer {
    const at = this.payload.readUInt32LE(this.at + RowAt.client)
    return this.payload.subarray(at, at + CLIENT_ID_SIZE_BYTES)
  }

  /** The entry as an object whose key and value are views; a stub's are empty. */
  entry(epoch: number): Entry {
    const { payload, position, valueStart } = this
    const flags = payload[this.at + RowAt.flags]!
    const client = this.client
    return {
      index: indexOf(position),
      epoch,
      stamp: { lamport: this.lamport, wallMs: this.wallMs },
      operation: this.operation,
      key: payload.subarray(this.keyStart, valueStart),
      value: payload.subarray(valueStart, valueStart + this.valueLength),
      previous: payload.readDoubleLE(this.at + RowAt.previous),
      clientId: client.subarray(0, CLIENT_ID_SIZE_BYTES),
      sequence: this.sequence,
      actor: client.toString('utf8', ACTOR_AT),
      batchContinues: (flags & EntryFlag.BATCH_CONTINUES) !== 0,
      refused: (flags & EntryFlag.REFUSED) !== 0,
      record: recordOf(position),
    }
  }
}
