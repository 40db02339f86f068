import { hash as oneShotHash } from 'node:crypto'
import { crc32 } from 'node:zlib'
import { EntryFlag, Limits, type Operation, type Position } from './entry.js'
import { LogRecord, type RecordHeader } from './record-codec.js'
import {
  CLIENT_ID_SIZE_BYTES,
  ClientAt,
  COVERED_FROM,
  EntryAt,
  FORMAT_VERSION,
  HASH_SIZE_BYTES,
  HEADER_SIZE_BYTES,
  HeaderAt,
  MAGIC,
  OFFSET_SIZE_BYTES,
} from './record-layout.js'

/** What is known of a record when its first entry is about to be added. */
export type RecordStart = Omit<RecordHeader, 'count'>

const CAPACITY_FIRST = 16_384
/** A buffer that one huge entry has grown beyond this is given up after it. */
const CAPACITY_KEPT = 1_048_576
/** Up to here copying word by word beats `Buffer.copy`, which makes a view of the source (measured: 190 B). */
const WORD_COPY_MAX = 160
const NOTHING = Buffer.alloc(0)

/**
 * Builds records, one after the other: `begin`, then `client` and `add`, then `finish`. One per shard; it keeps its
 * buffer between records and hands out right-sized copies that it never touches again. `add` copies key and value
 * and allocates nothing.
 */
export class RecordWriter {
  #bytes = Buffer.allocUnsafeSlow(CAPACITY_FIRST)
  #view = new DataView(this.#bytes.buffer)
  #end = HEADER_SIZE_BYTES
  #count = 0
  readonly #offsets = new Uint32Array(Limits.recordEntriesMax)
  /** Views on the sources of the last `add`: many entries come from one frame. */
  #keys = viewOf(NOTHING)
  #keySource: Buffer = NOTHING
  #values = viewOf(NOTHING)
  #valueSource: Buffer = NOTHING

  #clients = Buffer.allocUnsafeSlow(1_024)
  #clientsEnd = 0
  #clientCount = 0
  readonly #clientOffsets: number[] = []
  readonly #clientSlots = new Map<string, number>()
  readonly #lastId = Buffer.alloc(CLIENT_ID_SIZE_BYTES)
  #lastActor = ''
  #lastClient = 0

  #start: RecordStart | undefined
  #logIdText = ''
  readonly #logId = Buffer.alloc(16)

  /** Entries added so far. */
  get count(): number {
    return this.#count
  }

  /** How large the record would be, finished now. */
  get sizeBytes(): number {
    return this.#end + this.#clientsEnd + (this.#count + this.#clientCount) * OFFSET_SIZE_BYTES
  }

  /** Starts a record and forgets one that was begun and not finished. `previousHash` is read in `finish`. */
  begin(start: RecordStart): void {
    if (start.previousHash.length !== HASH_SIZE_BYTES) {
      throw new TypeError(`previous hash of ${start.previousHash.length} bytes: expected ${HASH_SIZE_BYTES}`)
    }
    if (start.logId !== this.#logIdText) {
      if (!/^[0-9a-f]{32}$/.test(start.logId)) {
        throw new TypeError(`log id '${start.logId}': expected 32 hexadecimal digits in lower case`)
      }
      this.#logId.write(start.logId, 'hex')
      this.#logIdText = start.logId
    }
    this.#start = start
    this.#end = HEADER_SIZE_BYTES
    this.#count = 0
    this.#clientsEnd = 0
    this.#clientCount = 0
    this.#clientSlots.clear()
  }

  /**
   * Slot of a client (16 bytes, copied) in the record's table, added when it is new. All zero and '' for entries
   * that no client asked for. Cheap for the client of the last call, so call it once for a run of entries.
   */
  client(id: Buffer, actor: string): number {
    if (this.#clientCount > 0 && actor === this.#lastActor && this.#lastId.equals(id)) {
      return this.#lastClient
    }
    if (id.length !== CLIENT_ID_SIZE_BYTES)
      throw new TypeError(`client id of ${id.length} bytes: expected 16`)
    id.copy(this.#lastId)
    this.#lastActor = actor
    const name = id.toString('latin1') + actor
    const known = this.#clientSlots.get(name)
    this.#lastClient = known ?? this.#addClient(id, actor)
    if (known === undefined) this.#clientSlots.set(name, this.#lastClient)
    return this.#lastClient
  }

  /**
   * Adds an entry and returns its slot. Key and value are copied. The limits of sizes are the caller's to check
   * (`Limits`); this only refuses what the format cannot hold.
   * @throws RangeError when the record is full or a length does not fit
   */
  add(
    operation: Operation,
    flags: number,
    keySource: Buffer,
    keyStart: number,
    keyLength: number,
    valueSource: Buffer,
    valueStart: number,
    valueLength: number,
    previous: Position,
    client: number,
    sequence: number,
  ): number {
    const slot = this.#count
    if (slot >= Limits.recordEntriesMax || client >= this.#clientCount || keyLength > 0xffff) {
      throw new RangeError(
        `entry ${slot}, client ${client} of ${this.#clientCount}, key of ${keyLength} bytes`,
      )
    }
    const at = this.#end
    const keyAt = at + EntryAt.key
    const end = keyAt + keyLength + valueLength
    if (end > this.#bytes.length) this.#grow(end)
    const view = this.#view
    // Operation, flags and key length in one store; client and the reserved zero in another.
    view.setUint32(at, operation | (flags << 8) | (keyLength << 16), true)
    view.setUint32(at + EntryAt.valueLength, valueLength, true)
    view.setUint32(at + EntryAt.client, client, true)
    view.setFloat64(at + EntryAt.previous, previous, true)
    view.setFloat64(at + EntryAt.sequence, sequence, true)
    const keys = this.#viewOf(keySource)
    copyBytes(keySource, keys, keyStart, keyLength, this.#bytes, view, keyAt)
    const values = valueSource === keySource ? keys : this.#viewOfValues(valueSource)
    copyBytes(valueSource, values, valueStart, valueLength, this.#bytes, view, keyAt + keyLength)
    this.#offsets[slot] = at
    this.#end = end
    this.#count = slot + 1
    return slot
  }

  /** Replaces an entry's flags: the last of a batch is known only when the batch is over. */
  setFlags(slot: number, flags: number): void {
    if (!(slot >= 0 && slot < this.#count)) throw new RangeError(`slot ${slot} of ${this.#count}`)
    this.#bytes[this.#offsets[slot]! + EntryAt.flags] = flags
  }

  /**
   * The record, on memory of its own. The writer must be begun again before the next `add`.
   * @throws Error when nothing was begun or added, or the last batch is not closed
   */
  finish(): LogRecord {
    const start = this.#start
    if (start === undefined || this.#count === 0) throw new Error('a record needs at least one entry')
    const lastFlags = this.#bytes[this.#offsets[this.#count - 1]! + EntryAt.flags]!
    if ((lastFlags & EntryFlag.BATCH_CONTINUES) !== 0) throw new Error('a batch must end within its record')
    const size = this.sizeBytes
    const clientsAt = this.#end
    const offsetsAt = clientsAt + this.#clientsEnd
    this.#writeHeader(start, size, clientsAt, offsetsAt)
    // Not from the shared pool: a small record in a cache must not keep a whole pool alive.
    const bytes = Buffer.allocUnsafeSlow(size)
    this.#bytes.copy(bytes, 0, 0, clientsAt)
    this.#clients.copy(bytes, clientsAt, 0, this.#clientsEnd)
    const view = new DataView(bytes.buffer)
    let at = offsetsAt
    for (let slot = 0; slot < this.#count; slot++, at += OFFSET_SIZE_BYTES) {
      view.setUint32(at, this.#offsets[slot]!, true)
    }
    for (let client = 0; client < this.#clientCount; client++, at += OFFSET_SIZE_BYTES) {
      view.setUint32(at, clientsAt + this.#clientOffsets[client]!, true)
    }
    const covered = bytes.subarray(COVERED_FROM)
    view.setUint32(HeaderAt.crc, crc32(covered), true)
    this.#reset()
    return LogRecord.fromWriter(bytes, oneShotHash('sha256', covered, 'buffer'))
  }

  #reset(): void {
    this.#start = undefined
    this.#count = 0
    this.#clientCount = 0
    // A frame that was read from must not live on in here.
    this.#viewOf(NOTHING)
    this.#viewOfValues(NOTHING)
    if (this.#bytes.length > CAPACITY_KEPT) this.#resize(CAPACITY_FIRST, 0)
  }

  #writeHeader(start: RecordStart, size: number, clientsAt: number, offsetsAt: number): void {
    const view = this.#view
    view.setUint32(HeaderAt.magic, MAGIC, true)
    view.setUint8(HeaderAt.version, FORMAT_VERSION)
    view.setUint8(HeaderAt.reserved, 0)
    view.setUint16(HeaderAt.shard, start.shard, true)
    view.setUint32(HeaderAt.sizeBytes, size, true)
    this.#logId.copy(this.#bytes, HeaderAt.logId)
    view.setFloat64(HeaderAt.epoch, start.epoch, true)
    view.setFloat64(HeaderAt.firstIndex, start.firstIndex, true)
    view.setFloat64(HeaderAt.lamport, start.lamport, true)
    view.setFloat64(HeaderAt.wallMs, start.wallMs, true)
    view.setFloat64(HeaderAt.commitIndex, start.commitIndex, true)
    start.previousHash.copy(this.#bytes, HeaderAt.previousHash)
    view.setUint16(HeaderAt.count, this.#count, true)
    view.setUint16(HeaderAt.clientCount, this.#clientCount, true)
    view.setUint32(HeaderAt.clients, clientsAt, true)
    view.setUint32(HeaderAt.offsets, offsetsAt, true)
    view.setUint32(HeaderAt.reserved2, 0, true)
  }

  #addClient(id: Buffer, actor: string): number {
    const actorLength = Buffer.byteLength(actor)
    if (actorLength > Limits.actorSizeBytesMax || this.#clientCount >= Limits.recordEntriesMax) {
      throw new RangeError(`actor of ${actorLength} bytes: at most ${Limits.actorSizeBytesMax} are allowed`)
    }
    const at = this.#clientsEnd
    const end = at + ClientAt.actor + actorLength
    if (end > this.#clients.length) {
      const larger = Buffer.allocUnsafeSlow(Math.max(end, 2 * this.#clients.length))
      this.#clients.copy(larger, 0, 0, at)
      this.#clients = larger
    }
    id.copy(this.#clients, at + ClientAt.id)
    this.#clients.writeUInt16LE(actorLength, at + ClientAt.actorLength)
    this.#clients.write(actor, at + ClientAt.actor, 'utf8')
    this.#clientsEnd = end
    this.#clientOffsets[this.#clientCount] = at
    return this.#clientCount++
  }

  #viewOf(source: Buffer): DataView {
    if (source !== this.#keySource) {
      this.#keys = viewOf(source)
      this.#keySource = source
    }
    return this.#keys
  }

  #viewOfValues(source: Buffer): DataView {
    if (source !== this.#valueSource) {
      this.#values = viewOf(source)
      this.#valueSource = source
    }
    return this.#values
  }

  #grow(needed: number): void {
    let capacity = this.#bytes.length
    while (capacity < needed) capacity *= 2
    this.#resize(capacity, this.#end)
  }

  #resize(capacity: number, kept: number): void {
    const bytes = Buffer.allocUnsafeSlow(capacity)
    this.#bytes.copy(bytes, 0, 0, kept)
    this.#bytes = bytes
    this.#view = new DataView(bytes.buffer)
  }
}

function viewOf(buffer: Buffer): DataView {
  return new DataView(buffer.buffer, buffer.byteOffset, buffer.length)
}

/** Copies `length` bytes; `source` views all of `from`, so that no view has to be made for a short key or value. */
function copyBytes(
  from: Buffer,
  source: DataView,
  start: number,
  length: number,
  target: Buffer,
  view: DataView,
  at: number,
): void {
  if (length > WORD_COPY_MAX) {
    from.copy(target, at, start, start + length)
    return
  }
  const words = length - (length % 4)
  let i = 0
  for (; i < words; i += 4) view.setInt32(at + i, source.getInt32(start + i, true), true)
  for (; i < length; i++) target[at + i] = from[start + i]!
}
