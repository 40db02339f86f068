/** When shards had to do with another head. */

import type { FaultAction } from '../record/events.js'
import type { RecordedRun } from '../record/recorded-run.js'

/** What takes a head away. */
const ENDING: readonly FaultAction[] = ['kill', 'stop', 'pause', 'leave']

export interface Failover {
  readonly shard: string
  readonly from: string
  readonly to: string
  /** From what was done to the old head, or else the first sign of another membership, until the new head served. */
  readonly fromMs: number
  readonly toMs: number
}

/** Every change of head between two memberships that served, in the order in which they ended. */
export function failovers(run: RecordedRun): Failover[] {
  const found: Failover[] = []
  const served = new Map<string, { readonly head: string; readonly atMs: number }>()
  const firstSigns = new Map<string, number>()
  for (const { shard, status, head, atMs } of run.memberships) {
    if (status !== 'ACTIVE') {
      if (!firstSigns.has(shard)) firstSigns.set(shard, atMs)
      continue
    }
    const before = served.get(shard)
    if (before !== undefined && before.head !== head) {
      const fault = run.faults.findLast(
        each =>
          each.node === before.head &&
          ENDING.includes(each.action) &&
          each.problem === undefined &&
          each.atMs >= before.atMs &&
          each.atMs <= atMs,
      )
      const fromMs = fault?.atMs ?? firstSigns.get(shard) ?? atMs
      found.push({ shard, from: before.head, to: head, fromMs, toMs: atMs })
    }
    served.set(shard, { head, atMs: before?.head === head ? before.atMs : atMs })
    firstSigns.delete(shard)
  }
  return found
}
