/**
 * What two logs hold from where they parted on: the first entry that is not the same in both, and the keys that were
 * written differently since, each with both histories.
 */

import { hash } from 'node:crypto'
import { type Entry, indexOf, Operation } from '../src/log/entry.js'
import type { ReplicaLog } from './replica-parting.js'

/** So many keys are kept in memory, and about so many bytes of their entries; of more it is only said that there are more. */
const KEYS_MAX = 100_000
const SIZE_BYTES_MAX = 268_435_456
/** Entries that are read on each side. */
const ENTRIES_MAX = 5_000_000

/** The first index at which the two hold something else. Keys and values are views. */
export interface FirstDifference {
  readonly index: number
  readonly left: Entry
  readonly right: Entry
}

/** A key's entries on one side since the logs parted. */
export interface PartedHistory {
  /** How many there are. */
  readonly count: number
  /** Newest first; at most as many as were asked for. */
  readonly entries: readonly Entry[]
  /** Index of the key's entry before all these, in the part that both hold; 0 where there is none. */
  readonly beforeIndex: number
}

/** A key that was written differently on the two sides. */
export interface PartedKey {
  readonly key: Buffer
  readonly left: PartedHistory
  readonly right: PartedHistory
}

export interface PartedKeys {
  /** In order of their bytes, as many as were asked for. */
  readonly keys: readonly PartedKey[]
  /** How many there are in all, as far as was read. */
  readonly count: number
  /** False where there was too much to look at all of it. */
  readonly isWhole: boolean
}

/**
 * The first entry after `commonIndex` that the two do not hold alike. Undefined where all entries are alike as far as
 * both go: then only the records differ that hold them.
 */
export async function firstDifference(
  left: ReplicaLog,
  right: ReplicaLog,
  commonIndex: number,
): Promise<FirstDifference | undefined> {
  const lefts = entriesFrom(left, commonIndex + 1)
  const rights = entriesFrom(right, commonIndex + 1)
  try {
    for (;;) {
      const [ours, theirs] = await Promise.all([lefts.next(), rights.next()])
      if (ours.done || theirs.done) return undefined
      if (nameOf(ours.value) === nameOf(theirs.value)) continue
      return { index: ours.value.index, left: ours.value, right: theirs.value }
    }
  } finally {
    await Promise.all([lefts.return(), rights.return()])
  }
}

/** The keys that were written differently after `commonIndex`: `keysMax` of them, with `entriesMax` entries a side. */
export async function partedKeys(
  left: ReplicaLog,
  right: ReplicaLog,
  commonIndex: number,
  { keysMax, entriesMax }: { keysMax: number; entriesMax: number },
): Promise<PartedKeys> {
  const gathered = new Gathered(entriesMax)
  const isLeftWhole = await gathered.read('left', left, commonIndex)
  const isRightWhole = await gathered.read('right', right, commonIndex)
  return { ...gathered.result(keysMax), isWhole: isLeftWhole && isRightWhole }
}

interface BothSides {
  readonly left: Side
  readonly right: Side
}

class Gathered {
  readonly #entriesMax: number
  /** By the key's bytes in Latin-1. */
  readonly #keys = new Map<string, BothSides>()
  #sizeBytes = 0

  constructor(entriesMax: number) {
    this.#entriesMax = entriesMax
  }

  /** False where there was too much. */
  async read(side: keyof BothSides, log: ReplicaLog, commonIndex: number): Promise<boolean> {
    let left = ENTRIES_MAX
    let isWhole = true
    for await (const entry of entriesFrom(log, commonIndex + 1)) {
      left -= 1
      if (left < 0) return false
      if (entry.operation !== Operation.SET && entry.operation !== Operation.DELETE) continue
      const sides = this.#sidesOf(entry.key)
      if (sides === undefined) isWhole = false
      else this.#sizeBytes += sides[side].add(entry, commonIndex)
    }
    return isWhole
  }

  result(keysMax: number): Pick<PartedKeys, 'keys' | 'count'> {
    const found = [...this.#keys].filter(([, { left, right }]) => !left.equals(right))
    const named = found.map(([name, sides]) => ({ key: Buffer.from(name, 'latin1'), ...sides }))
    named.sort((a, b) => Buffer.compare(a.key, b.key))
    const keys = named.slice(0, keysMax).map(({ key, left, right }) => {
      return { key, left: left.history(), right: right.history() }
    })
    return { keys, count: found.length }
  }

  #sidesOf(key: Buffer): BothSides | undefined {
    const name = key.toString('latin1')
    const known = this.#keys.get(name)
    if (known !== undefined) return known
    if (this.#keys.size >= KEYS_MAX || this.#sizeBytes > SIZE_BYTES_MAX) return undefined
    const sides = { left: new Side(this.#entriesMax), right: new Side(this.#entriesMax) }
    this.#keys.set(name, sides)
    return sides
  }
}

/** One key's entries in one log. */
class Side {
  readonly #entriesMax: number
  readonly #newest: Entry[] = []
  #count = 0
  #beforeIndex = 0
  /** Over all entries, so that those which are not kept are compared too. */
  #digest = ''

  constructor(entriesMax: number) {
    this.#entriesMax = entriesMax
  }

  /** Returns by how many bytes what is kept has grown. */
  add(entry: Entry, commonIndex: number): number {
    if (this.#count === 0) {
      const before = indexOf(entry.previous)
      this.#beforeIndex = before <= commonIndex ? before : 0
    }
    this.#count += 1
    this.#digest = hash('sha1', this.#digest + nameOf(entry))
    if (this.#entriesMax === 0) return 0
    // Copies: a view would keep the whole record in memory.
    const kept = { ...entry, key: Buffer.from(entry.key), value: Buffer.from(entry.value) }
    this.#newest.push(kept)
    const dropped = this.#newest.length > this.#entriesMax ? this.#newest.shift() : undefined
    return kept.value.length - (dropped?.value.length ?? 0)
  }

  equals(other: Side): boolean {
    return this.#count === other.#count && this.#digest === other.#digest
  }

  history(): PartedHistory {
    return { count: this.#count, entries: [...this.#newest].reverse(), beforeIndex: this.#beforeIndex }
  }
}

async function* entriesFrom(log: ReplicaLog, fromIndex: number): AsyncGenerator<Entry, void, void> {
  if (fromIndex > log.lastIndex) return
  for await (const record of log.records(fromIndex, log.lastIndex)) {
    for (let slot = Math.max(0, fromIndex - record.firstIndex); slot < record.count; slot += 1) {
      yield record.entry(slot)
    }
  }
}

/** Two entries with the same name are the same: all that makes one up, but for the record that it is in. */
function nameOf(entry: Entry): string {
  const { index, epoch, stamp, operation, sequence, actor, batchContinues, refused } = entry
  const numbers = [index, epoch, stamp.lamport, stamp.wallMs, operation, sequence, batchContinues, refused]
  const bytes = [entry.key, entry.value, entry.clientId].map(each => each.toString('latin1'))
  return JSON.stringify([...numbers, indexOf(entry.previous), actor, ...bytes])
}
