/** The past of a running cluster, as its client reads it. */

import { Inspector } from '../../src/client/inspector.js'
import { shardOfKey } from '../../src/client/shard-of-key.js'
import type { TimeAddress } from '../../src/client/time-address.js'
import { horizonText } from '../../src/log/horizon.js'
import { type BytesClient, type GlobalOptions, openClient } from '../connect.js'
import type { LogLine } from '../log-line.js'
import { gatherOrphans, type SilentNode } from '../orphan-source.js'
import { keyOrphansOf } from './key-orphans.js'
import { lineOf, resolveOnline } from './online-moment.js'
import {
  cutOf,
  type KeyOrphan,
  type KeyRange,
  type PastDifference,
  type PastHistoryOptions,
  type PastMoment,
  type PastSource,
  type PastTag,
  type PastValue,
} from './past-source.js'

/** Connects as the options say. */
export async function openOnlinePast(options: GlobalOptions): Promise<PastSource> {
  return new OnlinePast(await openClient(options), options.timeout)
}

class OnlinePast implements PastSource {
  readonly shards: readonly string[]
  readonly missing: readonly string[] = []
  readonly #client: BytesClient
  readonly #timeoutMs: number

  constructor(client: BytesClient, timeoutMs: number) {
    this.#client = client
    this.#timeoutMs = timeoutMs
    this.shards = client.shardMap().shards.map(({ name }) => name)
  }

  shardsOf(key: Buffer): readonly string[] {
    return [this.shards[shardOfKey(key, this.shards.length)]!]
  }

  resolve(address: TimeAddress, option: string, shards?: readonly string[]): Promise<PastMoment> {
    return resolveOnline(this.#client, address, option, shards)
  }

  get(key: Buffer, at: PastMoment): Promise<PastValue> {
    return this.#client.getEntry(key, { at })
  }

  async *scan(at: PastMoment, range: KeyRange, reverse = false): AsyncGenerator<LogLine> {
    for await (const { value, ...item } of this.#client.scan({ ...boundsOf(range), at, reverse })) {
      yield { ...NOTHING_MORE, ...item, operation: 'set', value: value ?? NO_BYTES }
    }
  }

  async *history(key: Buffer, at: PastMoment, options: PastHistoryOptions = {}): AsyncGenerator<LogLine> {
    const { limit, tentative = false, onDropped } = options
    const asked = tentative ? { tentative } : { at, limit }
    const entries = this.#client.history(key, asked)
    for await (const entry of entries) {
      // What was committed since is of a later moment; what is not committed yet is of none.
      if (!entry.committed || entry.index <= cutOf(at, entry.shard).index) yield lineOf(entry)
    }
    const { horizon } = entries
    const [shard = ''] = this.shardsOf(key)
    if (horizon !== undefined) onDropped?.(horizonText(shard, { ...horizon, stamp: horizon }))
  }

  async orphans(key: Buffer): Promise<{ orphans: readonly KeyOrphan[]; silent: readonly SilentNode[] }> {
    const inspector = new Inspector({ timeoutMs: this.#timeoutMs })
    try {
      const all = { firstIndex: 1, lastIndex: Number.MAX_SAFE_INTEGER }
      const selection = { ...all, shards: this.shardsOf(key), key }
      const { shards, silent } = await gatherOrphans(inspector, this.#client.shardMap(), selection)
      return { orphans: keyOrphansOf(shards.flatMap(({ orphans }) => orphans)), silent }
    } finally {
      inspector.close()
    }
  }

  async *diff(from: PastMoment, to: PastMoment, range: KeyRange): AsyncGenerator<PastDifference> {
    for await (const { key, before, after } of this.#client.diff({ ...boundsOf(range), from, to })) {
      yield { key, before: before && lineOf(before), after: after && lineOf(after) }
    }
  }

  async *blame(at: PastMoment, range: KeyRange): AsyncGenerator<LogLine> {
    for await (const entry of this.#client.blame({ ...boundsOf(range), at })) yield lineOf(entry)
  }

  tags(): Promise<readonly PastTag[]> {
    return this.#client.tags()
  }

  close(): Promise<void> {
    return this.#client.close()
  }
}

const NO_BYTES = Buffer.alloc(0)

/** What a scan does not tell of an entry. */
const NOTHING_MORE = {
  previous: 0,
  clientId: NO_BYTES,
  sequence: 0,
  actor: '',
  batchContinues: false,
  refused: false,
  record: 0,
}

function boundsOf({ start, end }: KeyRange): { start?: Buffer; end?: Buffer } {
  return { ...(start.length === 0 ? {} : { start }), ...(end.length === 0 ? {} : { end }) }
}
