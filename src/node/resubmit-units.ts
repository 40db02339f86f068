/**
 * What a request to resubmit orphans asks for, checked: units that are written as a whole or not at all, a single entry
 * or an atomic batch, each with the request id that it once had and the one that it is written under now.
 */
import { VarveError } from '../client/errors.js'
import type { ResubmitRequest } from '../generated/varve/v1/cluster.js'
import { type Entry, Operation as OperationMessage } from '../generated/varve/v1/entry.js'
import { CLIENT_ID_SIZE, checkActor, checkedWrite } from './kv-requests.js'
import type { UnaryWrite } from './local-call.js'
import { resubmitId } from './resubmit-id.js'

/** A request has at most so many entries. */
export const RESUBMIT_ENTRIES_MAX = 10_000

/** One orphan of a request. */
export interface CheckedOrphan {
  readonly epoch: number
  readonly index: number
  /** The request that it was the result of; sequence 0 where no client asked for it. */
  readonly original: { readonly clientId: Buffer; readonly sequence: number }
  readonly write: UnaryWrite
}

/** Orphans that are written together or not at all. */
export interface ResubmitUnit {
  readonly orphans: readonly CheckedOrphan[]
  readonly clientId: Buffer
  readonly firstSequence: number
  readonly actor: string
}

/** How messages name an orphan: `shard_0/120 of epoch 3`. */
export function orphanName(shard: string, { epoch, index }: { epoch: number; index: number }): string {
  return `${shard}/${index} of epoch ${epoch}`
}

/** The units of a request, in order. Throws `VarveError` INVALID_ARGUMENT: nothing was written. */
export function checkedUnits(shard: string, ordinal: number, request: ResubmitRequest): ResubmitUnit[] {
  const { entries } = request
  if (entries.length === 0) throw invalid('no orphans given, expected at least one')
  if (entries.length > RESUBMIT_ENTRIES_MAX) {
    throw invalid(`${entries.length} orphans given, at most ${RESUBMIT_ENTRIES_MAX} are taken at a time`)
  }
  const units: ResubmitUnit[] = []
  for (let at = 0; at < entries.length; ) {
    const batch = batchAt(shard, entries, at)
    at += batch.length
    const first = batch[0]!
    const { epoch, index, stamp } = placeOf(shard, first)
    const id = resubmitId({ shard: ordinal, epoch, index, lamport: stamp.lamport })
    checkActor(first.actor)
    units.push({
      orphans: batch.map(entry => checkedOrphan(shard, entry)),
      clientId: id.clientId,
      firstSequence: id.sequence,
      actor: first.actor,
    })
  }
  return units
}

/** The entry at this place, with all that belong to its atomic batch. */
function batchAt(shard: string, entries: readonly Entry[], from: number): Entry[] {
  const batch = [entries[from]!]
  for (let entry = batch[0]!; entry.batchContinues; entry = batch.at(-1)!) {
    const next = entries[from + batch.length]
    const { epoch, index } = placeOf(shard, entry)
    const follows = next?.position?.epoch === epoch && next.position.index === index + 1
    if (next === undefined || !follows || !next.clientId.equals(entry.clientId)) {
      const name = orphanName(shard, { epoch, index })
      throw invalid(`${name} belongs to an atomic batch that goes on at index ${index + 1}: give all of it`)
    }
    batch.push(next)
  }
  return batch
}

function checkedOrphan(shard: string, entry: Entry): CheckedOrphan {
  const place = placeOf(shard, entry)
  const { operation, key, value, clientId, sequence } = entry
  const name = orphanName(shard, place)
  if (operation !== OperationMessage.SET && operation !== OperationMessage.DELETE) {
    throw invalid(`${name} is neither a SET nor a DELETE: there is nothing to write anew`)
  }
  if (clientId.length !== CLIENT_ID_SIZE) {
    throw invalid(`${name} has a client id of ${clientId.length} bytes, expected ${CLIENT_ID_SIZE}`)
  }
  const write = checkedWrite({ operation, key, value, condition: undefined, returnPrevious: false })
  return { epoch: place.epoch, index: place.index, original: { clientId, sequence }, write }
}

function placeOf(shard: string, { position }: Entry) {
  const stamp = position?.stamp
  if (position === undefined || stamp === undefined || !isWhole(stamp.lamport)) {
    throw invalid('an orphan has no position: give entries as ReadOrphans gave them')
  }
  if (position.shard !== shard) {
    throw invalid(`an orphan of ${position.shard} was given to be written to ${shard}`)
  }
  if (!isWhole(position.epoch) || !isWhole(position.index)) {
    throw invalid(`epoch ${position.epoch}, index ${position.index} given: both count from 1`)
  }
  return { epoch: position.epoch, index: position.index, stamp }
}

function isWhole(value: number): boolean {
  return Number.isSafeInteger(value) && value >= 1
}

function invalid(message: string): VarveError {
  return new VarveError('INVALID_ARGUMENT', message, { outcome: 'failed' })
}
