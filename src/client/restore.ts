/**
 * Restoring: writing again what keys held at a moment. Nothing is taken back: these are ordinary writes, which others
 * watch, read at a moment and restore in turn. Each is conditional on the entry that it was planned against.
 */
import { Operation, type Entry as WireEntry } from '../generated/varve/v1/entry.js'
import type { Difference as WireDifference } from '../generated/varve/v1/time_travel.js'
import { Operation as WriteOperation } from '../log/entry.js'
import type { Calls } from './calls.js'
import { encodingOf } from './encoding.js'
import { VarveError } from './errors.js'
import { rawRange } from './key-range.js'
import { type At, cutIn, type ResolvedMoment } from './moment.js'
import type { CallOptions, ConsistencyName, WriteCondition } from './options.js'
import { type PastEntry, pastEntry } from './past-entry.js'
import { inOrder, rawDiff, rawHistory } from './past-reads.js'
import { PastStream } from './past-stream.js'
import type { CallBounds } from './shard-call.js'
import type { TimeCalls } from './time-calls.js'
import type { WriteResult } from './write-op.js'

const WRITES_IN_FLIGHT_MAX = 256

/** Options of `restore` and `restorePlan`. */
export interface RestoreOptions<K, V = unknown> extends CallOptions {
  /** The one key. Either this or `prefix`. */
  key?: K | undefined
  /** All keys that begin with this (as encoded); empty for all there are. */
  prefix?: K | undefined
  /** What they held then. */
  to: At
  /** What they held since: only keys that are still as they were then are written. Default: what is committed now. */
  asOf?: At | undefined
  /** Count the changes, and write nothing. */
  dryRun?: boolean | undefined
  consistency?: ConsistencyName | undefined
  actor?: string | undefined
  /** Called after each change: written, skipped or, with `dryRun`, found. */
  onProgress?: ((progress: RestoreProgress<K, V>) => void) | undefined
}

type WhatToRestore = Omit<RestoreOptions<unknown>, 'onProgress'>

/** One key that holds something else than it shall. */
export interface RestoreChange<K = unknown, V = unknown> {
  readonly key: K
  readonly shard: string
  /** What would be written: a set of the value of `old`, or a delete. */
  readonly operation: 'set' | 'delete'
  /** The SET that it had its value from; absent where it had none. */
  readonly old?: PastEntry<K, V>
  /** The entry that made it what it is now: a delete where it was deleted; absent where retention dropped that. */
  readonly current?: PastEntry<K, V>
}

/** The two moments of a restore. */
export interface RestoreMoments {
  readonly to: ResolvedMoment
  readonly asOf: ResolvedMoment
}

/** What would be written. Its moments, given as `to` and `asOf` to `restore`, make just this. */
export type RestorePlan<K = unknown, V = unknown> = PastStream<RestoreChange<K, V>, RestoreMoments>

export interface RestoreCounts {
  /** Keys that differ. */
  readonly changes: number
  readonly written: number
  /** Left as they are, since somebody has written them after `asOf`. */
  readonly skipped: number
}

/** One change more is done; the counts are so far. */
export interface RestoreProgress<K = unknown, V = unknown> extends RestoreCounts {
  readonly change: RestoreChange<K, V>
  /** `found` with `dryRun`. */
  readonly outcome: 'written' | 'skipped' | 'found'
}

/** What a restore did. Restoring to `asOf` undoes it, with what others wrote to these keys since. */
export interface RestoreResult extends RestoreCounts, RestoreMoments {}

/** What `restore` would write. Throws INVALID_ARGUMENT. */
export function restorePlan<K, V>(time: TimeCalls, options: RestoreOptions<K, V>): RestorePlan<K, V> {
  const { moments, changes } = planOf(time, options)
  return new PastStream(moments, async function* read(resolved) {
    for await (const change of changes(resolved)) yield changeOf<K, V>(time, change)
  })
}

/** Writes it. Rejects at the first write that fails, after those in flight; what was written by then stays. */
export async function restore<K, V>(
  time: TimeCalls,
  calls: Calls,
  options: RestoreOptions<K, V>,
): Promise<RestoreResult> {
  const { dryRun = false, onProgress } = options
  const { moments, changes } = planOf(time, options)
  const bytes = encodingOf('buffer', 'restore')
  // As bytes: what was written in another encoding is restored as it was.
  const writes = calls.withEncodings(bytes, bytes)
  const counts = { changes: 0, written: 0, skipped: 0 }
  const inFlight = new Set<Promise<void>>()
  let failure: unknown
  const report = (found: WireDifference) => {
    if (onProgress === undefined) return () => {}
    const change = changeOf<K, V>(time, found)
    return (outcome: RestoreProgress['outcome']) => onProgress({ ...counts, change, outcome })
  }
  const write = async (change: WireDifference) => {
    try {
      const done = report(change)
      const { applied } = await writeBack(writes, change, options)
      const outcome = applied ? 'written' : 'skipped'
      counts[outcome] += 1
      done(outcome)
    } catch (error) {
      failure ??= error
    }
  }
  const resolved = await moments()
  try {
    for await (const change of changes(resolved)) {
      counts.changes += 1
      if (dryRun) {
        report(change)('found')
        continue
      }
      const writing = write(change).finally(() => inFlight.delete(writing))
      inFlight.add(writing)
      if (inFlight.size >= WRITES_IN_FLIGHT_MAX) await Promise.race(inFlight)
      if (failure !== undefined) break
    }
  } finally {
    await Promise.all(inFlight)
  }
  if (failure !== undefined) throw failure
  return { ...counts, ...resolved }
}

function planOf(time: TimeCalls, options: WhatToRestore) {
  const { key, prefix, to, asOf } = options
  if ((key === undefined) === (prefix === undefined)) {
    const given = key === undefined ? 'neither a key nor a prefix was' : 'a key and a prefix were'
    throw new VarveError('INVALID_ARGUMENT', `${given} given, expected one of them`)
  }
  const bounds = time.bounds(options)
  const asked = { to: time.asked(to), asOf: time.asked(asOf) }
  const place = key === undefined ? undefined : time.place(key)
  const range = rawRange({ prefix }, time.parts.keyEncoding)
  const shards = place === undefined ? [] : [place.route.name]
  return {
    moments: async (): Promise<RestoreMoments> => {
      const resolved = {
        to: await time.resolve(asked.to, bounds, shards),
        asOf: await time.resolve(asked.asOf, bounds, shards),
      }
      inOrder('to', resolved.to, 'asOf', resolved.asOf)
      return resolved
    },
    changes: (moments: RestoreMoments) =>
      place === undefined
        ? rawDiff(time, { from: moments.to, to: moments.asOf }, range, bounds)
        : changeOfKey(time, place, moments, bounds),
  }
}

async function* changeOfKey(
  time: TimeCalls,
  place: ReturnType<TimeCalls['place']>,
  moments: RestoreMoments,
  bounds: CallBounds,
): AsyncGenerator<WireDifference, void, void> {
  const newestAt = async (moment: ResolvedMoment): Promise<WireEntry | undefined> => {
    const how = { cut: cutIn(moment, place.route.name), isOpen: false, limit: 1, bounds }
    for await (const entry of rawHistory(time, place, how, { horizon: undefined })) return entry
    return undefined
  }
  const old = setIn(await newestAt(moments.to))
  const now = await newestAt(moments.asOf)
  const held = setIn(now)
  if (old === undefined ? held === undefined : held?.value.equals(old.value)) return
  yield { key: place.key, before: old, after: now }
}

function setIn(entry: WireEntry | undefined): WireEntry | undefined {
  return entry?.operation === Operation.SET ? entry : undefined
}

function changeOf<K, V>({ parts }: TimeCalls, { key, before, after }: WireDifference): RestoreChange<K, V> {
  return {
    key: parts.keyEncoding.decode(key, 0, key.length) as K,
    shard: (before ?? after)?.position?.shard ?? '',
    operation: before === undefined ? 'delete' : 'set',
    ...(before === undefined ? {} : { old: pastEntry<K, V>(before, parts) }),
    ...(after === undefined ? {} : { current: pastEntry<K, V>(after, parts) }),
  }
}

function writeBack(
  writes: Calls,
  { key, before, after }: WireDifference,
  options: WhatToRestore,
): Promise<WriteResult> {
  const { timeoutMs, signal, consistency, actor } = options
  const how = { timeoutMs, signal, consistency, actor, ...conditionOf(setIn(after)) }
  return before === undefined
    ? writes.write(WriteOperation.DELETE, key, undefined, how)
    : writes.write(WriteOperation.SET, key, before.value, how)
}

/** The key still holds what it was planned against: that value, or none. */
function conditionOf(held: WireEntry | undefined): WriteCondition {
  return held === undefined ? { ifAbsent: true } : { ifIndex: held.position?.index ?? 0 }
}
