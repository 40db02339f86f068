/**
 * What a log is made of: positions, entries and their limits. Everything else in `src/log` is about
 * getting these to bytes, to disk, and back unharmed.
 */

/** What an entry does. The numbers are those of the record format (docs/log-format.md) and never change. */
export const Operation = { SET: 1, DELETE: 2, EPOCH: 3, NOOP: 4 } as const
export type Operation = (typeof Operation)[keyof typeof Operation]

/** Bits of an entry's flags, as stored. */
export const EntryFlag = {
  /** The next entry belongs to the same atomic batch. */
  BATCH_CONTINUES: 1,
  /** A NOOP that stands for a conditional write that was refused. */
  REFUSED: 2,
} as const

/** The log's limits. Beyond them a request is refused with INVALID_ARGUMENT naming the limit and the size given. */
export const Limits = {
  keySizeBytesMax: 4_096,
  valueSizeBytesMax: 1_048_576,
  batchSizeBytesMax: 1_048_576,
  /** A record holds at most so many entries: the slot is 13 bits of a position. */
  recordEntriesMax: 8_192,
  /** A record is closed at about this size; one larger entry or batch may exceed it. */
  recordSizeBytesTarget: 262_144,
  actorSizeBytesMax: 256,
} as const

/** When an entry was written. Lamport orders causes before effects; wall time (epoch ms) is for people. */
export interface Stamp {
  readonly lamport: number
  readonly wallMs: number
}

/**
 * Where an entry is found: its index and its slot in its record, in one double.
 * `firstIndex` of the record is `index - slot`, so a read needs no search. 0 is "nowhere".
 */
export type Position = number

const SLOTS = 8_192

/** Index 1 to 2^40 - 1, slot 0 to 8,191. */
export function positionOf(index: number, slot: number): Position {
  return index * SLOTS + slot
}

export function indexOf(position: Position): number {
  return Math.floor(position / SLOTS)
}

export function slotOf(position: Position): number {
  return position % SLOTS
}

/** First index of the record that holds the entry at `position`. */
export function recordOf(position: Position): number {
  return Math.floor(position / SLOTS) - (position % SLOTS)
}

/** One entry, taken out of its record. `key` and `value` are views on the record's bytes: copy to keep. */
export interface Entry {
  readonly index: number
  readonly epoch: number
  readonly stamp: Stamp
  readonly operation: Operation
  readonly key: Buffer
  readonly value: Buffer
  /** Position of the key's entry before this one, 0 if there is none. */
  readonly previous: Position
  /** 16 bytes; all zero for entries that no client asked for. */
  readonly clientId: Buffer
  /** That client's number of the request, from 1; 0 for entries that no client asked for. */
  readonly sequence: number
  readonly actor: string
  readonly batchContinues: boolean
  readonly refused: boolean
  /** First index of the record that holds it. */
  readonly record: number
}
