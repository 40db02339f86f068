import { createHash } from 'node:crypto'
import { indexOf, Operation } from '../log/entry.js'
import type { CommittedKeys } from './key-index.js'
import type { KeyBlocks } from './ordered-keys.js'

/** What replicas compare. */
export interface Digest {
  /** SHA-256 over key, index and operation of each key's newest committed entry, in key order. */
  readonly state: Buffer
  /** Keys with a committed entry, deleted ones too, and those of them that are live. */
  readonly keys: number
  readonly liveKeys: number
  /** Where in the log this is true. Only digests of the same index can be compared. */
  readonly commitIndex: number
}

/** Fixed part of a hashed row: key length, index, operation. */
const ROW_SIZE_BYTES = 11
const BUFFER_SIZE_BYTES = 65_536
/** Keys hashed between two pauses: about 2 ms. */
const SLICE_KEYS = 16_384

/** Digest of a captured state; `blocks` must hold at least the keys of the capture. */
export async function digestOf(
  state: CommittedKeys,
  blocks: KeyBlocks,
  commitIndex: number,
  pause: () => Promise<void>,
): Promise<Digest> {
  const hash = createHash('sha256')
  const buffer = Buffer.allocUnsafe(BUFFER_SIZE_BYTES)
  let used = 0
  let sincePause = 0
  for (const block of blocks) {
    for (let i = 0; i < block.length; i++) {
      const id = block[i]!
      const position = id <= state.lastId ? state.signedPosition(id) : 0
      if (position === 0) continue
      const length = state.keys.lengthOf(id)
      if (used + ROW_SIZE_BYTES + length > BUFFER_SIZE_BYTES) {
        hash.update(buffer.subarray(0, used))
        used = 0
      }
      buffer.writeUInt16LE(length, used)
      buffer.writeDoubleLE(indexOf(Math.abs(position)), used + 2)
      buffer[used + 10] = position < 0 ? Operation.DELETE : Operation.SET
      used += ROW_SIZE_BYTES + state.keys.copyTo(id, buffer, used + ROW_SIZE_BYTES)
    }
    sincePause += block.length
    if (sincePause < SLICE_KEYS) continue
    sincePause = 0
    await pause()
  }
  hash.update(buffer.subarray(0, used))
  return { state: hash.digest(), keys: state.keyCount, liveKeys: state.liveKeyCount, commitIndex }
}
