import { crc32 } from 'node:zlib'
import { EntryFlag, Limits, Operation } from './entry.js'
import {
  ClientAt,
  COVERED_FROM,
  EntryAt,
  EPOCH_MAX,
  FORMAT_VERSION,
  HEADER_SIZE_BYTES,
  HeaderAt,
  INDEX_MAX,
  MAGIC,
  OFFSET_SIZE_BYTES,
} from './record-layout.js'

const FLAGS_KNOWN = EntryFlag.BATCH_CONTINUES | EntryFlag.REFUSED

/** Why bytes are not a record. */
export interface RecordProblem {
  /** A record, but of a format version that is not known here. */
  readonly newer?: boolean
  readonly text: string
}

/** All that can be checked on one record alone; undefined when it is sound. `view` views `bytes`. */
export function findProblem(bytes: Buffer, view: DataView): RecordProblem | undefined {
  return checkFrame(bytes, view) ?? checkHeader(view) ?? checkBody(bytes, view)
}

/** Magic, version, size and CRC: are these the bytes that somebody wrote as a record? */
export function checkFrame(bytes: Buffer, view: DataView): RecordProblem | undefined {
  if (bytes.length < HEADER_SIZE_BYTES) return { text: `${bytes.length} bytes are too few for a record` }
  if (view.getUint32(HeaderAt.magic, true) !== MAGIC) return { text: 'it does not begin as a record does' }
  const size = view.getUint32(HeaderAt.sizeBytes, true)
  const version = view.getUint8(HeaderAt.version)
  const crc = view.getUint32(HeaderAt.crc, true)
  const crcIsGood = crc32(bytes.subarray(COVERED_FROM)) === crc
  // Version before size: a newer format may lay out everything behind the version anew, but not the CRC.
  if (crcIsGood && version > FORMAT_VERSION) {
    const text = `written in format version ${version}, this software reads up to ${FORMAT_VERSION}: upgrade it`
    return { newer: true, text }
  }
  if (size !== bytes.length) return { text: `it says ${size} bytes, there are ${bytes.length}` }
  if (!crcIsGood) return { text: 'its CRC does not match its bytes' }
  if (version !== FORMAT_VERSION) return { text: `format version ${version} never existed` }
  return undefined
}

function isWhole(value: number, min: number, max: number): boolean {
  return value >= min && value <= max && Math.floor(value) === value
}

/** Each header field is in its range. */
function checkHeader(view: DataView): RecordProblem | undefined {
  const count = view.getUint16(HeaderAt.count, true)
  if (count < 1 || count > Limits.recordEntriesMax) return { text: `${count} entries` }
  const first = view.getFloat64(HeaderAt.firstIndex, true)
  if (!isWhole(first, 1, INDEX_MAX - count)) return { text: `first index ${first}` }
  const epoch = view.getFloat64(HeaderAt.epoch, true)
  if (!isWhole(epoch, 1, EPOCH_MAX)) return { text: `epoch ${epoch}` }
  const lamport = view.getFloat64(HeaderAt.lamport, true)
  if (!isWhole(lamport, 1, Number.MAX_SAFE_INTEGER - count)) return { text: `Lamport time ${lamport}` }
  const wallMs = view.getFloat64(HeaderAt.wallMs, true)
  if (!isWhole(wallMs, 0, Number.MAX_SAFE_INTEGER)) return { text: `wall time ${wallMs}` }
  const commitIndex = view.getFloat64(HeaderAt.commitIndex, true)
  if (!isWhole(commitIndex, 0, first - 1))
    return { text: `commit index ${commitIndex} before index ${first}` }
  if (view.getUint8(HeaderAt.reserved) !== 0 || view.getUint32(HeaderAt.reserved2, true) !== 0) {
    return { text: 'reserved bytes of the header are not zero' }
  }
  return undefined
}

/** Entries, client table and offset tables fill the record exactly, and each entry's fields are in their ranges. */
function checkBody(bytes: Buffer, view: DataView): RecordProblem | undefined {
  const count = view.getUint16(HeaderAt.count, true)
  const clientCount = view.getUint16(HeaderAt.clientCount, true)
  if (clientCount < 1 || clientCount > Limits.recordEntriesMax) return { text: `${clientCount} clients` }
  const clients = view.getUint32(HeaderAt.clients, true)
  const offsets = view.getUint32(HeaderAt.offsets, true)
  if (offsets + (count + clientCount) * OFFSET_SIZE_BYTES !== bytes.length || clients > offsets) {
    return { text: 'its tables do not fill it' }
  }
  const first = view.getFloat64(HeaderAt.firstIndex, true)
  return checkEntries(view, first, count, clientCount) ?? checkClients(view, count, clientCount)
}

function checkEntries(
  view: DataView,
  first: number,
  count: number,
  clientCount: number,
): RecordProblem | undefined {
  const clients = view.getUint32(HeaderAt.clients, true)
  const offsets = view.getUint32(HeaderAt.offsets, true)
  let at = HEADER_SIZE_BYTES
  let flags = 0
  for (let slot = 0; slot < count; slot++) {
    if (view.getUint32(offsets + slot * OFFSET_SIZE_BYTES, true) !== at || at + EntryAt.key > clients) {
      return { text: `entry ${slot} is not where its offset says` }
    }
    const operation = view.getUint8(at + EntryAt.operation)
    if (operation < Operation.SET || operation > Operation.NOOP) {
      return { text: `entry ${slot} has operation ${operation}` }
    }
    flags = view.getUint8(at + EntryAt.flags)
    if ((flags & ~FLAGS_KNOWN) !== 0 || view.getUint16(at + EntryAt.reserved, true) !== 0) {
      return { text: `entry ${slot} has flags ${flags}` }
    }
    if (view.getUint16(at + EntryAt.client, true) >= clientCount)
      return { text: `entry ${slot} has no client` }
    const previous = view.getFloat64(at + EntryAt.previous, true)
    if (!isWhole(previous, 0, (first + slot) * Limits.recordEntriesMax - 1)) {
      return { text: `entry ${slot} has previous position ${previous}` }
    }
    const sequence = view.getFloat64(at + EntryAt.sequence, true)
    if (!isWhole(sequence, 0, Number.MAX_SAFE_INTEGER))
      return { text: `entry ${slot} has sequence ${sequence}` }
    const keyLength = view.getUint16(at + EntryAt.keyLength, true)
    at += EntryAt.key + keyLength + view.getUint32(at + EntryAt.valueLength, true)
  }
  if (at !== clients) return { text: 'its entries do not end where its clients begin' }
  if ((flags & EntryFlag.BATCH_CONTINUES) !== 0) return { text: 'its last batch goes beyond it' }
  return undefined
}

function checkClients(view: DataView, count: number, clientCount: number): RecordProblem | undefined {
  const offsets = view.getUint32(HeaderAt.offsets, true)
  let at = view.getUint32(HeaderAt.clients, true)
  for (let client = 0; client < clientCount; client++) {
    const said = view.getUint32(offsets + (count + client) * OFFSET_SIZE_BYTES, true)
    if (said !== at || at + ClientAt.actor > offsets)
      return { text: `client ${client} is not where its offset says` }
    at += ClientAt.actor + view.getUint16(at + ClientAt.actorLength, true)
  }
  return at === offsets ? undefined : { text: 'its clients do not end where its tables begin' }
}
