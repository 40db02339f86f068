/** Where `varve log` reads from: the nodes of a running cluster. `offline-log.ts` is the other source. */

import type { Inspector } from '../src/client/inspector.js'
import type { ShardMap } from '../src/generated/varve/v1/cluster.js'
import { findShardMap, type GlobalOptions } from './connect.js'
import { badUsage } from './exit-codes.js'
import { type LogLine, lineOfMessage } from './log-line.js'

/** Entries of one record, or a part of one. */
export interface LogPart {
  readonly lines: readonly LogLine[]
  readonly recordBytes: number
}

/** Logs that can be read. */
export interface LogSource {
  /** Names of all shards, in the order of their ordinals. */
  readonly shards: readonly string[]
  /** Whose copy of a shard's log is read, for people. */
  origin(shard: string): string
  /** A shard's log from an index on, to another (0: its end), both inclusive. */
  read(shard: string, fromIndex: number, toIndex: number): AsyncIterable<LogPart>
  close(): Promise<void>
}

/** What the log commands have in common. */
export interface LogOptions extends GlobalOptions {
  readonly shard?: string
  readonly from?: string
  readonly to?: string
  readonly data?: string
  readonly replica?: string
}

/** The source that the options name. */
export async function openLogSource(options: LogOptions): Promise<LogSource> {
  if (options.data !== undefined) {
    const { openOfflineLog } = await import('./offline-log.js')
    return openOfflineLog(options.data, options.replica, options.shard)
  }
  const { Inspector } = await import('../src/client/inspector.js')
  const inspector = new Inspector({ timeoutMs: options.timeout })
  try {
    return new OnlineLog(inspector, await findShardMap(inspector, options.endpoints), options.replica)
  } catch (error) {
    inspector.close()
    throw error
  }
}

/** Entries of a log in order, one by one. */
export async function* linesIn(parts: AsyncIterable<LogPart>): AsyncGenerator<LogLine> {
  for await (const part of parts) yield* part.lines
}

class OnlineLog implements LogSource {
  readonly shards: readonly string[]
  readonly #inspector: Inspector
  readonly #map: ShardMap
  readonly #replica: string | undefined

  constructor(inspector: Inspector, map: ShardMap, replica: string | undefined) {
    this.#inspector = inspector
    this.#map = map
    this.#replica = replica
    this.shards = map.shards.map(shard => shard.name)
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

  async *read(shard: string, fromIndex: number, toIndex: number): AsyncGenerator<LogPart> {
    for await (const part of this.#inspector.readLog(this.origin(shard), { shard, fromIndex, toIndex })) {
      yield { lines: part.entries.map(lineOfMessage), recordBytes: part.recordBytes }
    }
  }

  async close(): Promise<void> {
    this.#inspector.close()
  }
}
