/**
 * Checkpoints: the committed state written down now and then, so that a restart replays only what came after. They
 * are a convenience and never trusted: one is loaded only if its (index, hash) is in the log, and if it is damaged the
 * log is replayed from its start instead (Storage rules).
 */
import type { BlobStore } from '../log/blob-store.js'
import { reasonOf } from '../log/errors.js'
import type { Log } from '../log/log.js'
import type { Logger } from '../log/logger.js'
import { saveStarts } from '../log/record-starts.js'
import { openBase, removeOtherBases, restoreBase } from './base.js'
import {
  decodeCheckpoint,
  decodeCheckpointKeys,
  encodeCheckpoint,
  type RestoredState,
  type TakeKey,
} from './checkpoint-codec.js'
import { ProjectionError } from './errors.js'
import type { RequestTableLimits } from './request-table.js'
import { ShardProjection, type ShardProjectionOptions } from './shard-projection.js'

/** So many are kept whatever lies between them: should the newest be damaged, there is the one before. */
const NEWEST_KEPT = 2
/** Of the older ones those are kept that are so many entries apart, or twice as many as there are keys. */
const ENTRIES_APART_MIN = 500_000

/**
 * How many entries the log grows by from one checkpoint to the next. A read of any moment replays at most twice as many
 * (`past-views.ts`), and as a key's row in a checkpoint is smaller than its entries in the log, all checkpoints
 * together are smaller than half the log: mostly about a tenth.
 */
export function entriesBetweenCheckpoints(keyCount: number): number {
  return Math.max(ENTRIES_APART_MIN, 2 * keyCount)
}

export interface CheckpointContext {
  readonly log: Log
  readonly blobs: BlobStore
  readonly logger: Logger
}

/** A checkpoint's blob, and the end of a record that it was made at. */
export interface CheckpointName {
  readonly name: string
  readonly index: number
  readonly hash: Buffer
}

/**
 * Writes a checkpoint of the projection's committed state and removes old ones but for those that are so many entries
 * apart; resolves to its index when it is durable. Undefined, and nothing done, when there is nothing new, or when the
 * commit index is not the end of a record that is durable here: try again later. Not twice at a time for one shard.
 * @throws LogError when the store failed
 */
export async function saveCheckpoint(
  projection: ShardProjection,
  { log, blobs, logger }: CheckpointContext,
  entriesApart: number = entriesBetweenCheckpoints(projection.keyCount),
): Promise<number | undefined> {
  const index = projection.committedIndex
  const hash = index > 0 && index <= log.durableIndex ? log.hashAt(index) : undefined
  if (hash === undefined) return undefined
  const identity = { shard: log.shard, index, hash: Buffer.from(hash) }
  // Captured before the first await: index, hash and state belong to one moment.
  const state = projection.capture()
  const name = nameOf(log.shard, index, identity.hash)
  if ((await blobs.names(name)).length > 0) return undefined
  await blobs.write(name, encodeCheckpoint(identity, state))
  logger.debug({ shard: log.shard, index, keys: state.keys.keyCount }, 'checkpoint written')
  await saveStarts(log, blobs, index)
  const all = await checkpointNames(log.shard, blobs)
  const kept = worthKeeping(all, log, entriesApart)
  for (const old of all) if (!kept.has(old)) await blobs.remove(old.name)
  return index
}

/** The newest ones, and of the older ones as many as reads of the past need. `names`: newest first. */
function worthKeeping(
  names: readonly CheckpointName[],
  log: Log,
  entriesApart: number,
): ReadonlySet<CheckpointName> {
  const usable = names.filter(each => isInLog(log, each))
  const kept = new Set(usable.slice(0, NEWEST_KEPT))
  let last = log.baseIndex
  for (const each of usable.toReversed()) {
    if (each.index - last >= entriesApart) kept.add(each)
    if (kept.has(each)) last = each.index
  }
  return kept
}

/**
 * Hands the keys of the newest usable checkpoint from index `from` to `through` to what `begin` returns, which is called
 * anew for each one that is tried. Resolves to its index; undefined where there is none.
 * @throws LogError when the store failed
 */
export async function readCheckpointKeys(
  { log, blobs, logger }: CheckpointContext,
  begin: () => TakeKey,
  from: number,
  through: number,
): Promise<number | undefined> {
  for (const { index, hash, name } of await checkpointNames(log.shard, blobs)) {
    if (index < from || index > through || log.hashAt(index)?.equals(hash) !== true) continue
    try {
      const chunks = blobs.read(name)
      if (chunks === undefined) continue
      const found = await decodeCheckpointKeys(chunks, begin())
      if (found.shard === log.shard && found.index === index && found.hash.equals(hash)) return index
      throw new ProjectionError('CHECKPOINT_DAMAGED', 'a checkpoint is damaged: it is not what its name says')
    } catch (error) {
      const fields = { shard: log.shard, index, reason: reasonOf(error) }
      logger.warn(fields, 'a checkpoint of the past cannot be used: replaying more of the log')
    }
  }
  return undefined
}

/**
 * The state of the newest checkpoint that is in the log and not damaged; undefined if there is none. `throughIndex`: of
 * none above it.
 */
export async function loadCheckpoint(
  { log, blobs, logger }: CheckpointContext,
  requestLimits: Partial<RequestTableLimits> = {},
  throughIndex = Number.POSITIVE_INFINITY,
): Promise<RestoredState | undefined> {
  for (const candidate of await checkpointNames(log.shard, blobs)) {
    // What is below a base is of no use any more.
    if (candidate.index > throughIndex || candidate.index < log.baseIndex) continue
    const where = { shard: log.shard, index: candidate.index }
    if (!isInLog(log, candidate)) {
      logger.warn(where, 'a checkpoint is not of this log and is left alone')
      continue
    }
    try {
      const chunks = blobs.read(candidate.name)
      if (chunks === undefined) continue
      const state = await decodeCheckpoint(chunks, requestLimits)
      const isSame = state.shard === log.shard && state.index === candidate.index
      if (isSame && state.hash.equals(candidate.hash)) return state
      throw new ProjectionError('CHECKPOINT_DAMAGED', 'a checkpoint is damaged: it is not what its name says')
    } catch (error) {
      logger.warn(
        { ...where, reason: reasonOf(error) },
        'a checkpoint cannot be used: replaying more of the log',
      )
    }
  }
  return undefined
}

/** Removes the shard's checkpoints below `index`. @throws LogError when the store failed */
export async function removeCheckpointsBelow(index: number, shard: number, blobs: BlobStore): Promise<void> {
  for (const each of await checkpointNames(shard, blobs))
    if (each.index < index) await blobs.remove(each.name)
}

/**
 * The projection of a log that was just opened: the newest usable checkpoint, or the base that the log is kept from,
 * then every record after it, committed as far as the log knows (`commitIndexHint`) or the checkpoint proves. All that
 * the log holds is applied when this resolves; nothing may be appended or cut meanwhile.
 * @throws LogError LOG_DAMAGED, LOG_IO; ProjectionError PROJECTION_DIVERGED
 */
export async function openProjection(
  context: CheckpointContext,
  options: Omit<ShardProjectionOptions, 'log'> = {},
): Promise<ShardProjection> {
  const { log, blobs, logger } = context
  // Of a trim, or of one that was on its way in, when the process died.
  await removeOtherBases(log.shard, blobs, log.base)
  const projection = await startProjection(context, options)
  const restoredIndex = projection.appliedIndex
  // Committed as it goes, so that what could be undone does not pile up.
  const committed = log.commitIndexHint
  for await (const record of log.records(projection.appliedIndex + 1)) {
    projection.apply(record)
    projection.commit(Math.min(projection.appliedIndex, committed))
  }
  const { appliedIndex, committedIndex, keyCount } = projection
  const fields = {
    shard: log.shard,
    base: log.baseIndex,
    restoredIndex,
    appliedIndex,
    committedIndex,
    keyCount,
  }
  logger.debug(fields, 'projection rebuilt')
  return projection
}

/**
 * The projection at the newest usable checkpoint, or at the base; empty where there is neither. `throughIndex`: of no
 * checkpoint above it. Throws as `openProjection`.
 */
export async function startProjection(
  context: CheckpointContext,
  options: Omit<ShardProjectionOptions, 'log'> = {},
  throughIndex = Number.POSITIVE_INFINITY,
): Promise<ShardProjection> {
  const { log, blobs } = context
  const entries = log.base === undefined ? undefined : openBase(log.shard, blobs, log.base)
  const restored =
    (await loadCheckpoint(context, options.requestLimits, throughIndex)) ??
    (log.base === undefined
      ? undefined
      : await restoreBase(log.shard, blobs, log.base, options.requestLimits))
  return new ShardProjection({ ...options, log }, restored, entries)
}

/** Index of the shard's newest checkpoint, 0 if there is none: it was verified up to there when it was written. */
export async function newestCheckpointIndex(shard: number, blobs: BlobStore): Promise<number> {
  return (await checkpointNames(shard, blobs))[0]?.index ?? 0
}

function isInLog(log: Log, { index, hash }: CheckpointName): boolean {
  return index <= log.lastIndex && log.hashAt(index)?.equals(hash) === true
}

function prefixOf(shard: number): string {
  return `checkpoint/${String(shard).padStart(5, '0')}/`
}

function nameOf(shard: number, index: number, hash: Buffer): string {
  return `${prefixOf(shard)}${String(index).padStart(13, '0')}/${hash.toString('hex')}`
}

/** The shard's checkpoints as their names say, newest first: none is trusted yet. */
export async function checkpointNames(shard: number, blobs: BlobStore): Promise<CheckpointName[]> {
  const names = await blobs.names(prefixOf(shard))
  const found: CheckpointName[] = []
  for (const name of names) {
    const [, , index, hash] = name.split('/')
    if (index === undefined || hash === undefined) continue
    found.push({ name, index: Number(index), hash: Buffer.from(hash, 'hex') })
  }
  return found.sort((left, right) => right.index - left.index)
}
