/**
 * The first frame of a base. Version 2:
 *
 * magic u32, version u16, shard u16, index f64, hash 32 bytes, log id 16 bytes, Lamport f64, wall f64, floor of the request
 * table f64, when it was written f64, number of epochs u32, number of prefixes u32,
 * each epoch: epoch f64, first index f64, last index f64, hash 32 bytes, hash of its first record 32 bytes,
 * each prefix: index f64, Lamport f64, wall f64, when it was dropped f64, length u16, its bytes
 *
 * Version 1 has none of what stands between the floor and the epochs, and no prefixes.
 */
import type { BaseEpoch, LogBase } from '../log/log-base.js'
import { HASH_SIZE_BYTES } from '../log/record-layout.js'
import type { FrameWriter } from './frames.js'
import type { PrefixHorizon } from './kept-prefixes.js'

export const BASE_VERSION = 2

/** "VRBS" read as a little-endian u32. */
const MAGIC = 0x53425256
const FIXED_V1_SIZE_BYTES = 88
const FIXED_SIZE_BYTES = FIXED_V1_SIZE_BYTES + 16
const EPOCH_SIZE_BYTES = 24 + 2 * HASH_SIZE_BYTES
const PREFIX_SIZE_BYTES = 34

export interface BaseHeader {
  readonly shard: number
  readonly base: LogBase
  /** Of the request table. */
  readonly floor: number
  /** Keys of which more is kept than their newest entry at the base's index: all from these horizons on. */
  readonly kept: readonly PrefixHorizon[]
}

/** Writes the header into the frame, which must be empty. */
export function putHeader(frame: FrameWriter, { shard, base, floor, kept }: BaseHeader): void {
  const prefixesSize = kept.reduce((sum, { prefix }) => sum + PREFIX_SIZE_BYTES + prefix.length, 0)
  const at = frame.take(FIXED_SIZE_BYTES + base.epochs.length * EPOCH_SIZE_BYTES + prefixesSize)
  const { bytes } = frame
  bytes.writeUInt32LE(MAGIC, at)
  bytes.writeUInt16LE(BASE_VERSION, at + 4)
  bytes.writeUInt16LE(shard, at + 6)
  bytes.writeDoubleLE(base.index, at + 8)
  base.hash.copy(bytes, at + 16)
  bytes.write(base.logId, at + 48, 'hex')
  bytes.writeDoubleLE(base.stamp.lamport, at + 64)
  bytes.writeDoubleLE(base.stamp.wallMs, at + 72)
  bytes.writeDoubleLE(floor, at + 80)
  bytes.writeDoubleLE(base.writtenMs, at + 88)
  bytes.writeUInt32LE(base.epochs.length, at + 96)
  bytes.writeUInt32LE(kept.length, at + 100)
  let to = at + FIXED_SIZE_BYTES
  for (const { epoch, startIndex, lastIndex, hash, startHash } of base.epochs) {
    bytes.writeDoubleLE(epoch, to)
    bytes.writeDoubleLE(startIndex, to + 8)
    bytes.writeDoubleLE(lastIndex, to + 16)
    hash.copy(bytes, to + 24)
    startHash.copy(bytes, to + 24 + HASH_SIZE_BYTES)
    to += EPOCH_SIZE_BYTES
  }
  for (const { prefix, horizon } of kept) {
    bytes.writeDoubleLE(horizon.index, to)
    bytes.writeDoubleLE(horizon.stamp.lamport, to + 8)
    bytes.writeDoubleLE(horizon.stamp.wallMs, to + 16)
    bytes.writeDoubleLE(horizon.droppedMs, to + 24)
    bytes.writeUInt16LE(prefix.length, to + 32)
    prefix.copy(bytes, to + PREFIX_SIZE_BYTES)
    to += PREFIX_SIZE_BYTES + prefix.length
  }
}

/** What a header says; a text where it is none that this version reads. */
export function readHeader(payload: Buffer): BaseHeader | string {
  if (payload.length < FIXED_V1_SIZE_BYTES || payload.readUInt32LE(0) !== MAGIC) {
    return 'it does not begin as a base does'
  }
  const version = payload.readUInt16LE(4)
  if (version < 1 || version > BASE_VERSION) {
    return `its version is ${version}, expected ${BASE_VERSION} or lower`
  }
  const isFirst = version === 1
  if (!isFirst && payload.length < FIXED_SIZE_BYTES) return 'its header is cut short'
  const epochsAt = isFirst ? FIXED_V1_SIZE_BYTES : FIXED_SIZE_BYTES
  const count = isFirst ? (payload.length - epochsAt) / EPOCH_SIZE_BYTES : payload.readUInt32LE(96)
  const prefixesAt = epochsAt + count * EPOCH_SIZE_BYTES
  if (count < 1 || Math.floor(count) !== count || prefixesAt > payload.length)
    return 'its epochs are cut short'
  const kept = readPrefixes(payload, prefixesAt, isFirst ? 0 : payload.readUInt32LE(100))
  if (kept === undefined) return 'its prefixes are cut short'
  const base = {
    logId: payload.toString('hex', 48, 64),
    index: payload.readDoubleLE(8),
    hash: Buffer.from(payload.subarray(16, 48)),
    stamp: { lamport: payload.readDoubleLE(64), wallMs: payload.readDoubleLE(72) },
    epochs: readEpochs(payload, epochsAt, prefixesAt),
    writtenMs: isFirst ? 0 : payload.readDoubleLE(88),
  }
  return { shard: payload.readUInt16LE(6), base, floor: payload.readDoubleLE(80), kept }
}

function readEpochs(payload: Buffer, from: number, to: number): BaseEpoch[] {
  const epochs: BaseEpoch[] = []
  for (let at = from; at < to; at += EPOCH_SIZE_BYTES) {
    epochs.push({
      epoch: payload.readDoubleLE(at),
      startIndex: payload.readDoubleLE(at + 8),
      lastIndex: payload.readDoubleLE(at + 16),
      hash: Buffer.from(payload.subarray(at + 24, at + 24 + HASH_SIZE_BYTES)),
      startHash: Buffer.from(payload.subarray(at + 24 + HASH_SIZE_BYTES, at + EPOCH_SIZE_BYTES)),
    })
  }
  return epochs
}

function readPrefixes(payload: Buffer, from: number, count: number): PrefixHorizon[] | undefined {
  const kept: PrefixHorizon[] = []
  let at = from
  for (let i = 0; i < count; i++) {
    if (at + PREFIX_SIZE_BYTES > payload.length) return undefined
    const end = at + PREFIX_SIZE_BYTES + payload.readUInt16LE(at + 32)
    if (end > payload.length) return undefined
    const prefix = Buffer.from(payload.subarray(at + PREFIX_SIZE_BYTES, end))
    const stamp = { lamport: payload.readDoubleLE(at + 8), wallMs: payload.readDoubleLE(at + 16) }
    const droppedMs = payload.readDoubleLE(at + 24)
    kept.push({ prefix, horizon: { index: payload.readDoubleLE(at), stamp, droppedMs, prefix } })
    at = end
  }
  return at === payload.length ? kept : undefined
}
