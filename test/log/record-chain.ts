import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { ExecutionContext } from 'ava'
import { Operation } from '../../src/log/entry.js'
import type { LogRecord } from '../../src/log/record-codec.js'
import { ZERO_CLIENT_ID, ZERO_HASH } from '../../src/log/record-layout.js'
import { RecordWriter } from '../../src/log/record-writer.js'

export const LOG_ID = '00112233445566778899aabbccddeeff'

/** Where the next record goes. */
export interface ChainEnd {
  readonly lastIndex: number
  readonly lastHash: Buffer
  readonly lastStamp: { readonly lamport: number; readonly wallMs: number }
}

export const EMPTY_END: ChainEnd = { lastIndex: 0, lastHash: ZERO_HASH, lastStamp: { lamport: 0, wallMs: 0 } }

export interface RecordOptions {
  readonly shard?: number
  readonly logId?: string
  readonly epoch?: number
  readonly count?: number
  readonly commitIndex?: number
  readonly firstIndex?: number
  readonly previousHash?: Buffer
  readonly lamport?: number
  readonly wallMs?: number
  readonly value?: Buffer | string
}

const writer = new RecordWriter()

/** A record of `count` SETs (default 1) that continues the given end, unless told otherwise. */
export function recordAfter(end: ChainEnd, options: RecordOptions = {}): LogRecord {
  const firstIndex = options.firstIndex ?? end.lastIndex + 1
  writer.begin({
    logId: options.logId ?? LOG_ID,
    shard: options.shard ?? 0,
    epoch: options.epoch ?? 1,
    firstIndex,
    lamport: options.lamport ?? end.lastStamp.lamport + 1,
    wallMs: options.wallMs ?? end.lastStamp.wallMs + 1,
    commitIndex: options.commitIndex ?? 0,
    previousHash: options.previousHash ?? end.lastHash,
  })
  const client = writer.client(ZERO_CLIENT_ID, '')
  for (let slot = 0; slot < (options.count ?? 1); slot++) {
    const key = Buffer.from(`key-${firstIndex + slot}`)
    const value = Buffer.from(options.value ?? `value-${firstIndex + slot}`)
    writer.add(Operation.SET, 0, key, 0, key.length, value, 0, value.length, 0, client, 0)
  }
  return writer.finish()
}

/** Where a log that ends with `record` ends. */
export function endOf(record: LogRecord): ChainEnd {
  const lastStamp = { lamport: record.lastLamport, wallMs: record.wallMs }
  return { lastIndex: record.lastIndex, lastHash: record.hash, lastStamp }
}

/** `lengths.length` records, one after the other, of so many entries each. */
export function chainOf(
  lengths: number[],
  options: RecordOptions = {},
  from: ChainEnd = EMPTY_END,
): LogRecord[] {
  let end = from
  return lengths.map(count => {
    const record = recordAfter(end, { ...options, count })
    end = endOf(record)
    return record
  })
}

/** A folder of the test's own, removed when it is over. */
export async function temporaryFolder(t: ExecutionContext<unknown>): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), 'varve-log-'))
  t.teardown(() => rm(dir, { recursive: true, force: true }))
  return dir
}

export async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = []
  for await (const item of items) all.push(item)
  return all
}
