/** A replica's log as it is stored: whole records, and the base that it is kept from. For whoever checks them. */
import { VarveError } from '../client/errors.js'
import type {
  ReadBaseResponse,
  ReadRecordsRequest,
  ReadRecordsResponse,
} from '../generated/varve/v1/cluster.js'
import type { BlobStore } from '../log/blob-store.js'
import type { Log } from '../log/log.js'
import { baseContentOf } from '../replication/base-blob.js'
import { pastError } from './past-errors.js'

/** A message of records is closed at about this size; one larger record may exceed it. */
const RECORDS_SIZE_BYTES_TARGET = 1_048_576
const BASE_CHUNK_SIZE_BYTES = 262_144

export interface RecordStreamsOptions {
  readonly name: string
  readonly log: Log
  readonly blobs: BlobStore
  readonly commitIndex: () => number
}

/** Records in order, as stored; at least one message, so that even of an empty log its reader learns what is committed. */
export async function* readRecords(
  { name, log, commitIndex }: RecordStreamsOptions,
  request: ReadRecordsRequest,
  signal: AbortSignal,
): AsyncGenerator<ReadRecordsResponse, void, void> {
  const from = request.fromIndex === 0 ? log.baseIndex + 1 : request.fromIndex
  const to = request.toIndex === 0 ? log.lastIndex : Math.min(request.toIndex, log.lastIndex)
  let records: Buffer[] = []
  let sizeBytes = 0
  const take = () => {
    const taken = records
    records = []
    sizeBytes = 0
    return { records: taken, commitIndex: commitIndex() }
  }
  try {
    if (from <= log.baseIndex) throw { code: 'LOG_OUT_OF_RETENTION' }
    if (from <= to) {
      for await (const record of log.records(from, to)) {
        if (signal.aborted) return
        records.push(record.bytes)
        sizeBytes += record.sizeBytes
        if (sizeBytes >= RECORDS_SIZE_BYTES_TARGET) yield take()
      }
    }
  } catch (error) {
    throw pastError(name, log, error)
  }
  yield take()
}

/** The base's blob in pieces; index 0 and nothing else where the log is kept from its beginning. */
export async function* readBase(
  { name, log, blobs }: RecordStreamsOptions,
  signal: AbortSignal,
): AsyncGenerator<ReadBaseResponse, void, void> {
  const content = baseContentOf(log, blobs)
  if (content === undefined) {
    yield { baseIndex: 0, hash: Buffer.alloc(0), sizeBytes: 0, chunk: Buffer.alloc(0) }
    return
  }
  const { index, hash, totalBytes, read } = content
  for (let offset = 0; offset < totalBytes && !signal.aborted; ) {
    const chunk = read(offset, BASE_CHUNK_SIZE_BYTES)
    if (chunk === undefined) {
      throw new VarveError('UNAVAILABLE', `${name}: a newer base took the place of this one: ask again`)
    }
    offset += chunk.length
    yield { baseIndex: index, hash, sizeBytes: totalBytes, chunk }
  }
}
