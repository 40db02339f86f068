/** What callers may ask for: the options of a connection and of each call. */
import type { Logger } from '../log/logger.js'
import type { EncodingName } from './encoding.js'
import { VarveError } from './errors.js'
import type { RangeOptions } from './key-range.js'
import type { At } from './moment.js'
import type { Token } from './token.js'
import type { WatchFrom } from './watch-begin.js'

/**
 * `strong`: writes are acknowledged by every in-sync member, reads are linearizable. `weak`: writes are acknowledged
 * by the head, reads are one replica's own state. `session`: reads are never older than what this client has seen or
 * written; for a write it means the connection's or cluster's mode.
 */
export type ConsistencyName = 'strong' | 'weak' | 'session'

/** Options of `connect`. */
export interface ConnectOptions<
  K extends EncodingName = EncodingName,
  V extends EncodingName = EncodingName,
> {
  /** For calls that name none. Default: the cluster's. */
  consistency?: ConsistencyName
  /** Noted in the log as who wrote, up to 256 bytes. Default: empty. */
  actor?: string
  /** Of each call that names none. Default 10,000. */
  timeoutMs?: number
  /**
   * How long `connect` keeps asking for a first answer. Default: as `timeoutMs`, but no longer than until every
   * endpoint has refused three times.
   */
  connectTimeoutMs?: number
  /** Default `utf8`. */
  keyEncoding?: K
  /** Default `utf8`. */
  valueEncoding?: V
  /** What another client has seen, for session reads. */
  token?: Token
  /** Calls in flight, over all shards; more wait in order. Default 65,536. */
  inFlightMax?: number
  /** Bytes of requests in flight; more wait in order. Default 64 MiB. */
  inFlightBytesMax?: number
  signal?: AbortSignal
  logger?: Logger
}

/** Options that every call takes. */
export interface CallOptions {
  /** On abort the call rejects with CANCELLED. A write that was sent by then may have happened. */
  signal?: AbortSignal | undefined
  /** Default: the connection's. `Infinity`: none. */
  timeoutMs?: number | undefined
}

/** Options of `get` and `getEntry`. */
export interface ReadOptions extends CallOptions {
  consistency?: ConsistencyName | undefined
  /** Address of the one replica to ask. It answers, or the call fails: nothing goes elsewhere. */
  replica?: string | undefined
  /** What the key held then. The answer is the same forever, at any replica; the consistency does not matter. */
  at?: At | undefined
}

/** What must hold for a write to be done. At most one of the two. */
export interface WriteCondition {
  /** The key has its value from the entry with this index; 0: it does not exist. */
  ifIndex?: number | undefined
  /** The key does not exist. */
  ifAbsent?: boolean | undefined
}

/** Options of `set` and `delete`. */
export interface WriteOptions extends CallOptions, WriteCondition {
  consistency?: ConsistencyName | undefined
  /** Answer with what stood there before. */
  returnPrevious?: boolean | undefined
  /** Instead of the connection's. Such a write travels by itself: slower, and in no order with others in flight. */
  actor?: string | undefined
}

/** Options of `batch`. */
export interface BatchOptions extends CallOptions {
  consistency?: ConsistencyName | undefined
  actor?: string | undefined
}

/** One write of a batch. */
export type BatchOperation<K, V> = WriteCondition & { key: K; returnPrevious?: boolean | undefined } & (
    | { type: 'set'; value: V }
    | { type: 'delete' }
  )

/** Options of `scan`. */
export interface ScanOptions<K> extends CallOptions, RangeOptions<K> {
  /** At most so many. Default: all. */
  limit?: number | undefined
  /** From the last key to the first. */
  reverse?: boolean | undefined
  /** Leave the values out. */
  keysOnly?: boolean | undefined
  consistency?: ConsistencyName | undefined
  /** What the keys held then: one moment over all shards and pages. The consistency does not matter then. */
  at?: At | undefined
}

/** Options of `watch`. */
export interface WatchOptions<K> {
  /** Only keys that begin with this (as encoded). */
  prefix?: K | undefined
  /**
   * A token: what came after it, all of a shard that it does not name. First indexes by shard name: from there on,
   * and of shards not named what comes from now on. A moment: what came after it, in each shard. Default: what comes
   * from now on.
   */
  from?: WatchFrom | undefined
  /**
   * Where retention has dropped what the watch has still to deliver: what the keys held at the horizon, marked
   * `snapshot`, then all that came after. Without it that is OUT_OF_RETENTION.
   */
  snapshot?: boolean | undefined
  /** Also entries that are not committed yet (`committed` is false): they may still be undone. */
  tentative?: boolean | undefined
  signal?: AbortSignal | undefined
  /** How long no replica of a shard may be reachable before the watch fails. Default: it never does. */
  timeoutMs?: number | undefined
}

/** Throws INVALID_ARGUMENT unless it is a number above 0, or undefined. */
export function checkTimeout(timeoutMs: unknown): void {
  if (timeoutMs === undefined || (typeof timeoutMs === 'number' && timeoutMs > 0)) return
  throw new VarveError('INVALID_ARGUMENT', `timeoutMs is ${String(timeoutMs)}, expected a number above 0`, {
    outcome: 'failed',
  })
}
