/** A base as the log knows it, and as it is written down beside the log's epoch table. */
import type { LogBase } from './log-base.js'
import type { BaseState, LogState, SpanState } from './log-state.js'
import { ZERO_HASH } from './record-layout.js'

/** The base that a log's state names, with what its epoch table says of it. */
export function baseOf({ logId, spans, base }: LogState): LogBase | undefined {
  if (base === undefined) return undefined
  const { index, hash, lamport, wallMs, startHashes, writtenMs } = base
  const epochs = startHashes.map((startHash, i) => {
    const { epoch, startIndex, endIndex, endHash } = spans[i]!
    const endsBefore = endIndex !== 0 && endIndex < index
    return {
      epoch,
      startIndex,
      lastIndex: endsBefore ? endIndex : index,
      hash: endsBefore ? endHash : hash,
      startHash,
    }
  })
  return { logId, index, hash, stamp: { lamport, wallMs }, epochs, writtenMs }
}

/** What is written down of a base beside the epoch table. */
export function baseStateOf({ index, hash, stamp, epochs, writtenMs }: LogBase): BaseState {
  return { index, hash, ...stamp, startHashes: epochs.map(each => each.startHash), writtenMs }
}

/** The epoch table of a log that ends at its base. */
export function spansOf({ index, epochs }: LogBase): SpanState[] {
  return epochs.map(({ epoch, startIndex, lastIndex, hash }) => {
    const isLast = lastIndex === index
    return { epoch, startIndex, endIndex: isLast ? 0 : lastIndex, endHash: isLast ? ZERO_HASH : hash }
  })
}
