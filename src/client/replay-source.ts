/** The log of one shard, read from a process that holds a replica of it, to be replayed elsewhere. */
import type { Entry as WireEntry } from '../generated/varve/v1/entry.js'
import { type Entry, type Operation, type Position, positionOf } from '../log/entry.js'
import { LogRecord } from '../log/record-codec.js'
import type { ReplayBase, ReplaySource } from '../projection/replay-source.js'
import { VarveError } from './errors.js'
import type { Inspector } from './inspector.js'

/** Which replica is read. */
export interface RemoteReplica {
  /** The shard's name and ordinal. */
  readonly name: string
  readonly shard: number
  /** Of the process that holds it. */
  readonly address: string
}

/**
 * Everything throws VarveError: UNAVAILABLE and others as `Inspector`, DATA_LOSS where records do not continue each other.
 * The records are checked as if they came from a disk.
 */
export class RemoteReplaySource implements ReplaySource {
  readonly shard: number
  readonly #inspector: Inspector
  readonly #replica: RemoteReplica

  constructor(inspector: Inspector, replica: RemoteReplica) {
    this.shard = replica.shard
    this.#inspector = inspector
    this.#replica = replica
  }

  async base(): Promise<ReplayBase | undefined> {
    const { address, name } = this.#replica
    for await (const { baseIndex, hash } of this.#inspector.readBase(address, { shard: name })) {
      if (baseIndex === 0) return undefined
      return { name: { index: baseIndex, hash }, chunks: () => this.#chunks(baseIndex) }
    }
    throw new VarveError('INTERNAL', `${address} answered nothing when it was asked for the base of ${name}`)
  }

  async *records(fromIndex: number, toIndex: number): AsyncGenerator<LogRecord, void, void> {
    const { address, name } = this.#replica
    const to = Number.isFinite(toIndex) ? toIndex : 0
    let last: LogRecord | undefined
    for await (const { records } of this.#inspector.readRecords(address, {
      shard: name,
      fromIndex,
      toIndex: to,
    })) {
      for (const bytes of records) {
        const record = LogRecord.decode(bytes, `a record of ${name} from ${address}`, { shard: this.shard })
        if (last !== undefined) this.#checkFollows(record, last)
        last = record
        yield record
      }
    }
  }

  async previous(_position: Position, key: Buffer, ofIndex: number): Promise<Entry | undefined> {
    const { address, name } = this.#replica
    const wanted = { shard: name, key, toIndex: ofIndex - 1, fromIndex: 0, limit: 1, tentative: true }
    for await (const { entries } of this.#inspector.history(address, wanted)) {
      const found = entries[0]
      if (found !== undefined) return entryOfMessage(found)
    }
    return undefined
  }

  async *#chunks(index: number): AsyncGenerator<Buffer, void, void> {
    const { address, name } = this.#replica
    for await (const { baseIndex, chunk } of this.#inspector.readBase(address, { shard: name })) {
      if (baseIndex !== 0 && baseIndex !== index) {
        throw new VarveError(
          'UNAVAILABLE',
          `retention moved on in ${name} at ${address} meanwhile: try again`,
        )
      }
      if (chunk.length > 0) yield chunk
    }
  }

  #checkFollows(record: LogRecord, last: LogRecord): void {
    if (record.firstIndex === last.lastIndex + 1 && record.previousHash.equals(last.hash)) return
    const { address, name } = this.#replica
    const text = `the record of index ${record.firstIndex} does not continue the one that ends at ${last.lastIndex}`
    throw new VarveError('DATA_LOSS', `${name} at ${address}: ${text}`)
  }
}

/** An entry that a process answered. Of its previous one it says the index alone: the slot in `previous` is always 0. */
export function entryOfMessage(message: WireEntry): Entry {
  const { position, operation, previous, ...rest } = message
  const { lamport = 0, wallMs = 0 } = position?.stamp ?? {}
  return {
    ...rest,
    index: position?.index ?? 0,
    epoch: position?.epoch ?? 0,
    stamp: { lamport, wallMs },
    operation: operation as number as Operation,
    previous: previous === 0 ? 0 : positionOf(previous, 0),
  }
}
