/**
 * The values of a replayed state, in the order of the keys. Replay notes only where they are; here the log is read once
 * more and they are gathered as they come by, as many as fit into a bounded memory, then again for the rest. The log is
 * never read out of order, so that this is as quick over the network as from a disk.
 */
import type { Entry } from '../log/entry.js'
import type { LogRecord } from '../log/record-codec.js'
import { GatheredEntries } from './gathered-entries.js'
import { nextTurn } from './next-turn.js'
import type { ReplayedState } from './replay.js'
import { type ReplaySource, readBaseHeader, visitBase } from './replay-source.js'

const GATHERED_KEYS_MAX = 1_048_576
const GATHERED_SIZE_BYTES_MAX = 268_435_456
/** Records between two pauses. */
const RECORDS_BETWEEN_PAUSES = 64

export interface EntriesOptions {
  /** Memory for values of one pass over the log, bytes, and the keys of one pass. Default: 256 MiB and 1,048,576. */
  readonly sizeBytesMax?: number
  readonly keysMax?: number
  /** Awaited every few ms. Default: the next event-loop turn. */
  readonly pause?: () => Promise<void>
  /** Told now and then which index a pass has come to. */
  readonly onProgress?: (index: number) => void
}

/**
 * The SET of each live key of the state, in byte order of the keys. Bytes are valid until the next entry.
 * @throws Error where the source does not give the same log again; whatever it throws
 */
export async function* replayedEntries(
  source: ReplaySource,
  state: ReplayedState,
  options: EntriesOptions = {},
): AsyncGenerator<Entry, void, void> {
  const { sizeBytesMax = GATHERED_SIZE_BYTES_MAX, keysMax = GATHERED_KEYS_MAX } = options
  const { ids, positions } = await state.ordered(options.pause)
  let from = 0
  while (from < ids.length) {
    const live = liveFrom(positions, from, keysMax)
    if (live.places.length === 0) return
    const gathered = new GatheredEntries(live.positions, sizeBytesMax)
    await gather(source, state, gathered, options)
    for (let rank = 0; rank < gathered.count; rank++) {
      yield gathered.entry(rank, state.keys.keys.copy(ids[live.places[rank]!]!))
    }
    from = live.places[gathered.count - 1]! + 1
  }
}

/** The live ones among the positions from `from` on, at most `countMax`, and where in the list they are. */
function liveFrom(positions: Float64Array, from: number, countMax: number) {
  let count = 0
  let end = from
  for (; end < positions.length && count < countMax; end++) if (positions[end]! > 0) count++
  const places = new Uint32Array(count)
  const live = new Float64Array(count)
  let rank = 0
  for (let at = from; at < end; at++) {
    if (positions[at]! <= 0) continue
    places[rank] = at
    live[rank++] = positions[at]!
  }
  return { places, positions: live }
}

async function gather(
  source: ReplaySource,
  state: ReplayedState,
  gathered: GatheredEntries,
  { pause = nextTurn, onProgress }: EntriesOptions,
): Promise<void> {
  const base = await source.base()
  const baseIndex = base?.name.index ?? 0
  if (base !== undefined && gathered.nextIndex <= baseIndex) {
    const { epochs } = await readBaseHeader(source.shard, base)
    const epochOf = (index: number) => epochs.findLast(each => each.startIndex <= index)?.epoch ?? 0
    await visitBase(source.shard, base, row => {
      if (row.position === gathered.next && !row.isStub) gathered.take(row.entry(epochOf(row.index)))
    })
  }
  if (gathered.isDone) return
  if (gathered.nextIndex <= baseIndex) throw lost(source.shard, gathered.nextIndex)
  let records = 0
  for await (const record of source.records(gathered.nextIndex, state.index)) {
    takeFrom(record, gathered)
    if (gathered.isDone) return
    if (++records % RECORDS_BETWEEN_PAUSES !== 0) continue
    onProgress?.(record.lastIndex)
    await pause()
  }
  throw lost(source.shard, gathered.nextIndex)
}

/** All that is wanted of a record. */
function takeFrom(record: LogRecord, gathered: GatheredEntries): void {
  while (!gathered.isDone) {
    const slot = gathered.nextIndex - record.firstIndex
    if (slot >= record.count) return
    gathered.take(record.entry(slot))
  }
}

function lost(shard: number, index: number): Error {
  return new Error(`shard ${shard}: entry ${index} was there when the log was replayed, and is not any more`)
}
