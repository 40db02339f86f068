/** The logical clocks of nodes against the time of the system. */

import type { RecordedRun } from '../record/recorded-run.js'
import { replicaTracks } from './replica-track.js'
import { shardLogs } from './shard-log.js'

export interface ReplicaClock {
  readonly shard: string
  readonly node: string
  readonly readings: readonly ClockReading[]
}

export interface ClockReading {
  readonly atMs: number
  /** Of the replica's last entry; the head's then is `lamport + behind`. */
  readonly lamport: number
  /** How far the clock stood behind that of the newest entry that the head had stamped; at least 0. */
  readonly behind: number
  readonly isHead: boolean
}

/** The clock of every replica at each of its samples, by shard and in the tree's order. */
export function replicaClocks(run: RecordedRun): ReplicaClock[] {
  const logs = shardLogs(run)
  return replicaTracks(run).map(({ shard, node, atMs, samples }) => {
    const log = logs.get(shard)!
    const readings = samples.map(({ lamport, role }, place) => {
      const newest = log.entries[log.countAt(atMs[place]!) - 1]?.lamport ?? 0
      return { atMs: atMs[place]!, lamport, behind: Math.max(0, newest - lamport), isHead: role === 'head' }
    })
    return { shard, node, readings }
  })
}
