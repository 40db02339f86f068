import { crc32 } from 'node:zlib'
import { LogError } from './errors.js'
import { HASH_SIZE_BYTES, ZERO_HASH } from './record-layout.js'

/** One epoch's part of a log, as written down. */
export interface SpanState {
  readonly epoch: number
  readonly startIndex: number
  /** "Epoch e ends at i." 0 while it is open: it then holds whatever records of it are on disk, without a gap. */
  readonly endIndex: number
  /** Hash of the record that ends at `endIndex`; zeros while open. */
  readonly endHash: Buffer
}

/**
 * All that is written down of a log beside its records, replaced as a whole. A record is in the log when its epoch is
 * in `spans` and it lies in that span; every other record on disk is an orphan. Only the last span may be open.
 */
export interface LogState {
  readonly logId: string
  readonly adoptedEpoch: number
  readonly spans: readonly SpanState[]
  /** Where the log is kept from, if not from its beginning. Records at or below are not read, and may be gone. */
  readonly base?: BaseState | undefined
}

/** What the records up to a base said, as far as `spans` do not say it. */
export interface BaseState {
  readonly index: number
  /** Hash of the record that ended there. */
  readonly hash: Buffer
  readonly lamport: number
  readonly wallMs: number
  /** Hash of the first record of each span that begins at or below `index`, in their order. */
  readonly startHashes: readonly Buffer[]
  /** When the base was written, epoch ms; 0 where that is not known. */
  readonly writtenMs: number
}

export const EMPTY_STATE: LogState = { logId: '', adoptedEpoch: 0, spans: [] }

const FIXED = 4 + 4 + 16 + 8
const SPAN = 8 + 8 + 8 + HASH_SIZE_BYTES
const BASE = 8 + 8 + 8 + HASH_SIZE_BYTES
const BASE_WRITTEN = 8

/**
 * Layout: CRC-32 of the rest, count of spans, log id (zeros: none), adopted epoch; each epoch, start, end, hash. Where
 * there is a base: its index, Lamport time, wall time and hash, then the start hashes, then when it was written (format 2
 * did not have that).
 */
export function encodeState(state: LogState): Buffer {
  const { base } = state
  const baseSize = base === undefined ? 0 : BASE + base.startHashes.length * HASH_SIZE_BYTES + BASE_WRITTEN
  const bytes = Buffer.alloc(FIXED + state.spans.length * SPAN + baseSize)
  bytes.writeUInt32LE(state.spans.length, 4)
  bytes.write(state.logId, 8, 'hex')
  bytes.writeDoubleLE(state.adoptedEpoch, 24)
  let at = FIXED
  for (const span of state.spans) {
    bytes.writeDoubleLE(span.epoch, at)
    bytes.writeDoubleLE(span.startIndex, at + 8)
    bytes.writeDoubleLE(span.endIndex, at + 16)
    span.endHash.copy(bytes, at + 24)
    at += SPAN
  }
  if (base !== undefined) {
    bytes.writeDoubleLE(base.index, at)
    bytes.writeDoubleLE(base.lamport, at + 8)
    bytes.writeDoubleLE(base.wallMs, at + 16)
    Buffer.concat([base.hash, ...base.startHashes]).copy(bytes, at + 24)
    bytes.writeDoubleLE(base.writtenMs, bytes.length - BASE_WRITTEN)
  }
  bytes.writeUInt32LE(crc32(bytes.subarray(4)), 0)
  return bytes
}

/** @throws LogError LOG_DAMAGED */
export function decodeState(bytes: Buffer, shard: number): LogState {
  const count = bytes.length >= FIXED ? bytes.readUInt32LE(4) : 0
  const end = FIXED + count * SPAN
  if (bytes.length < end || bytes.readUInt32LE(0) !== crc32(bytes.subarray(4))) throw damaged(shard)
  const logId = bytes.toString('hex', 8, 24)
  const spans: SpanState[] = []
  for (let at = FIXED; at < end; at += SPAN) {
    const endHash = bytes.subarray(at + 24, at + 24 + HASH_SIZE_BYTES)
    spans.push({
      epoch: bytes.readDoubleLE(at),
      startIndex: bytes.readDoubleLE(at + 8),
      endIndex: bytes.readDoubleLE(at + 16),
      endHash: endHash.equals(ZERO_HASH) ? ZERO_HASH : endHash,
    })
  }
  const base = decodeBase(bytes.subarray(end), spans, shard)
  const state = { logId: /^0+$/.test(logId) ? '' : logId, adoptedEpoch: bytes.readDoubleLE(24), spans }
  return base === undefined ? state : { ...state, base }
}

function decodeBase(bytes: Buffer, spans: readonly SpanState[], shard: number): BaseState | undefined {
  if (bytes.length === 0) return undefined
  const index = bytes.length >= BASE ? bytes.readDoubleLE(0) : 0
  const count = spans.filter(span => span.startIndex <= index).length
  const end = BASE + count * HASH_SIZE_BYTES
  if (count === 0 || (bytes.length !== end && bytes.length !== end + BASE_WRITTEN)) throw damaged(shard)
  const writtenMs = bytes.length === end ? 0 : bytes.readDoubleLE(end)
  const hashes = Array.from({ length: count + 1 }, (_, i) => {
    return Buffer.from(bytes.subarray(24 + i * HASH_SIZE_BYTES, 24 + (i + 1) * HASH_SIZE_BYTES))
  })
  const [hash, ...startHashes] = hashes as [Buffer, ...Buffer[]]
  return {
    index,
    hash,
    lamport: bytes.readDoubleLE(8),
    wallMs: bytes.readDoubleLE(16),
    startHashes,
    writtenMs,
  }
}

function damaged(shard: number): LogError {
  return new LogError('LOG_DAMAGED', `the epoch table of shard ${shard} is damaged`, { shard })
}
