/** Which orphans are to be written anew, and which are left alone and why. Pure. */

import { isSystemKey } from '../src/log/system-key.js'
import { badUsage } from './exit-codes.js'
import type { LogLine } from './log-line.js'
import type { IndexRange } from './orphan-options.js'
import type { FateFinder, OrphanUnit } from './orphan-units.js'

/** What is to be done with a unit. `overwrites`: its key was written since, and it would be put back. */
export type Intent = 'write' | 'overwrites' | 'in the log' | 'resubmitted'

export interface PlannedUnit {
  readonly shard: string
  readonly lines: readonly LogLine[]
  readonly intent: Intent
  /** Where the log holds the unit's first entry, or the newest one of a key that was written since; 0 for none. */
  readonly index: number
}

/** What is to be done with these units; those that are no writes, or the cluster's own (tags, retention), are left out. */
export function planOf(shard: string, units: readonly OrphanUnit[], finder: FateFinder): PlannedUnit[] {
  const isWrite = ({ operation, key }: LogLine) =>
    (operation === 'set' || operation === 'delete') && !isSystemKey(key)
  const writes = units.filter(({ lines }) => isWrite(lines[0]!))
  return writes.map(({ lines }) => {
    const fates = lines.map(line => finder.fateOf(line))
    const found = fates.find(({ index }) => index > 0)
    if (found?.name === 'in the log' || found?.name === 'resubmitted') {
      return { shard, lines, intent: found.name, index: found.index }
    }
    const keyIndex = Math.max(...fates.map(fate => fate.keyIndex))
    return { shard, lines, intent: keyIndex > 0 ? 'overwrites' : 'write', index: keyIndex }
  })
}

/** Throws bad usage where the range holds a part of an atomic batch, naming the range that holds all of it. */
export function checkWhole(units: readonly OrphanUnit[], range: IndexRange | undefined): OrphanUnit[] {
  if (range === undefined) return [...units]
  const isIn = ({ index }: LogLine) => index >= range.first && index <= range.last
  const touched = units.filter(({ lines }) => lines.some(isIn))
  for (const { lines } of touched) {
    if (lines.every(isIn)) continue
    const [first, last] = [lines[0]!, lines.at(-1)!]
    const given = `${range.first}..${range.last}`
    throw badUsage(
      `--index: ${given} given, which holds a part of an atomic batch of epoch ${first.epoch}: ` +
        `it is written as a whole, ${first.index}..${last.index}`,
    )
  }
  return touched
}
