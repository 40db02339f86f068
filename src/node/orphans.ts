/**
 * The orphans of one replica: entries on its disk that were cut off its log (Following). They are read record by
 * record, and a record that is large goes out in several messages.
 */
import { VarveError } from '../client/errors.js'
import type { ReadOrphansResponse } from '../generated/varve/v1/cluster.js'
import type { Entry as EntryMessage } from '../generated/varve/v1/entry.js'
import type { Log } from '../log/log.js'
import { entryMessage } from './entry-message.js'

/** A message ends at about so many bytes of entries; one large entry may exceed it. */
const MESSAGE_SIZE_BYTES_TARGET = 1_048_576
/** What an entry takes in a message beside its key and value, about. */
const ENTRY_OVERHEAD_BYTES = 128
/** A reader that takes nothing for so long is sent away: an iterator of the database is open as long as it reads. */
export const READER_IDLE_MS_MAX = 30_000

/** Orphans are committed nowhere. */
const NOTHING_COMMITTED = 0

/**
 * Entries that were cut off this log, by epoch and index; their positions carry the epoch that they were cut off from.
 * Throws `VarveError` DEADLINE_EXCEEDED where the reader stands still, and what the log throws (LOG_DAMAGED, LOG_IO).
 */
export async function* readOrphans(
  shard: string,
  log: Log,
  signal: AbortSignal,
  idleMsMax = READER_IDLE_MS_MAX,
): AsyncGenerator<ReadOrphansResponse, void, void> {
  const records = log.orphans()[Symbol.asyncIterator]()
  let isExpired = false
  const expire = () => {
    isExpired = true
    void records.return?.().catch(() => {})
  }
  try {
    for (let next = await records.next(); !next.done; next = await records.next()) {
      const record = next.value
      const entries = Array.from({ length: record.count }, (_, slot) =>
        entryMessage(shard, record.entry(slot), NOTHING_COMMITTED),
      )
      for (const part of inParts(entries)) {
        const timer = setTimeout(expire, idleMsMax).unref()
        try {
          yield { entries: part }
        } finally {
          clearTimeout(timer)
        }
        if (signal.aborted) return
        if (isExpired) throw new VarveError('DEADLINE_EXCEEDED', `nobody took an orphan for ${idleMsMax} ms`)
      }
    }
  } finally {
    await records.return?.()
  }
}

function* inParts(entries: readonly EntryMessage[]): Generator<EntryMessage[]> {
  let part: EntryMessage[] = []
  let sizeBytes = 0
  for (const entry of entries) {
    const entryBytes = entry.key.length + entry.value.length + ENTRY_OVERHEAD_BYTES
    if (part.length > 0 && sizeBytes + entryBytes > MESSAGE_SIZE_BYTES_TARGET) {
      yield part
      part = []
      sizeBytes = 0
    }
    part.push(entry)
    sizeBytes += entryBytes
  }
  if (part.length > 0) yield part
}
