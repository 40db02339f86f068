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
}

export const EMPTY_STATE: LogState = { logId: '', adoptedEpoch: 0, spans: [] }

const FIXED = 4 + 4 + 16 + 8
const SPAN = 8 + 8 + 8 + HASH_SIZE_BYTES

/** Layout: CRC-32 of the rest, count of spans, log id (zeros: none), adopted epoch; each epoch, start, end, hash. */
export function encodeState(state: LogState): Buffer {
  const bytes = Buffer.alloc(FIXED + state.spans.length * SPAN)
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
  bytes.writeUInt32LE(crc32(bytes.subarray(4)), 0)
  return bytes
}

/** @throws LogError LOG_DAMAGED */
export function decodeState(bytes: Buffer, shard: number): LogState {
  const count = bytes.length >= FIXED ? bytes.readUInt32LE(4) : -1
  if (bytes.length !== FIXED + count * SPAN || bytes.readUInt32LE(0) !== crc32(bytes.subarray(4))) {
    throw new LogError('LOG_DAMAGED', `the epoch table of shard ${shard} is damaged`, { shard })
  }
  const logId = bytes.toString('hex', 8, 24)
  const spans: SpanState[] = []
  for (let at = FIXED; at < bytes.length; at += SPAN) {
    const endHash = bytes.subarray(at + 24, at + 24 + HASH_SIZE_BYTES)
    spans.push({
      epoch: bytes.readDoubleLE(at),
      startIndex: bytes.readDoubleLE(at + 8),
      endIndex: bytes.readDoubleLE(at + 16),
      endHash: endHash.equals(ZERO_HASH) ? ZERO_HASH : endHash,
    })
  }
  return { logId: /^0+$/.test(logId) ? '' : logId, adoptedEpoch: bytes.readDoubleLE(24), spans }
}
