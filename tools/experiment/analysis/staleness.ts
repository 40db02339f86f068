/**
 * How stale weak reads were, as the (k, t)-staleness of Probabilistically Bounded Staleness (Bailis et al., VLDB 2012):
 * k versions that had been acknowledged before the read began and that it did not see, the oldest of them t ago.
 */

import type { RecordedOperation, RecordedRun } from '../record/recorded-run.js'
import { countUpTo } from './sorted.js'

export interface ReadStaleness {
  /** Versions missed; 0 where the read was fresh. */
  readonly versions: number
  /** From the acknowledgement of the oldest missed version to the read's begin; 0 where it was fresh. */
  readonly ageMs: number
}

/** Of every weak or session read that was answered, by key and then by time. */
export function readStaleness(run: RecordedRun): ReadStaleness[] {
  const byKey = new Map<string, { reads: RecordedOperation[]; writes: RecordedOperation[] }>()
  for (const operation of run.operations) {
    if (operation.outcome !== 'ok' || operation.position === null) continue
    if (operation.type === 'get' && operation.consistency === 'strong') continue
    let group = byKey.get(operation.key)
    if (group === undefined) {
      group = { reads: [], writes: [] }
      byKey.set(operation.key, group)
    }
    ;(operation.type === 'get' ? group.reads : group.writes).push(operation)
  }
  return [...byKey.values()].flatMap(({ reads, writes }) => staleOfKey(reads, writes))
}

/** Goes through the reads in the order of their begin, with the indexes acknowledged by then kept in order. */
function staleOfKey(reads: RecordedOperation[], writes: RecordedOperation[]): ReadStaleness[] {
  const acknowledged = writes
    .filter(({ returnedMs }) => returnedMs !== null)
    .sort((a, b) => a.returnedMs! - b.returnedMs!)
  const indexes: number[] = []
  const returnedMs: number[] = []
  let next = 0
  return reads
    .sort((a, b) => a.invokedMs - b.invokedMs)
    .map(read => {
      for (; next < acknowledged.length && acknowledged[next]!.returnedMs! < read.invokedMs; next++) {
        const write = acknowledged[next]!
        const place = countUpTo(indexes, write.position!.index)
        indexes.splice(place, 0, write.position!.index)
        returnedMs.splice(place, 0, write.returnedMs!)
      }
      const missed = returnedMs.slice(countUpTo(indexes, read.position!.index))
      const oldestMs = missed.reduce((oldest, ms) => Math.min(oldest, ms), read.invokedMs)
      return { versions: missed.length, ageMs: read.invokedMs - oldestMs }
    })
}
