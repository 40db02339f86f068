/** Entries of the log, as reads of the past answer them. */
import { Operation, type Entry as WireEntry } from '../generated/varve/v1/entry.js'
import type { Encoding } from './encoding.js'
import type { LogPlace } from './log-place.js'

/** A SET or a DELETE, with all that the log says of it. */
export interface PastEntry<K = unknown, V = unknown> extends LogPlace {
  readonly operation: 'set' | 'delete'
  readonly key: K
  /** Undefined for a delete. */
  readonly value: V | undefined
  readonly actor: string
  /** Which client asked, in hexadecimal, and its number for the request. */
  readonly clientId: string
  readonly sequence: number
  /** Index of the key's entry before this one; 0 if there is none. */
  readonly previous: number
  /** True where the shard's next entry belongs to the same atomic batch. */
  readonly batchContinues: boolean
  /** First index of the record that holds the entry. */
  readonly record: number
}

/** How the application's keys and values are encoded. */
export interface EntryEncodings {
  readonly keyEncoding: Encoding
  readonly valueEncoding: Encoding
}

/** Copies what it keeps of the message. Throws INVALID_ARGUMENT for what the encodings cannot read. */
export function pastEntry<K, V>(entry: WireEntry, encodings: EntryEncodings): PastEntry<K, V> {
  const { key, value, position } = entry
  const isSet = entry.operation === Operation.SET
  return {
    operation: isSet ? 'set' : 'delete',
    key: encodings.keyEncoding.decode(key, 0, key.length) as K,
    value: isSet ? (encodings.valueEncoding.decode(value, 0, value.length) as V) : undefined,
    shard: position?.shard ?? '',
    epoch: position?.epoch ?? 0,
    index: position?.index ?? 0,
    lamport: position?.stamp?.lamport ?? 0,
    wallMs: position?.stamp?.wallMs ?? 0,
    committed: position?.committed ?? false,
    actor: entry.actor,
    clientId: entry.clientId.toString('hex'),
    sequence: entry.sequence,
    previous: entry.previous,
    batchContinues: entry.batchContinues,
    record: entry.record,
  }
}
