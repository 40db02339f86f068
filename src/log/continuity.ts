/** What must hold for a record to stand where it is said to stand. Asserted at every append and every read. */
import { LogError } from './errors.js'
import type { LogRecord } from './record-codec.js'

/** The end of a log, and its identity ('' where it has none yet). */
export interface LogEnd {
  readonly shard: number
  readonly logId: string
  readonly lastIndex: number
  readonly lastHash: Buffer
  readonly lastEpoch: number
  readonly lastLamport: number
  readonly lastWallMs: number
}

/** @throws LogError LOG_FOREIGN, LOG_GAP when the record is not what comes next */
export function checkContinues(record: LogRecord, end: LogEnd): void {
  const { shard } = end
  const index = record.firstIndex
  const fail = (what: string) => new LogError('LOG_GAP', `shard ${shard}: ${what}`, { shard, index })
  if (record.shard !== shard || (record.logId !== end.logId && end.logId !== '')) {
    const given = `a record of shard ${record.shard}, log ${record.logId}`
    throw new LogError('LOG_FOREIGN', `${given}, appended to shard ${shard}, log ${end.logId}`, {
      shard,
      index,
    })
  }
  if (index !== end.lastIndex + 1) throw fail(`record of index ${index}, expected ${end.lastIndex + 1}`)
  if (!record.previousHash.equals(end.lastHash)) {
    throw fail(`record of index ${index} continues another log: its previous hash differs`)
  }
  if (record.epoch < end.lastEpoch) throw fail(`record of epoch ${record.epoch} after epoch ${end.lastEpoch}`)
  if (record.lamport <= end.lastLamport || record.wallMs < end.lastWallMs) {
    const given = `stamp (${record.lamport}, ${record.wallMs})`
    throw fail(`${given} is not above the last (${end.lastLamport}, ${end.lastWallMs})`)
  }
}

/** Where a record is expected. */
export interface RecordPlace {
  readonly shard: number
  readonly epoch: number
  readonly firstIndex: number
  readonly lastIndex: number
}

/**
 * A record can be whole and still be the wrong one, or end too early because the next is missing.
 * @throws LogError LOG_DAMAGED
 */
export function checkPlace(record: LogRecord | undefined, place: RecordPlace): LogRecord {
  const { shard, epoch, firstIndex, lastIndex } = place
  if (record?.firstIndex === firstIndex && record.lastIndex === lastIndex) {
    if (record.shard === shard && record.epoch === epoch) return record
  }
  const found = record === undefined ? 'nothing' : `indexes ${record.firstIndex} to ${record.lastIndex}`
  const text = `shard ${shard}, index ${firstIndex} is damaged: expected indexes to ${lastIndex}, found ${found}`
  throw new LogError('LOG_DAMAGED', text, { shard, index: firstIndex })
}
