/** What importing a slice of a log writes, and under which request ids. Pure. */

import { hash, randomBytes } from 'node:crypto'
import { shardOfKey } from '../src/client/shard-of-key.js'
import { Limits } from '../src/log/entry.js'
import { isSystemKey } from '../src/log/system-key.js'
import { badUsage } from './exit-codes.js'
import type { LogLine } from './log-line.js'
import type { SliceEntry, SliceHeader } from './log-slice.js'

/** Entries of so many consecutive Lamport times share a client id. Never changes: ids must be the same for ever. */
const LAMPORT_TIMES_PER_CLIENT = 32_768

const CLIENT_ID_SIZE_BYTES = 16
const STAMP_SIZE_BYTES = 8

/** A request; of a batch, its first entry's. */
export interface RequestName {
  readonly clientId: Buffer
  readonly sequence: number
}

/** Entries that are written together: a single one, or what a slice holds of an atomic batch. */
export interface ImportUnit extends RequestName {
  readonly lines: readonly LogLine[]
  /** Ordinal of the shard that they go to. */
  readonly shard: number
}

/**
 * The request id under which an entry of a log is written anew. Derived from what the entry is, so that whoever imports
 * it again asks for the same request, which the shard then knows.
 *
 * As of every client id, the first half is the time of its creation: the entry's own Lamport time, rounded down, so that
 * an import takes few places in a request table. The importer hands that Lamport time on with the request, so that it
 * is a time that the shard has seen. The second half is hashed: no client that counts comes upon it.
 */
export function importId(
  { logId, shard }: Pick<SliceHeader, 'logId' | 'shard'>,
  { index, lamport }: Pick<LogLine, 'index' | 'lamport'>,
): RequestName {
  const clientId = Buffer.alloc(CLIENT_ID_SIZE_BYTES)
  clientId.writeBigUInt64BE(BigInt(lamport - ((lamport - 1) % LAMPORT_TIMES_PER_CLIENT)), 0)
  const name = hash('sha256', `varve import ${logId} ${shard}`, 'buffer')
  name.copy(clientId, STAMP_SIZE_BYTES, 0, CLIENT_ID_SIZE_BYTES - STAMP_SIZE_BYTES)
  return { clientId, sequence: index }
}

/**
 * Ids of a client that begins now: what was imported before is written again. `lamport` is the greatest of the shards'
 * last entries: whatever client they have forgotten began before it.
 */
export function newIds(lamport: number): (line: Pick<LogLine, 'index'>) => RequestName {
  const clientId = randomBytes(CLIENT_ID_SIZE_BYTES)
  clientId.writeBigUInt64BE(BigInt(lamport), 0)
  return ({ index }) => ({ clientId, sequence: index })
}

export interface UnitOptions {
  readonly header: SliceHeader
  /** How many shards the cluster has that is written to. */
  readonly shardCount: number
  /** Write the entries of a batch one by one where they fall into several shards. */
  readonly splitBatches: boolean
  /** Under which request an entry, or a batch that begins with it, is written. Default: `importId`. */
  readonly idOf?: ((line: LogLine) => RequestName) | undefined
}

/** Gathers entries into units. What is no SET or DELETE of a user's key is left out. */
export class UnitGatherer {
  readonly #options: UnitOptions
  #batch: LogLine[] = []
  #batchIndex = 0

  constructor(options: UnitOptions) {
    this.#options = options
  }

  /** The units that are complete with this entry, in order. Throws bad usage for a batch of several shards. */
  add({ line, batch }: SliceEntry): ImportUnit[] {
    const before = batch !== 0 && batch === this.#batchIndex ? [] : this.end()
    if (!isWritten(line)) return before
    if (batch === 0) return [...before, this.#unit([line])]
    this.#batchIndex = batch
    this.#batch.push(line)
    return before
  }

  /** What is left after the last entry. */
  end(): ImportUnit[] {
    const lines = this.#batch
    this.#batch = []
    this.#batchIndex = 0
    if (lines.length === 0) return []
    const shards = new Set(lines.map(({ key }) => shardOfKey(key, this.#options.shardCount)))
    if (shards.size === 1) return [this.#unit(lines)]
    if (this.#options.splitBatches) return lines.map(line => this.#unit([line]))
    const { shard } = this.#options.header
    const where = `the atomic batch of ${shard}/${lines[0]!.index} to ${lines.at(-1)!.index}`
    throw badUsage(
      `${where}: its keys fall into ${shards.size} shards here, expected one, as a batch is atomic within a shard: ` +
        '--split-batches writes such entries one by one',
    )
  }

  #unit(lines: readonly LogLine[]): ImportUnit {
    const { header, shardCount, idOf } = this.#options
    const first = lines[0]!
    const id = idOf?.(first) ?? importId(header, first)
    return { lines, shard: shardOfKey(first.key, shardCount), ...id }
  }
}

/** A configuration, a NOOP and what a cluster keeps for itself are its own. */
export function isWritten({ operation, key }: LogLine): boolean {
  return (operation === 'set' || operation === 'delete') && !isSystemKey(key)
}

/** Bytes of a unit, for what is in flight. */
export function unitSizeBytes({ lines }: ImportUnit): number {
  return lines.reduce((sum, { key, value }) => sum + key.length + value.length, 0)
}

/** Units in flight at a time, and their bytes; one larger one may be. */
export const IN_FLIGHT_MAX = 256
export const IN_FLIGHT_SIZE_BYTES_MAX = 8 * Limits.batchSizeBytesMax
