/** Records and logs for tests of replication. */
import { Operation } from '../../../src/log/entry.js'
import type { Log } from '../../../src/log/log.js'
import type { LogRecord } from '../../../src/log/record-codec.js'
import { RecordWriter } from '../../../src/log/record-writer.js'

export const LOG_ID = 'a'.repeat(32)

const NOTHING = Buffer.alloc(0)
const writer = new RecordWriter()

/** A record that continues `log`, with `count` NOOPs of this epoch and a value of `sizeBytes` in each. */
export function nextRecord(log: Log, epoch: number, count = 1, sizeBytes = 0): LogRecord {
  writer.begin({
    logId: LOG_ID,
    shard: log.shard,
    epoch,
    firstIndex: log.lastIndex + 1,
    lamport: log.lastStamp.lamport + 1,
    wallMs: log.lastStamp.wallMs,
    commitIndex: 0,
    previousHash: log.lastHash,
  })
  const client = writer.client(Buffer.alloc(16), '')
  const value = Buffer.alloc(sizeBytes)
  for (let slot = 0; slot < count; slot += 1) {
    writer.add(Operation.NOOP, 0, NOTHING, 0, 0, value, 0, sizeBytes, 0, client, 0)
  }
  return writer.finish()
}

/** The hashes of a log's records, in order, each with the index where it ends. */
export function recordEnds(log: Log): { index: number; hash: Buffer }[] {
  const ends: { index: number; hash: Buffer }[] = []
  for (let index = 1; index <= log.lastIndex; ) {
    const record = log.recordAt(index)!
    ends.push({ index: record.lastIndex, hash: record.hash })
    index = record.lastIndex + 1
  }
  return ends
}
