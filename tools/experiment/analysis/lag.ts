/** How far each replica's log was behind its head's, and for how long. */

import type { RecordedRun } from '../record/recorded-run.js'
import { loadTime } from './load-time.js'
import { type ReplicaTrack, replicaTracks } from './replica-track.js'
import { type ShardLog, shardLogs } from './shard-log.js'
import { ascending, quantile } from './sorted.js'

export interface ReplicaLag {
  readonly shard: string
  readonly node: string
  /** Times of its samples, each with the entries that it was behind the head then, at the same place. */
  readonly atMs: readonly number[]
  readonly entriesBehind: readonly number[]
  /** Under load, while it answered: time in which it was behind at all, and the longest stretch without a break. */
  readonly laggingMs: number
  readonly longestMs: number
  /** Under load, while it answered. */
  readonly answeringMs: number
  /** Of the samples under load; 0 without any. */
  readonly medianEntries: number
  readonly p99Entries: number
}

/**
 * The lag of every replica, by shard and in the tree's order, heads included: of them it says how late what the head has
 * just stamped is in its log. A sample holds until the next one of the replica, or for nothing where it fell silent.
 */
export function replicaLags(run: RecordedRun): ReplicaLag[] {
  const logs = shardLogs(run)
  const load = loadTime(run)
  return replicaTracks(run).map(track => {
    const entriesBehind = behind(track, logs.get(track.shard)!)
    const under = track.atMs
      .map((ms, place) => ({ ms, place }))
      .filter(({ ms }) => ms >= load.fromMs && ms <= load.toMs)
    const sorted = ascending(under.map(({ place }) => entriesBehind[place]!))
    return {
      shard: track.shard,
      node: track.node,
      atMs: track.atMs,
      entriesBehind,
      ...stretches(
        under.map(({ ms, place }) => ({ ms, isBehind: entriesBehind[place]! > 0 })),
        track.silentAfterMs,
      ),
      medianEntries: quantile(sorted, 0.5) ?? 0,
      p99Entries: quantile(sorted, 0.99) ?? 0,
    }
  })
}

function behind(track: ReplicaTrack, log: ShardLog): number[] {
  return track.samples.map(({ lastIndex }, place) => Math.max(0, log.indexAt(track.atMs[place]!) - lastIndex))
}

function stretches(
  samples: readonly { readonly ms: number; readonly isBehind: boolean }[],
  silentAfterMs: number,
) {
  let laggingMs = 0
  let longestMs = 0
  let answeringMs = 0
  let stretchMs = 0
  for (const [place, { ms, isBehind }] of samples.entries()) {
    const lastedMs = (samples[place + 1]?.ms ?? ms) - ms
    const isSilent = lastedMs > silentAfterMs
    const heldMs = isSilent ? 0 : lastedMs
    answeringMs += heldMs
    if (isBehind) laggingMs += heldMs
    stretchMs = isBehind ? stretchMs + heldMs : 0
    longestMs = Math.max(longestMs, stretchMs)
    if (isSilent) stretchMs = 0
  }
  return { laggingMs, longestMs, answeringMs }
}
