/**
 * A watch that may begin below the horizon: first what its keys held there, as the SETs that they had their values from, then
 * all that came after. So a follower that was away for too long begins anew, without a gap.
 */
import { afterPrefix } from './kept-prefixes.js'
import type { ShardProjection } from './shard-projection.js'
import type { TimeTravel } from './time-travel.js'
import type { WatchBatch, WatchOptions } from './watch.js'

/** A batch of a snapshot holds at most so many entries, and about so many bytes of keys and values. */
const BATCH_ENTRIES_MAX = 1_024
const BATCH_SIZE_BYTES_MAX = 262_144

export interface SnapshotWatchOptions extends WatchOptions {
  /** Without it, a watch below the horizon is refused. */
  readonly snapshot: boolean
}

/**
 * A batch of a watch, or of a snapshot: then `snapshotIndex` is where the snapshot is taken and not 0, entries come in key
 * order, and `throughIndex` stays where it was until the last batch, which is empty and names the snapshot's index. Keys that
 * a snapshot does not name have no value.
 */
export interface SnapshotWatchBatch extends WatchBatch {
  readonly snapshotIndex: number
}

/**
 * As `ShardProjection.watch`, with a snapshot wherever entries that it has still to deliver were dropped, at the beginning or
 * when it is overtaken later. While a snapshot is read, its replica's horizon is held for a time.
 * @throws ProjectionError, LogError as `ShardProjection.watch` and `TimeTravel.scan`; LogError LOG_OUT_OF_RETENTION below
 *   the horizon of the keys watched, where no snapshot is wanted, or when a slow reader of one is overtaken
 */
export async function* watchFromHorizon(
  projection: ShardProjection,
  timeTravel: TimeTravel,
  from: number,
  options: SnapshotWatchOptions,
): AsyncGenerator<SnapshotWatchBatch, void, void> {
  const { snapshot, prefix, signal } = options
  const { horizons } = projection
  if (!snapshot) horizons.checkWatch(prefix ?? Buffer.alloc(0), from)
  for (let next = from; signal?.aborted !== true; ) {
    if (snapshot && next <= horizons.ofWatch(prefix ?? Buffer.alloc(0)).index) {
      next = yield* snapshotBefore(projection, timeTravel, next, options)
    }
    try {
      for await (const batch of projection.watch(next, options)) {
        yield { ...batch, snapshotIndex: 0 }
        next = batch.throughIndex + 1
      }
      return
    } catch (error) {
      if (!snapshot || (error as { code?: unknown }).code !== 'OUT_OF_RETENTION') throw error
    }
  }
}

/** Where to go on behind the snapshot. */
async function* snapshotBefore(
  projection: ShardProjection,
  timeTravel: TimeTravel,
  next: number,
  { prefix = Buffer.alloc(0), signal }: SnapshotWatchOptions,
): AsyncGenerator<SnapshotWatchBatch, number, void> {
  const { horizons, log, committedIndex } = projection
  const end = afterPrefix(prefix)
  const release = horizons.hold()
  try {
    const index = Math.max(log.baseIndex, horizons.ofRange(prefix, end).index)
    for (let start: Buffer | undefined = prefix; start !== undefined; ) {
      const page = await timeTravel.scan({
        start,
        end,
        index,
        limit: BATCH_ENTRIES_MAX,
        sizeBytesMax: BATCH_SIZE_BYTES_MAX,
      })
      signal?.throwIfAborted()
      if (page.entries.length > 0) {
        yield { entries: page.entries, throughIndex: next - 1, committedIndex, snapshotIndex: index }
      }
      start = page.next
    }
    yield { entries: [], throughIndex: index, committedIndex, snapshotIndex: index }
    return index + 1
  } finally {
    release()
  }
}
