/**
 * A base as bytes, in frames (`frames.ts`). It stands for all of a log up to an index (Storage rules):
 *
 * HEADER    where it stands, and what is kept in it (`base-header.ts`)
 * ENTRIES   each key's newest entry, deleted keys too; all entries of keys that are kept for longer; and stubs of those
 *           that the request table refers to; ascending (`base-rows.ts`)
 * CLIENTS   the request table (`client-rows.ts`)
 * DIRECTORY of each frame of entries: index of its first f64, offset of the frame f64
 * END       entries f64, keys f64, clients f64, offset of the first DIRECTORY frame f64
 *
 * Deleted keys stay because what comes after the base may name their DELETE as previous, and because replicas with and
 * without a base compare digests of all keys.
 */
import { Operation, positionOf } from '../log/entry.js'
import type { Log } from '../log/log.js'
import type { LogBase } from '../log/log-base.js'
import type { BaseEntries } from './base-entries.js'
import { putHeader } from './base-header.js'
import { BaseRow, BaseRowWriter } from './base-rows.js'
import { clientFrames } from './client-rows.js'
import { type CommittedRequests, rememberedPairs } from './committed-requests.js'
import { FRAME_HEADER_SIZE_BYTES, FrameWriter } from './frames.js'
import { findKept } from './kept-entries.js'
import type { PrefixHorizon } from './kept-prefixes.js'
import { RequestTable, type RequestTableLimits } from './request-table.js'
import type { CommittedState } from './shard-projection.js'

export const BaseKind = { HEADER: 1, ENTRIES: 2, CLIENTS: 3, DIRECTORY: 4, END: 5 } as const

const END_PAYLOAD_SIZE_BYTES = 32
export const END_FRAME_SIZE_BYTES: number = FRAME_HEADER_SIZE_BYTES + END_PAYLOAD_SIZE_BYTES
/** Entries are read by the frame, so a frame is small; 1 GiB of them makes a directory of 1 MiB. */
const ENTRIES_SIZE_BYTES_TARGET = 16_384
const FRAME_SIZE_BYTES_TARGET = 131_072
/** Records, or frames of the base before, looked at between two pauses. */
const SLICE_ITEMS = 8

/** What a base is made from. */
export interface BaseSource {
  readonly log: Log
  /** The base that the log is kept from now. */
  readonly before: BaseEntries | undefined
  /** The committed state at the new base's index. */
  readonly state: CommittedState
  readonly requestLimits: Partial<RequestTableLimits>
  /** Keys of which everything from these horizons on is kept, which lie below the new base. */
  readonly kept: readonly PrefixHorizon[]
  readonly pause: () => Promise<void>
}

/** What the end of a base says. */
export interface BaseEnd {
  readonly entries: number
  readonly keys: number
  readonly clients: number
  readonly directoryAt: number
}

/**
 * The base's frames, made one by one as they are taken, each valid until the next. Reads the base before and the log up
 * to `base.index` once, in order. The log must not be trimmed meanwhile; it may grow.
 * @throws LogError LOG_DAMAGED, LOG_IO
 */
export async function* encodeBase(base: LogBase, source: BaseSource): AsyncGenerator<Buffer> {
  const { state, log } = source
  const requests = settledRequests(state.requests)
  let offset = 0
  const counted = (frame: Buffer) => {
    offset += frame.length
    return frame
  }
  const frame = new FrameWriter(FRAME_SIZE_BYTES_TARGET)
  putHeader(frame, { shard: log.shard, base, floor: state.requests.floor, kept: source.kept })
  yield counted(frame.finish(BaseKind.HEADER))
  const rows = new BaseRowWriter(new FrameWriter(ENTRIES_SIZE_BYTES_TARGET))
  const directory: number[] = []
  for await (const _ of fillFrames(base, source, requests, rows)) {
    directory.push(rows.firstIndex, offset)
    yield counted(rows.finish(BaseKind.ENTRIES))
  }
  if (!rows.isEmpty) {
    directory.push(rows.firstIndex, offset)
    yield counted(rows.finish(BaseKind.ENTRIES))
  }
  for (const each of clientFrames(requests, frame, BaseKind.CLIENTS)) yield counted(each)
  const directoryAt = offset
  for (let i = 0; i < directory.length; i += 2) {
    const at = frame.take(16)
    frame.bytes.writeDoubleLE(directory[i]!, at)
    frame.bytes.writeDoubleLE(directory[i + 1]!, at + 8)
    if (frame.isFull) yield counted(frame.finish(BaseKind.DIRECTORY))
  }
  yield counted(frame.finish(BaseKind.DIRECTORY))
  const at = frame.take(END_PAYLOAD_SIZE_BYTES)
  const numbers = [rows.count, state.keys.keyCount, state.requests.clients.length, directoryAt]
  numbers.forEach((number, i) => {
    frame.bytes.writeDoubleLE(number, at + 8 * i)
  })
  yield frame.finish(BaseKind.END)
}

/** Adds all entries that a base needs; yields whenever a frame is full, which must then be finished. */
async function* fillFrames(
  base: LogBase,
  source: BaseSource,
  requests: CommittedRequests,
  rows: BaseRowWriter,
): AsyncGenerator<void> {
  const { state, log, before, pause } = source
  const table = new RequestTable(source.requestLimits)
  table.restore(requests)
  const isNewest = (bytes: Buffer, start: number, length: number, position: number) => {
    return Math.abs(state.keys.positionOf(bytes, start, length)) === position
  }
  const kept = await findKept(base.index, source)
  let sincePause = 0
  const row = new BaseRow()
  for (const payload of before?.payloads() ?? []) {
    for (let more = row.first(payload); more; more = row.next()) {
      const { position } = row
      const isKept = kept?.take(payload, row.keyStart, row.keyLength, position, row.flags) === true
      const isFull = !row.isStub && (isKept || isNewest(payload, row.keyStart, row.keyLength, position))
      const isNeeded = isFull || kept?.endsBatch === true
      if (!isNeeded && !isRequested(table, row.clientId, row.sequence, row.index)) continue
      rows.addRow(row, !isFull)
      if (rows.isFull) yield
    }
    if (++sincePause % SLICE_ITEMS === 0) await pause()
  }
  for await (const record of log.records(log.baseIndex + 1, base.index)) {
    const { bytes, firstIndex, count } = record
    for (let slot = 0; slot < count; slot++) {
      const position = positionOf(firstIndex + slot, slot)
      const operation = record.operation(slot)
      const hasKey = operation === Operation.SET || operation === Operation.DELETE
      const keyStart = record.keyStart(slot)
      const keyLength = record.keyLength(slot)
      const isKept = kept?.take(bytes, keyStart, keyLength, position, record.flags(slot)) === true
      const isFull = hasKey && (isKept || isNewest(bytes, keyStart, keyLength, position))
      const isNeeded = isFull || kept?.endsBatch === true
      const sequence = isNeeded ? 0 : record.sequence(slot)
      if (!isNeeded && sequence === 0) continue
      if (!isNeeded && !isRequested(table, record.clientId(record.client(slot)), sequence, firstIndex + slot))
        continue
      rows.addEntry(record, slot, position, !isFull)
      if (rows.isFull) yield
    }
    if (++sincePause % SLICE_ITEMS === 0) await pause()
  }
}

/** The captured requests in one order, so that all replicas make the same bytes of them. */
function settledRequests(requests: CommittedRequests): CommittedRequests {
  const clients = requests.clients.map(client => {
    const pairs = rememberedPairs(requests, client)
    const order = Array.from({ length: pairs.length / 2 }, (_, i) => 2 * i).sort(
      (a, b) => pairs[a]! - pairs[b]!,
    )
    return {
      ...client,
      pairs: Float64Array.from(order.flatMap(at => [pairs[at]!, pairs[at + 1]!])),
      covered: [],
    }
  })
  return { ...requests, clients }
}

/** Whether the entry at `index` is what the request table answers this request with. */
function isRequested(table: RequestTable, clientId: Buffer, sequence: number, index: number): boolean {
  return sequence !== 0 && table.lookup(clientId, sequence) === index
}

export function readEnd(payload: Buffer): BaseEnd {
  const [entries, keys, clients, directoryAt] = [0, 8, 16, 24].map(at => payload.readDoubleLE(at)) as [
    number,
    number,
    number,
    number,
  ]
  return { entries, keys, clients, directoryAt }
}
