/**
 * The request id under which an orphan is written anew, derived from (shard, epoch, index) so that whoever asks for it
 * again, at whichever head, asks for the same request: the request table then knows it (Requests, sessions, orphans).
 *
 * The sequence is the orphan's index. The client id begins with a creation stamp, as all do: the orphan's own Lamport
 * time, rounded down so that the orphans of one failover share a few ids instead of pushing the shard's live clients
 * out of its request table. The rule for unknown ids thus holds for orphans too: an orphan that is not younger than the
 * table's floor is expired, for a resubmission of it may have been forgotten. A later stamp would get past the
 * floor, and be written twice.
 */
import { hash } from 'node:crypto'
import { CLIENT_ID_SIZE_BYTES } from '../log/record-layout.js'

/** Orphans of so many consecutive Lamport times share a client id. Never changes: ids must be the same for ever. */
const LAMPORT_TIMES_PER_CLIENT = 1_024

const STAMP_SIZE_BYTES = 8

/** What the id is derived from. `lamport` is the orphan's own; of an atomic batch, that of its first entry. */
export interface OrphanPlace {
  /** The shard's ordinal. */
  readonly shard: number
  readonly epoch: number
  readonly index: number
  readonly lamport: number
}

/** The id of the request that writes an orphan anew; the entries of a batch take consecutive sequences. */
export function resubmitId({ shard, epoch, index, lamport }: OrphanPlace): {
  clientId: Buffer
  sequence: number
} {
  const clientId = Buffer.alloc(CLIENT_ID_SIZE_BYTES)
  clientId.writeBigUInt64BE(BigInt(lamport - ((lamport - 1) % LAMPORT_TIMES_PER_CLIENT)), 0)
  // Hashed: no client that chooses its ids by counting comes upon one of these.
  const name = hash('sha256', `varve orphan ${shard} ${epoch}`, 'buffer')
  name.copy(clientId, STAMP_SIZE_BYTES, 0, CLIENT_ID_SIZE_BYTES - STAMP_SIZE_BYTES)
  return { clientId, sequence: index }
}
