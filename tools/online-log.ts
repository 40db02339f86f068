/** Logs of a running cluster, asked of its nodes: `log-source.ts` says what for. */

import type { Inspector } from '../src/client/inspector.js'
import type { ReadBaseResponse, ShardMap } from '../src/generated/varve/v1/cluster.js'
import { LogError } from '../src/log/errors.js'
import type { LogBase } from '../src/log/log-base.js'
import { LogRecord } from '../src/log/record-codec.js'
import { ZERO_HASH } from '../src/log/record-layout.js'
import { findShardMap, type GlobalOptions } from './connect.js'
import { badUsage, unavailable } from './exit-codes.js'
import { type LogLine, lineOfMessage } from './log-line.js'
import type { LogInfo, LogSource } from './log-source.js'

/** The logs of the cluster that the options name: the heads' copies, or those of `replica`. */
export async function openOnlineLog(options: GlobalOptions, replica: string | undefined): Promise<LogSource> {
  const { Inspector } = await import('../src/client/inspector.js')
  const inspector = new Inspector({ timeoutMs: options.timeout })
  try {
    return new OnlineLog(inspector, await findShardMap(inspector, options.endpoints), replica)
  } catch (error) {
    inspector.close()
    throw error
  }
}

/** A base, as its beginning and its size tell. */
interface KnownBase {
  readonly base: LogBase | undefined
  readonly sizeBytes: number
}

const NO_BASE: KnownBase = { base: undefined, sizeBytes: 0 }

class OnlineLog implements LogSource {
  readonly shards: readonly string[]
  readonly isLive = true
  readonly #inspector: Inspector
  readonly #map: ShardMap
  readonly #replica: string | undefined
  readonly #commitIndexes = new Map<string, number>()
  readonly #bases = new Map<string, KnownBase>()

  constructor(inspector: Inspector, map: ShardMap, replica: string | undefined) {
    this.#inspector = inspector
    this.#map = map
    this.#replica = replica
    this.shards = map.shards.map(shard => shard.name)
  }

  ordinal(shard: string): number {
    const found = this.#map.shards.find(each => each.name === shard)
    if (found === undefined)
      throw badUsage(`shard "${shard}" given, the cluster has ${this.shards.join(', ')}`)
    return found.ordinal
  }

  /** The head's copy, unless another replica is asked for. */
  origin(shard: string): string {
    const found = this.#map.shards.find(each => each.name === shard)
    const address = this.#replica ?? found?.head ?? ''
    const members = found?.members.map(member => member.address) ?? []
    if (address === '') throw badUsage(`${shard} has no head now: say with --replica whose copy to read`)
    if (this.#replica !== undefined && !members.includes(address)) {
      throw badUsage(`--replica: ${address} holds no replica of ${shard}, which is at ${members.join(', ')}`)
    }
    return address
  }

  async logInfo(shard: string): Promise<LogInfo> {
    const address = this.origin(shard)
    const { replicas } = await this.#inspector.nodeStatus(address)
    const replica = replicas.find(each => each.shard === shard)
    if (replica === undefined) throw unavailable(`${address} holds no replica of ${shard} now: try again`)
    const { logId, baseIndex, lastIndex, commitIndex } = replica
    this.#noteCommitted(shard, commitIndex)
    const { base, sizeBytes } = (baseIndex === 0 ? undefined : await this.#base(shard, baseIndex)) ?? NO_BASE
    const ofBase = { baseIndex: base?.index ?? 0, base, baseSizeBytes: sizeBytes }
    return { logId, ...ofBase, lastIndex, commitIndex, epochs: undefined }
  }

  async commitIndex(shard: string): Promise<number> {
    return this.#commitIndexes.get(shard) ?? (await this.logInfo(shard)).commitIndex
  }

  async *records(shard: string, fromIndex: number, toIndex: number): AsyncGenerator<LogRecord> {
    const address = this.origin(shard)
    const arrival = new Arrival(address, shard, this.ordinal(shard))
    for await (const part of this.#inspector.readRecords(address, { shard, fromIndex, toIndex })) {
      this.#noteCommitted(shard, part.commitIndex)
      for (const bytes of part.records) yield arrival.take(bytes)
    }
  }

  async *orphans(shard: string): AsyncGenerator<LogLine> {
    for await (const { entries } of this.#inspector.readOrphans(this.origin(shard), { shard })) {
      for (const entry of entries) yield lineOfMessage(entry)
    }
  }

  async baseBlob(shard: string): Promise<AsyncIterable<Buffer> | undefined> {
    const parts = this.#inspector.readBase(this.origin(shard), { shard })
    const first = await parts.next()
    if (first.done || first.value.baseIndex === 0) {
      await parts.return(undefined)
      return undefined
    }
    return chunksOf(first.value, parts)
  }

  async close(): Promise<void> {
    this.#inspector.close()
  }

  #noteCommitted(shard: string, commitIndex: number): void {
    this.#commitIndexes.set(shard, Math.max(commitIndex, this.#commitIndexes.get(shard) ?? 0))
  }

  /** What the base says of itself, at its beginning. It is read once, as long as it stays the same. */
  async #base(shard: string, index: number): Promise<KnownBase | undefined> {
    const known = this.#bases.get(shard)
    if (known?.base?.index === index) return known
    const parts = this.#inspector.readBase(this.origin(shard), { shard })
    const first = (await parts.next()).value as ReadBaseResponse | undefined
    if (first === undefined || first.baseIndex === 0) return undefined
    const { readBaseHeader } = await import('../src/projection/replay-source.js')
    const name = { index: first.baseIndex, hash: first.hash }
    const base = await readBaseHeader(this.ordinal(shard), { name, chunks: () => chunksOf(first, parts) })
    const found = { base, sizeBytes: first.sizeBytes }
    this.#bases.set(shard, found)
    return found
  }
}

async function* chunksOf(
  first: ReadBaseResponse,
  rest: AsyncGenerator<ReadBaseResponse>,
): AsyncGenerator<Buffer> {
  try {
    if (first.chunk.length > 0) yield first.chunk
    for await (const { chunk } of rest) if (chunk.length > 0) yield chunk
  } finally {
    await rest.return(undefined)
  }
}

/** Whether what arrives is what the node's log holds: each record whole, and continuing the one before. */
class Arrival {
  readonly #address: string
  readonly #shard: string
  readonly #ordinal: number
  #last: LogRecord | undefined

  constructor(address: string, shard: string, ordinal: number) {
    this.#address = address
    this.#shard = shard
    this.#ordinal = ordinal
  }

  take(bytes: Buffer): LogRecord {
    const record = LogRecord.decode(bytes, `a record of ${this.#shard} from ${this.#address}`)
    const last = this.#last
    const continues =
      last === undefined
        ? record.firstIndex !== 1 || record.previousHash.equals(ZERO_HASH)
        : record.firstIndex === last.lastIndex + 1 && record.previousHash.equals(last.hash)
    this.#last = record
    if (continues && record.shard === this.#ordinal) return record
    const where = `${this.#shard}, index ${record.firstIndex}`
    const text = `${where}: ${this.#address} sent a record that does not continue the one before`
    throw new LogError('LOG_DAMAGED', text, { shard: this.#ordinal, index: record.firstIndex })
  }
}
