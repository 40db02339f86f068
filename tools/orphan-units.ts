/**
 * What became of orphans: whether the shard's log holds their original requests, or what was written in their place, and
 * whether their keys were written since. Pure.
 */

import { resubmitId } from '../src/node/resubmit-id.js'
import type { LogLine } from './log-line.js'

/** An orphan as one node holds it. Its bytes are its own. */
export interface NodeOrphan {
  readonly node: string
  readonly line: LogLine
}

/**
 * `lost`: neither the original request nor a new one is in the log. `unknown`: not found in what is left of a log that
 * was shortened, or nobody could be asked.
 */
export type FateName = 'lost' | 'in the log' | 'resubmitted' | 'unknown'

export interface Fate {
  readonly name: FateName
  /** Where the log holds it; 0 where it does not. */
  readonly index: number
  /** Index of the newest entry that wrote the orphan's key since it was cut off; 0 if there is none. */
  readonly keyIndex: number
}

/** One orphan, or an atomic batch: written anew as a whole or not at all. */
export interface OrphanUnit {
  readonly lines: readonly LogLine[]
}

/** Names an orphan within its shard, whoever holds it. */
export function placeOf({ epoch, index }: LogLine): string {
  return `${epoch}/${index}`
}

/** Orphans of one shard, each once, by epoch and index, in units. System entries are a unit each. */
export function unitsOf(lines: readonly LogLine[]): OrphanUnit[] {
  const each = [...new Map(lines.map(line => [placeOf(line), line])).values()]
  each.sort((a, b) => a.epoch - b.epoch || a.index - b.index)
  const units: LogLine[][] = []
  let before: LogLine | undefined
  for (const line of each) {
    const continues = before?.batchContinues && before.epoch === line.epoch && before.index + 1 === line.index
    if (continues) units.at(-1)!.push(line)
    else units.push([line])
    before = line
  }
  return units.map(lines => ({ lines }))
}

/** Finds orphans of one shard in its log, which is shown to it from the first index at which any was cut off. */
export class FateFinder {
  readonly #originals = new Map<string, LogLine[]>()
  readonly #resubmits = new Map<string, LogLine>()
  readonly #places = new Map<string, LogLine>()
  readonly #keys = new Map<string, number>()
  readonly #found = new Map<string, { name: FateName; index: number }>()
  readonly #isWhole: boolean

  /** `isWhole`: the log is shown from where the orphans were cut off, so that what is not found is not there. */
  constructor(ordinal: number, units: readonly OrphanUnit[], isWhole: boolean) {
    this.#isWhole = isWhole
    for (const { lines } of units) {
      const { epoch, index, lamport } = lines[0]!
      const { clientId } = resubmitId({ shard: ordinal, epoch, index, lamport })
      for (const line of lines) this.#watchFor(line, clientId)
    }
  }

  /** The next entry of the log. */
  see(line: LogLine): void {
    const orphan = this.#places.get(placeOf(line))
    if (orphan !== undefined) this.#find(orphan, 'in the log', line.index)
    const request = requestOf(line.clientId, line.sequence)
    for (const original of this.#originals.get(request) ?? []) this.#find(original, 'in the log', line.index)
    const written = this.#resubmits.get(request)
    if (written !== undefined) return this.#find(written, 'resubmitted', line.index)
    if (line.operation !== 'set' && line.operation !== 'delete') return
    const key = line.key.toString('latin1')
    if (this.#keys.has(key)) this.#keys.set(key, line.index)
  }

  fateOf(orphan: LogLine): Fate {
    const keyIndex = this.#keys.get(orphan.key.toString('latin1')) ?? 0
    const found = this.#found.get(placeOf(orphan))
    if (found !== undefined) return { ...found, keyIndex }
    return { name: this.#isWhole ? 'lost' : 'unknown', index: 0, keyIndex }
  }

  #watchFor(line: LogLine, clientId: Buffer): void {
    this.#places.set(placeOf(line), line)
    if (line.operation !== 'set' && line.operation !== 'delete') return
    this.#resubmits.set(requestOf(clientId, line.index), line)
    this.#keys.set(line.key.toString('latin1'), 0)
    if (line.sequence === 0) return
    const request = requestOf(line.clientId, line.sequence)
    // Two heads that were cut off one after the other may both have taken the same request.
    this.#originals.set(request, [...(this.#originals.get(request) ?? []), line])
  }

  #find(orphan: LogLine, name: FateName, index: number): void {
    if (!this.#found.has(placeOf(orphan))) this.#found.set(placeOf(orphan), { name, index })
  }
}

function requestOf(clientId: Buffer, sequence: number): string {
  return `${clientId.toString('latin1')}/${sequence}`
}
