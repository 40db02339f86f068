/**
 * A checkpoint as bytes, in frames (`frames.ts`):
 *
 * HEADER  magic u32, version u16, shard u16, index f64, hash of the record that ends there 32 bytes, floor f64
 * KEYS    rows of (length u16, signed position f64, key); a negative position is a DELETE
 * CLIENTS the request table (`client-rows.ts`)
 * END     keys f64, clients f64: a checkpoint that does not end so is damaged
 */
import { clientFrames, type RestoredClient, readClients } from './client-rows.js'
import { ProjectionError } from './errors.js'
import { FrameReader, FrameWriter } from './frames.js'
import { KeyIndex } from './key-index.js'
import { RequestTable, type RequestTableLimits } from './request-table.js'
import type { CommittedState } from './shard-projection.js'

export const CHECKPOINT_VERSION = 1

/** "VRCP" read as a little-endian u32. */
const MAGIC = 0x50435256
const Kind = { HEADER: 1, KEYS: 2, CLIENTS: 3, END: 4 } as const
const HEADER_SIZE_BYTES = 56
const KEY_ROW_SIZE_BYTES = 10
/** A frame is closed at about this size: encoding one takes some ms at most. One client may exceed it. */
const FRAME_SIZE_BYTES_TARGET = 131_072

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

/** The checkpoint's frames, made one by one as they are taken; each holds until the next. */
export function* encodeCheckpoint(identity: CheckpointIdentity, state: CommittedState): Generator<Buffer> {
  const frame = new FrameWriter(FRAME_SIZE_BYTES_TARGET)
  yield headerFrame(frame, identity, state.requests.floor)
  yield* keyFrames(frame, state)
  yield* clientFrames(state.requests, frame, Kind.CLIENTS)
  frame.bytes.writeDoubleLE(state.keys.keyCount, frame.take(8))
  frame.bytes.writeDoubleLE(state.requests.clients.length, frame.take(8))
  yield frame.finish(Kind.END)
}

/** Takes a key with its newest committed entry. The bytes hold until it returns. */
export type TakeKey = (
  bytes: Buffer,
  start: number,
  length: number,
  position: number,
  isDelete: boolean,
) => void

/**
 * Hands out the keys of a checkpoint one by one and keeps nothing. Throws as `decodeCheckpoint`, and what `take` throws;
 * what was taken by then is worth nothing.
 */
export async function decodeCheckpointKeys(
  chunks: AsyncIterable<Buffer>,
  take: TakeKey,
): Promise<CheckpointIdentity> {
  const decoder = new Decoder(undefined, take)
  const reader = new FrameReader((kind, payload) => decoder.frame(kind, payload), damaged)
  for await (const chunk of chunks) reader.add(chunk)
  reader.end()
  return decoder.identity()
}

/**
 * Reads a checkpoint back. `chunks` may cut it anywhere.
 * @throws ProjectionError CHECKPOINT_DAMAGED when a bit differs, something is missing or the version is not known
 */
export async function decodeCheckpoint(
  chunks: AsyncIterable<Buffer>,
  requestLimits: Partial<RequestTableLimits> = {},
): Promise<RestoredState> {
  const keys = new KeyIndex()
  const clients: RestoredClient[] = []
  const decoder = new Decoder(clients, (bytes, start, length, position, isDelete) =>
    keys.restore(bytes, start, length, position, isDelete),
  )
  const reader = new FrameReader((kind, payload) => decoder.frame(kind, payload), damaged)
  for await (const chunk of chunks) reader.add(chunk)
  reader.end()
  const identity = decoder.identity()
  const requests = new RequestTable(requestLimits)
  requests.restore({ floor: decoder.floor, commitIndex: identity.index, clients })
  return { ...identity, keys, requests }
}

function headerFrame(frame: FrameWriter, identity: CheckpointIdentity, floor: number): Buffer {
  const at = frame.take(HEADER_SIZE_BYTES)
  frame.bytes.writeUInt32LE(MAGIC, at)
  frame.bytes.writeUInt16LE(CHECKPOINT_VERSION, at + 4)
  frame.bytes.writeUInt16LE(identity.shard, at + 6)
  frame.bytes.writeDoubleLE(identity.index, at + 8)
  identity.hash.copy(frame.bytes, at + 16)
  frame.bytes.writeDoubleLE(floor, at + 48)
  return frame.finish(Kind.HEADER)
}

function* keyFrames(frame: FrameWriter, { keys: captured }: CommittedState): Generator<Buffer> {
  for (let id = -1; id < captured.lastId; ) {
    id = captured.keys.after(id)
    const position = captured.signedPosition(id)
    if (position === 0) continue
    const length = captured.keys.lengthOf(id)
    const at = frame.take(KEY_ROW_SIZE_BYTES + length)
    frame.bytes.writeUInt16LE(length, at)
    frame.bytes.writeDoubleLE(position, at + 2)
    captured.keys.copyTo(id, frame.bytes, at + KEY_ROW_SIZE_BYTES)
    if (frame.isFull) yield frame.finish(Kind.KEYS)
  }
  yield frame.finish(Kind.KEYS)
}

class Decoder {
  readonly #clients: RestoredClient[] | undefined
  readonly #take: TakeKey
  #identity: CheckpointIdentity | undefined
  #keyCount = 0
  #clientCount = 0
  #ended = false
  floor = 0

  /** `clients`: where those of the request table go; undefined where nobody wants them. */
  constructor(clients: RestoredClient[] | undefined, take: TakeKey) {
    this.#clients = clients
    this.#take = take
  }

  identity(): CheckpointIdentity {
    if (this.#identity === undefined || !this.#ended) throw damaged('its end is missing')
    return this.#identity
  }

  frame(kind: number, payload: Buffer): void {
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
    this.floor = payload.readDoubleLE(48)
  }

  #keyRows(payload: Buffer): void {
    for (let at = 0; at < payload.length; ) {
      const length = payload.readUInt16LE(at)
      const position = payload.readDoubleLE(at + 2)
      at += KEY_ROW_SIZE_BYTES
      this.#take(payload, at, length, Math.abs(position), position < 0)
      this.#keyCount++
      at += length
    }
  }

  #clientRows(payload: Buffer): void {
    for (const client of readClients(payload)) {
      this.#clientCount++
      this.#clients?.push(client)
    }
  }

  #end(payload: Buffer): void {
    const isWhole =
      payload.readDoubleLE(0) === this.#keyCount && payload.readDoubleLE(8) === this.#clientCount
    if (!isWhole) throw damaged('it does not hold as many keys and clients as it says')
    this.#ended = true
  }
}

function damaged(what: string): ProjectionError {
  return new ProjectionError('CHECKPOINT_DAMAGED', `a checkpoint is damaged: ${what}`)
}
