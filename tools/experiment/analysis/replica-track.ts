/** What one replica said of itself over time. */

import type { ReplicaSample } from '../record/events.js'
import type { RecordedRun } from '../record/recorded-run.js'
import { ascending, countUpTo, quantile } from './sorted.js'

/** Silence is at least so long ... */
const SILENT_AFTER_MS = 1_000
/** ... and at least so many of the times after which the replica usually says something: seldom samples are no silence. */
const SILENT_AFTER_SAMPLES = 3

export interface ReplicaTrack {
  readonly shard: string
  readonly node: string
  /** Ascending, each with the sample at the same place. */
  readonly atMs: readonly number[]
  readonly samples: readonly ReplicaSample[]
  /** A replica from which nothing came for so long is not running, or not to be reached. */
  readonly silentAfterMs: number
}

/** A track for each shard and node, by shard, then in the tree's first order; who joined later comes last. */
export function replicaTracks(run: RecordedRun): ReplicaTrack[] {
  const tracks = new Map<string, { shard: string; node: string; atMs: number[]; samples: ReplicaSample[] }>()
  const trackOf = (shard: string, node: string) => {
    const name = `${shard} ${node}`
    const known = tracks.get(name)
    if (known !== undefined) return known
    const made = { shard, node, atMs: [], samples: [] }
    tracks.set(name, made)
    return made
  }
  for (const [shard, nodes] of Object.entries(run.about.shards))
    for (const node of nodes) trackOf(shard, node)
  for (const { node, atMs, replicas } of run.samples) {
    for (const sample of replicas) {
      const track = trackOf(sample.shard, node)
      track.atMs.push(atMs)
      track.samples.push(sample)
    }
  }
  const shards = [...new Set([...tracks.values()].map(({ shard }) => shard))]
  const measured = [...tracks.values()].map(track => ({ ...track, silentAfterMs: silentAfterMs(track.atMs) }))
  return shards.flatMap(shard => measured.filter(track => track.shard === shard))
}

/** Place of the newest sample at that time or before; -1 where there is none. */
export function placeAt({ atMs }: ReplicaTrack, ms: number): number {
  return countUpTo(atMs, ms) - 1
}

function silentAfterMs(atMs: readonly number[]): number {
  const pauses = ascending(atMs.slice(1).map((ms, at) => ms - atMs[at]!))
  return Math.max(SILENT_AFTER_MS, SILENT_AFTER_SAMPLES * (quantile(pauses, 0.5) ?? 0))
}
