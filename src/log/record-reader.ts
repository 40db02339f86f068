import { LogError } from './errors.js'
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
  log: { readonly shard: number; readonly lastIndex: number; readonly baseIndex: number },
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
    while (next <= Math.min(toIndex, log.lastIndex)) {
      reader.cutAt = Number.POSITIVE_INFINITY
      if (next <= log.baseIndex) throw outOfRetention(log.shard, next, log.baseIndex)
      const places = placesFrom(directory, next, toIndex, ahead)
      const records = await fetch(places).catch(error => {
        const isCut = reader.cutAt !== Number.POSITIVE_INFINITY || next <= log.baseIndex
        if (places.length <= 1 && !isCut) throw error
        // One of them is damaged, or was just cut or dropped: what is sound is delivered, one by one.
        return []
      })
      let sizeBytes = 0
      for (const record of records) {
        // A cut above what was read is none of our business; one below ends this, one between reads again.
        if (last !== undefined && reader.cutAt < last.lastIndex) return
        if (reader.cutAt < record.lastIndex) break
        if (last !== undefined && !record.previousHash.equals(last.hash))
          throw broken(log.shard, record.firstIndex)
        last = record
        next = record.lastIndex + 1
        sizeBytes += record.sizeBytes
        yield record
      }
      if (last !== undefined && reader.cutAt < last.lastIndex) return
      const perRecord = records.length > 0 ? sizeBytes / records.length : AHEAD_SIZE_BYTES
      ahead = Math.ceil(Math.min(AHEAD_SIZE_BYTES / perRecord, AHEAD_RECORDS_MAX))
    }
  } finally {
    readers.delete(reader)
  }
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
