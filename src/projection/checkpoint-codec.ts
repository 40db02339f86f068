/**
 * A checkpoint as bytes: frames of (payload length u32, CRC-32 u32, kind u8, payload), all numbers little-endian.
 *
 * HEADER  magic u32, version u16, shard u16, index f64, hash of the record that ends there 32 bytes, floor f64
 * KEYS    rows of (length u16, signed position f64, key); a negative position is a DELETE
 * CLIENTS rows of (id 16 bytes, forgotten f64, newest f64, pairs u32, then sequence f64 and index f64 of each),
 *         least recently used first
 * END     keys f64, clients f64: a checkpoint that does not end so is damaged
 */
import { crc32 } from 'node:zlib'
import { isRemembered } from './committed-requests.js'
import { ProjectionError } from './errors.js'
import { KeyIndex } from './key-index.js'
import { RequestTable, type RequestTableLimits } from './request-table.js'
import type { CommittedState } from './shard-projection.js'

export const CHECKPOINT_VERSION = 1

/** "VRCP" read as a little-endian u32. */
const MAGIC = 0x50435256
const Kind = { HEADER: 1, KEYS: 2, CLIENTS: 3, END: 4 } as const
const FRAME_HEADER_SIZE_BYTES = 9
const HEADER_SIZE_BYTES = 56
const KEY_ROW_SIZE_BYTES = 10
const CLIENT_ROW_SIZE_BYTES = 36
const PAIR_SIZE_BYTES = 16
/** A frame is closed at about this size: encoding one takes some ms at most. One client may exceed it. */
const FRAME_SIZE_BYTES_TARGET = 131_072
/** No frame is larger: one client with a full window, and as much again. */
const FRAME_SIZE_BYTES_MAX = 8_388_608

/** What a checkpoint is a checkpoint of. */
export interface CheckpointIdentity {
  readonly shard: number
  readonly index: number
  /** Hash of the record that ends at `index`. */
  readonly hash: Buffer
}

/** State read back from a checkpoint, ready to become a projection. */
export interface RestoredState extends CheckpointIdentity {
  readonly keys: KeyIndex
  readonly requests: RequestTable
}

/** The checkpoint's frames, made one by one as they are taken. */
export function* encodeCheckpoint(identity: CheckpointIdentity, state: CommittedState): Generator<Buffer> {
  yield headerFrame(identity, state.requests.floor)
  yield* keyFrames(state)
  yield* clientFrames(state)
  const end = new FrameWriter(Kind.END)
  end.bytes.writeDoubleLE(state.keys.keyCount, end.take(8))
  end.bytes.writeDoubleLE(state.requests.clients.length, end.take(8))
  yield end.finish()
}

/**
 * Reads a checkpoint back. `chunks` may cut it anywhere.
 * @throws ProjectionError CHECKPOINT_DAMAGED when a bit differs, something is missing or the version is not known
 */
export async function decodeCheckpoint(
  chunks: AsyncIterable<Buffer>,
  requestLimits: Partial<RequestTableLimits> = {},
): Promise<RestoredState> {
  const decoder = new Decoder(requestLimits)
  let rest: Buffer = Buffer.alloc(0)
  for await (const chunk of chunks) {
    rest = decoder.take(rest.length === 0 ? chunk : Buffer.concat([rest, chunk]))
  }
  if (rest.length > 0) throw damaged(`${rest.length} bytes too many at its end`)
  return decoder.finish()
}

function headerFrame(identity: CheckpointIdentity, floor: number): Buffer {
  const frame = new FrameWriter(Kind.HEADER)
  const at = frame.take(HEADER_SIZE_BYTES)
  frame.bytes.writeUInt32LE(MAGIC, at)
  frame.bytes.writeUInt16LE(CHECKPOINT_VERSION, at + 4)
  frame.bytes.writeUInt16LE(identity.shard, at + 6)
  frame.bytes.writeDoubleLE(identity.index, at + 8)
  identity.hash.copy(frame.bytes, at + 16)
  frame.bytes.writeDoubleLE(floor, at + 48)
  return frame.finish()
}

function* keyFrames({ keys: captured }: CommittedState): Generator<Buffer> {
  let frame = new FrameWriter(Kind.KEYS)
  for (let id = -1; id < captured.lastId; ) {
    id = captured.keys.after(id)
    const position = captured.signedPosition(id)
    if (position === 0) continue
    const length = captured.keys.lengthOf(id)
    const at = frame.take(KEY_ROW_SIZE_BYTES + length)
    frame.bytes.writeUInt16LE(length, at)
    frame.bytes.writeDoubleLE(position, at + 2)
    captured.keys.copyTo(id, frame.bytes, at + KEY_ROW_SIZE_BYTES)
    if (frame.isFull) {
      yield frame.finish()
      frame = new FrameWriter(Kind.KEYS)
    }
  }
  yield frame.finish()
}

function* clientFrames({ requests }: CommittedState): Generator<Buffer> {
  let frame = new FrameWriter(Kind.CLIENTS)
  for (const client of requests.clients) {
    const pairs: number[] = []
    for (const source of [client.pairs, client.covered]) {
      for (let i = 0; i < source.length; i += 2) {
        if (isRemembered(requests, client, source[i]!, source[i + 1]!)) pairs.push(source[i]!, source[i + 1]!)
      }
    }
    let at = frame.take(CLIENT_ROW_SIZE_BYTES + pairs.length * 8)
    frame.bytes.write(client.name, at, 'latin1')
    frame.bytes.writeDoubleLE(client.forgotten, at + 16)
    frame.bytes.writeDoubleLE(client.newest, at + 24)
    frame.bytes.writeUInt32LE(pairs.length / 2, at + 32)
    at += CLIENT_ROW_SIZE_BYTES
    for (const number of pairs) at = frame.bytes.writeDoubleLE(number, at)
    if (frame.isFull) {
      yield frame.finish()
      frame = new FrameWriter(Kind.CLIENTS)
    }
  }
  yield frame.finish()
}

/** Builds one frame. */
class FrameWriter {
  /** Write only where `take` said. */
  bytes: Buffer = Buffer.allocUnsafe(FRAME_SIZE_BYTES_TARGET + 8_192)
  #used = FRAME_HEADER_SIZE_BYTES

  constructor(kind: number) {
    this.bytes[8] = kind
  }

  get isFull(): boolean {
    return this.#used >= FRAME_SIZE_BYTES_TARGET
  }

  /** Makes room for so many bytes and returns where they go. */
  take(size: number): number {
    const at = this.#used
    if (at + size > this.bytes.length) {
      const larger = Buffer.allocUnsafe(Math.max(at + size, this.bytes.length * 2))
      this.bytes.copy(larger, 0, 0, at)
      this.bytes = larger
    }
    this.#used = at + size
    return at
  }

  finish(): Buffer {
    const frame = this.bytes.subarray(0, this.#used)
    frame.writeUInt32LE(this.#used - FRAME_HEADER_SIZE_BYTES, 0)
    frame.writeUInt32LE(crc32(frame.subarray(8)), 4)
    return frame
  }
}

class Decoder {
  readonly #keys = new KeyIndex()
  readonly #requestLimits: Partial<RequestTableLimits>
  #identity: CheckpointIdentity | undefined
  #floor = 0
  readonly #clients: { name: string; forgotten: number; newest: number; pairs: Float64Array; covered: [] }[] =
    []
  #ended = false

  constructor(requestLimits: Partial<RequestTableLimits>) {
    this.#requestLimits = requestLimits
  }

  /** Reads all whole frames and returns what is left. */
  take(bytes: Buffer): Buffer {
    let at = 0
    while (bytes.length - at >= FRAME_HEADER_SIZE_BYTES) {
      const size = bytes.readUInt32LE(at)
      if (size > FRAME_SIZE_BYTES_MAX) throw damaged(`it has a frame of ${size} bytes`)
      const end = at + FRAME_HEADER_SIZE_BYTES + size
      if (end > bytes.length) break
      if (crc32(bytes.subarray(at + 8, end)) !== bytes.readUInt32LE(at + 4)) {
        throw damaged('the CRC of a frame does not match its bytes')
      }
      this.#frame(bytes[at + 8]!, bytes.subarray(at + FRAME_HEADER_SIZE_BYTES, end))
      at = end
    }
    return bytes.subarray(at)
  }

  finish(): RestoredState {
    if (this.#identity === undefined || !this.#ended) throw damaged('its end is missing')
    const requests = new RequestTable(this.#requestLimits)
    const commitIndex = this.#identity.index
    requests.restore({ floor: this.#floor, commitIndex, clients: this.#clients })
    return { ...this.#identity, keys: this.#keys, requests }
  }

  #frame(kind: number, payload: Buffer): void {
    if (this.#ended || (this.#identity === undefined) !== (kind === Kind.HEADER)) {
      throw damaged('its frames are out of order')
    }
    if (kind === Kind.HEADER) this.#header(payload)
    else if (kind === Kind.KEYS) this.#keyRows(payload)
    else if (kind === Kind.CLIENTS) this.#clientRows(payload)
    else if (kind === Kind.END) this.#end(payload)
    else throw damaged(`it has a frame of kind ${kind}`)
  }

  #header(payload: Buffer): void {
    if (payload.length !== HEADER_SIZE_BYTES || payload.readUInt32LE(0) !== MAGIC) {
      throw damaged('it does not begin as a checkpoint does')
    }
    const version = payload.readUInt16LE(4)
    if (version !== CHECKPOINT_VERSION) {
      throw damaged(`its version is ${version}, expected ${CHECKPOINT_VERSION}`)
    }
    const hash = Buffer.from(payload.subarray(16, 48))
    this.#identity = { shard: payload.readUInt16LE(6), index: payload.readDoubleLE(8), hash }
    this.#floor = payload.readDoubleLE(48)
  }

  #keyRows(payload: Buffer): void {
    for (let at = 0; at < payload.length; ) {
      const length = payload.readUInt16LE(at)
      const position = payload.readDoubleLE(at + 2)
      at += KEY_ROW_SIZE_BYTES
      this.#keys.restore(payload, at, length, Math.abs(position), position < 0)
      at += length
    }
  }

  #clientRows(payload: Buffer): void {
    for (let at = 0; at < payload.length; ) {
      const name = payload.toString('latin1', at, at + 16)
      const forgotten = payload.readDoubleLE(at + 16)
      const newest = payload.readDoubleLE(at + 24)
      const pairs = new Float64Array(payload.readUInt32LE(at + 32) * 2)
      at += CLIENT_ROW_SIZE_BYTES
      for (let i = 0; i < pairs.length; i++) pairs[i] = payload.readDoubleLE(at + i * 8)
      at += (pairs.length / 2) * PAIR_SIZE_BYTES
      this.#clients.push({ name, forgotten, newest, pairs, covered: [] })
    }
  }

  #end(payload: Buffer): void {
    const isWhole =
      payload.readDoubleLE(0) === this.#keys.keyCount && payload.readDoubleLE(8) === this.#clients.length
    if (!isWhole) throw damaged('it does not hold as many keys and clients as it says')
    this.#ended = true
  }
}

function damaged(what: string): ProjectionError {
  return new ProjectionError('CHECKPOINT_DAMAGED', `a checkpoint is damaged: ${what}`)
}
