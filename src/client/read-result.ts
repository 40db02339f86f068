/** What reads answer. */
import type { ScanItem } from '../generated/varve/v1/kv.js'
import type { Encoding } from './encoding.js'
import type { LogPlace } from './log-place.js'
import type { Cut } from './moment.js'
import type { EntryEncodings } from './past-entry.js'
import { ReadResultFlag } from './session-frame.js'
import type { ResponseFrameReader } from './session-frame-reader.js'

/**
 * What a replica holds under a key, and where that stands in the log: the key's newest entry (the delete, where it was
 * deleted), index 0 if it was never written. Strong reads only find what is committed.
 */
export interface ReadResult<V = unknown> extends LogPlace {
  readonly found: boolean
  readonly value: V | undefined
  /** How far the replica that answered has applied its log. */
  readonly appliedIndex: number
  /** Which replica answered. */
  readonly node: string
  /** What the moment was in the key's shard, where one was asked for: all of the above is of then. */
  readonly cut?: Cut
}

/** One key of a scan. */
export interface ScanEntry<K = unknown, V = unknown> extends LogPlace {
  readonly key: K
  /** Undefined with `keysOnly`. */
  readonly value: V | undefined
}

/** The value of the read that the reader stands at. */
export function valueIn(reader: ResponseFrameReader, encoding: Encoding): unknown {
  if ((reader.flags & ReadResultFlag.FOUND) === 0) return undefined
  return encoding.decode(reader.frame, reader.valueStart, reader.valueStart + reader.valueLength)
}

/** All of the read that the reader stands at. */
export function readResultIn(
  reader: ResponseFrameReader,
  encoding: Encoding,
  shard: string,
  node: string,
): ReadResult {
  const { epoch, index, lamport, wallMs, flags, appliedIndex } = reader
  return {
    found: (flags & ReadResultFlag.FOUND) !== 0,
    value: valueIn(reader, encoding),
    shard,
    epoch,
    index,
    lamport,
    wallMs,
    committed: (flags & ReadResultFlag.COMMITTED) !== 0,
    appliedIndex,
    node,
  }
}

/** An item of a scan, in the application's encodings. */
export function scanEntryOf<K, V>(
  { key, value, position }: ScanItem,
  { keyEncoding, valueEncoding }: EntryEncodings,
  keysOnly: boolean,
): ScanEntry<K, V> {
  const { shard = '', epoch = 0, index = 0, committed = false, stamp } = position ?? {}
  return {
    key: keyEncoding.decode(key, 0, key.length) as K,
    value: keysOnly ? undefined : (valueEncoding.decode(value, 0, value.length) as V),
    shard,
    epoch,
    index,
    lamport: stamp?.lamport ?? 0,
    wallMs: stamp?.wallMs ?? 0,
    committed,
  }
}
