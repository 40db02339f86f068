/**
 * Reads of the past as commands ask for them, wherever the answer comes from: a running cluster (`online-past.ts`) or the
 * folder of a stopped one (`offline-past.ts`). Both give the same answers.
 */

import { endOfPrefix } from '../../src/client/key-range.js'
import type { Cut, ResolvedMoment } from '../../src/client/moment.js'
import type { TimeAddress } from '../../src/client/time-address.js'
import type { GlobalOptions } from '../connect.js'
import type { LogLine } from '../log-line.js'
import type { SilentNode } from '../orphan-source.js'

/** What a time address came to: of the shards that were asked for, in the order of their ordinals. */
export type PastMoment = ResolvedMoment

/** Keys in byte order, from `start` on, before `end` (empty: no bound). */
export interface KeyRange {
  readonly start: Buffer
  readonly end: Buffer
}

/** What a key held at a moment. Index 0: it was not written yet. */
export interface PastValue {
  /** Undefined where it held nothing. */
  readonly value: Buffer | undefined
  readonly shard: string
  readonly epoch: number
  readonly index: number
  readonly lamport: number
  readonly wallMs: number
  readonly committed: boolean
}

export interface PastHistoryOptions {
  /** No more than so many will be taken. */
  readonly limit?: number | undefined
  /** Also entries beyond the moment that are not committed yet. A folder has none: there the newest moment holds all. */
  readonly tentative?: boolean | undefined
  /** Told, at the end, why there is no older entry, where there was one. */
  readonly onDropped?: ((text: string) => void) | undefined
}

/** A key that held something else at two moments. */
export interface PastDifference {
  readonly key: Buffer
  /** The SET that it had its value from; undefined where it had none. */
  readonly before: LogLine | undefined
  /** The entry that made it what it is, a DELETE where it has no value; undefined where that DELETE was dropped. */
  readonly after: LogLine | undefined
}

/** An entry that was cut off, and the nodes whose disks hold it. */
export interface KeyOrphan {
  readonly line: LogLine
  readonly nodes: readonly string[]
}

/** A moment that was given a name. */
export interface PastTag {
  readonly name: string
  readonly moment: PastMoment['moment']
  /** When it was given. */
  readonly lamport: number
  readonly wallMs: number
  readonly actor: string
}

/**
 * What was. Lines are of SET and DELETE entries. Lists over several shards are in the byte order of the keys. All of it
 * throws errors that say what to do: CommandError, or an error with a stable code.
 */
export interface PastSource {
  /** Names of all shards, in the order of their ordinals. */
  readonly shards: readonly string[]
  /** Shards that cannot be read here: lists are without their keys. */
  readonly missing: readonly string[]
  /** The shards that may hold the key: one, unless nobody knows how many shards there are. */
  shardsOf(key: Buffer): readonly string[]
  /** `option` names where the address was given, for errors. */
  resolve(address: TimeAddress, option: string, shards?: readonly string[]): Promise<PastMoment>
  /** What the key held; the position is that of its newest entry at the moment, a DELETE too. */
  get(key: Buffer, at: PastMoment): Promise<PastValue>
  /** The SETs that the live keys had their values from. */
  scan(at: PastMoment, range: KeyRange, reverse?: boolean): AsyncIterable<LogLine>
  /** The key's entries, newest first, as far as retention left them. */
  history(key: Buffer, at: PastMoment, options?: PastHistoryOptions): AsyncIterable<LogLine>
  /** What was cut off a log and is of this key. */
  orphans(key: Buffer): Promise<{ orphans: readonly KeyOrphan[]; silent: readonly SilentNode[] }>
  diff(from: PastMoment, to: PastMoment, range: KeyRange): AsyncIterable<PastDifference>
  /** As `scan`, for who wrote it. */
  blame(at: PastMoment, range: KeyRange): AsyncIterable<LogLine>
  tags(): Promise<readonly PastTag[]>
  close(): Promise<void>
}

/** Options of all commands that read the past. */
export interface PastOptions extends GlobalOptions {
  readonly data?: string
  readonly replica?: string
}

/** The source that the options name; `use` works with it, and it is closed. */
export async function withPast<T>(options: PastOptions, use: (source: PastSource) => Promise<T>): Promise<T> {
  const source = await openPast(options)
  try {
    return await use(source)
  } finally {
    await source.close()
  }
}

async function openPast(options: PastOptions): Promise<PastSource> {
  if (options.data !== undefined) {
    const { openOfflinePast } = await import('./offline-past.js')
    return openOfflinePast(options.data, options.replica)
  }
  const { openOnlinePast } = await import('./online-past.js')
  return openOnlinePast(options)
}

/** The keys that begin with a text; all of them for none. */
export function rangeOf(prefix: string | undefined): KeyRange {
  const start = Buffer.from(prefix ?? '', 'utf8')
  return { start, end: endOfPrefix(start) }
}

/** Where a shard stood; it must be among those that were resolved. */
export function cutOf(at: PastMoment, shard: string): Cut {
  const cut = at.cuts[shard]
  if (cut === undefined) throw new Error(`${shard} was not resolved`)
  return cut
}
