/**
 * The entries of many keys at two moments each, as a diff needs them: in the order of the keys, in which they lie all over
 * the log. They are read in the order of the log, so that each record is read once, and gathered within a bounded memory.
 */
import { type Entry, type Position, recordOf } from '../log/entry.js'
import type { LogRecord } from '../log/record-codec.js'
import { GatheredEntries } from './gathered-entries.js'
import type { ShardProjection } from './shard-projection.js'

/** Records asked for at once, while those before are looked at. */
const RECORDS_AT_ONCE = 64
const SIZE_BYTES_MAX = 67_108_864

/** A key's entries; undefined where its position is 0, or the entry was dropped. */
export interface Pair {
  readonly before: Entry | undefined
  readonly after: Entry | undefined
}

/** Entries of keys, two of each. */
export interface Pairs {
  /** Of so many keys; the others did not fit, and are to be asked for anew. */
  readonly count: number
  /** Of the key at that place, below `count`. `key` is not copied; values hold as long as the pairs. */
  pair(place: number, key: Buffer): Pair
}

/**
 * The entries at `positions`: two of each key, before and after, all different but for 0. At least those of the first key
 * are there, of the others as many as `sizeBytesMax` holds values of.
 * @throws LogError LOG_DAMAGED, LOG_IO
 */
export async function readPairs(
  projection: ShardProjection,
  positions: readonly Position[],
  sizeBytesMax = SIZE_BYTES_MAX,
): Promise<Pairs> {
  const wanted = Float64Array.from(positions.filter(position => position > 0))
  const gathered = new GatheredEntries(wanted, sizeBytesMax)
  const batches = batchesOf(wanted.slice().sort())
  let next = fetch(projection, batches[0])
  for (const [number, batch] of batches.entries()) {
    const records = await next
    next = fetch(projection, batches[number + 1])
    for (const [at, { firstIndex }] of batch.entries()) take(projection, gathered, firstIndex, records?.[at])
    await projection.pause()
  }
  const ranks = ranksOf(positions)
  const places = wholeOf(ranks, gathered.count)
  if (places === 0) return onePair(projection, positions)
  const entryAt = (place: number, key: Buffer) => {
    const rank = ranks[place]!
    const isThere = positions[place]! > 0 && gathered.has(rank)
    return isThere ? gathered.entry(rank, key) : undefined
  }
  const pair = (place: number, key: Buffer) => {
    return { before: entryAt(2 * place, key), after: entryAt(2 * place + 1, key) }
  }
  return { count: places, pair }
}

/** A record that entries are wanted from. */
interface WantedRecord {
  readonly firstIndex: number
}

function batchesOf(positions: Float64Array): WantedRecord[][] {
  const batches: WantedRecord[][] = []
  let last = 0
  for (const position of positions) {
    const firstIndex = recordOf(position)
    if (firstIndex === last) continue
    last = firstIndex
    const batch = batches.at(-1)
    if (batch === undefined || batch.length === RECORDS_AT_ONCE) batches.push([{ firstIndex }])
    else batch.push({ firstIndex })
  }
  return batches
}

/** The batch's records; undefined where a base stands for some of them, which are then read one by one. */
async function fetch(
  { log }: ShardProjection,
  batch: readonly WantedRecord[] | undefined,
): Promise<(LogRecord | undefined)[] | undefined> {
  if (batch === undefined) return undefined
  try {
    return await log.readMany(batch.map(({ firstIndex }) => firstIndex))
  } catch {
    // Damage is found again where an entry of that record is read by itself.
    return undefined
  }
}

/** Takes all that is wanted from one record. */
function take(
  projection: ShardProjection,
  gathered: GatheredEntries,
  firstIndex: number,
  record: LogRecord | undefined,
): void {
  while (!gathered.isDone && recordOf(gathered.next) === firstIndex) {
    if (record !== undefined) {
      gathered.takeFrom(record)
      continue
    }
    const entry = projection.entry(gathered.next)
    if (entry === undefined) gathered.skip()
    else gathered.take(entry)
  }
}

/** The rank of each position among those that are not 0; at the end, how many these are. */
function ranksOf(positions: readonly Position[]): Uint32Array {
  const ranks = new Uint32Array(positions.length + 1)
  for (const [at, position] of positions.entries()) ranks[at + 1] = ranks[at]! + (position > 0 ? 1 : 0)
  return ranks
}

/** How many keys have both their ranks below `count`. */
function wholeOf(ranks: Uint32Array, count: number): number {
  let places = (ranks.length - 1) >> 1
  while (places > 0 && ranks[2 * places]! > count) places--
  return places
}

/** Two values that are too large together. */
function onePair(projection: ShardProjection, [before = 0, after = 0]: readonly Position[]): Pairs {
  const entryAt = (position: Position, key: Buffer) => {
    const entry = position === 0 ? undefined : projection.entry(position)
    return entry === undefined ? undefined : { ...entry, key }
  }
  return { count: 1, pair: (_, key) => ({ before: entryAt(before, key), after: entryAt(after, key) }) }
}
