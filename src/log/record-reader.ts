import { LogError } from './errors.js'
import type { Log } from './log.js'
import { outOfRetention } from './log-base.js'
import type { LogRecord } from './record-codec.js'
import type { RecordDirectory } from './record-directory.js'

/** A running `Log.records`: how the log tells it that what it is about to read was cut. */
export interface LogReader {
  /** The lowest cut since the reader last looked; infinite when there was none. */
  cutAt: number
}

/** Read at once ahead of the consumer: about this much, judged by the records just seen. */
const AHEAD_SIZE_BYTES = 1_048_576
const AHEAD_RECORDS_MAX = 1_024

/**
 * Reads a log in order, some records ahead, by plain lookups. No LevelDB iterator is open meanwhile: a slow reader
 * must not hold a snapshot, under which LevelDB 1.20 may lose keys that are deleted.
 */
export async function* readRecords(
  log: Pick<Log, 'shard' | 'lastIndex' | 'baseIndex' | 'base'>,
  directory: RecordDirectory,
  readers: Set<LogReader>,
  fetch: (places: number[]) => Promise<LogRecord[]>,
  fromIndex: number,
  toIndex: number,
): AsyncGenerator<LogRecord, void, undefined> {
  const reader: LogReader = { cutAt: Number.POSITIVE_INFINITY }
  readers.add(reader)
  try {
    let next = fromIndex
    let last: LogRecord | undefined
    let ahead = 8
    let early: Promise<LogRecord[]> | undefined
    while (next <= Math.min(toIndex, log.lastIndex)) {
      reader.cutAt = Number.POSITIVE_INFINITY
      if (next <= log.baseIndex) throw outOfRetention(log)
      const isFirst = last === undefined
      const places = early === undefined ? placesFrom(directory, next, toIndex, ahead) : []
      const records = await (early ?? fetch(places)).catch(error => {
        const isCut = reader.cutAt !== Number.POSITIVE_INFINITY || next <= log.baseIndex
        if (places.length === 1 && !isCut) throw error
        // One of them is damaged, or was just cut or dropped: what is sound is delivered, one by one.
        return []
      })
      early = undefined
      ahead = countAhead(records)
      // While these are looked at, the next are read: not for those who want a few records only.
      const following = (records.at(-1)?.lastIndex ?? Number.POSITIVE_INFINITY) + 1
      if (!isFirst && following <= Math.min(toIndex, log.lastIndex)) {
        early = fetch(placesFrom(directory, following, toIndex, ahead))
        early.catch(() => {})
      }
      for (const record of records) {
        // A cut above what was read is none of our business; one below ends this, one between reads again.
        if (last !== undefined && reader.cutAt < last.lastIndex) return
        if (reader.cutAt < record.lastIndex) break
        if (last !== undefined && !record.previousHash.equals(last.hash))
          throw broken(log.shard, record.firstIndex)
        last = record
        next = record.lastIndex + 1
        yield record
      }
      if (last !== undefined && reader.cutAt < last.lastIndex) return
      if (reader.cutAt !== Number.POSITIVE_INFINITY) early = undefined
    }
  } finally {
    readers.delete(reader)
  }
}

/** How many records to read next, judged by those just read; after a failure, one. */
function countAhead(records: readonly LogRecord[]): number {
  if (records.length === 0) return 1
  const sizeBytes = records.reduce((sum, record) => sum + record.sizeBytes, 0)
  return Math.ceil(Math.min((AHEAD_SIZE_BYTES * records.length) / sizeBytes, AHEAD_RECORDS_MAX))
}

function placesFrom(
  directory: RecordDirectory,
  fromIndex: number,
  toIndex: number,
  countMax: number,
): number[] {
  const places: number[] = []
  for (let place = directory.find(fromIndex); places.length < countMax && place < directory.length; place++) {
    if (directory.at(place) > toIndex) break
    places.push(place)
  }
  return places
}

function broken(shard: number, index: number): LogError {
  const text = `shard ${shard}, index ${index} is damaged: it does not continue the record before it`
  return new LogError('LOG_DAMAGED', text, { shard, index })
}
