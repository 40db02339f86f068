/**
 * Envelopes to bytes and back for the Link stream. The bytes are exactly those of replication.proto; only the
 * way there is shorter for records: the generated code copies a record of 33 kB four times on its way to
 * gRPC and once on its way in, this code copies it once and not at all.
 */
import { BinaryReader, BinaryWriter } from '@bufbuild/protobuf/wire'
import { Envelope } from '../generated/varve/v1/replication.js'

/** Tag of `Envelope.record` (field 22) and of the fields of `Record`, all as in replication.proto. */
const ENVELOPE_RECORD = (22 << 3) | 2
const RECORD_COMMIT_INDEX = 1 << 3
const RECORD_BYTES = (2 << 3) | 2
/** The first field number of `Envelope.body`; the fields below are the header. */
const FIRST_BODY_FIELD = 10

/** The message's bytes; nothing of the envelope is referred to afterwards. */
export function encodeEnvelope(envelope: Envelope): Buffer {
  const body = envelope.body
  if (body?.$case !== 'record') {
    const bytes = Envelope.encode(envelope).finish()
    return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  }
  const record = body.value.record
  const inner = new BinaryWriter()
  if (body.value.commitIndex !== 0) inner.uint32(RECORD_COMMIT_INDEX).uint64(body.value.commitIndex)
  if (record.length !== 0) inner.uint32(RECORD_BYTES).uint32(record.length)
  const innerHead = inner.finish()
  const head = Envelope.encode({ ...envelope, body: undefined })
    .uint32(ENVELOPE_RECORD)
    .uint32(innerHead.length + record.length)
    .finish()
  const bytes = Buffer.allocUnsafe(head.length + innerHead.length + record.length)
  bytes.set(head, 0)
  bytes.set(innerHead, head.length)
  bytes.set(record, head.length + innerHead.length)
  return bytes
}

/** As `decodeEnvelope`, but where the bytes are no envelope: one without a body. For a receiver that drops both. */
export function readEnvelope(bytes: Buffer): Envelope {
  try {
    return decodeEnvelope(bytes)
  } catch {
    return Envelope.decode(Buffer.alloc(0))
  }
}

/**
 * Reads a message. A record's bytes are a view on `bytes`, which the caller gives up: gRPC hands out a buffer
 * of the message's own size, so keeping the view keeps hardly more than the record.
 * Throws where the bytes are no envelope.
 */
export function decodeEnvelope(bytes: Buffer): Envelope {
  const reader = new BinaryReader(bytes)
  while (reader.pos < reader.len) {
    const fieldStart = reader.pos
    const tag = reader.uint32()
    if (tag === ENVELOPE_RECORD) {
      const bodyEnd = reader.uint32() + reader.pos
      // Fields after the body come from another encoder than ours: leave them to the generated code.
      if (bodyEnd !== reader.len) break
      const envelope = Envelope.decode(bytes.subarray(0, fieldStart))
      envelope.body = { $case: 'record', value: decodeRecord(bytes, reader) }
      return envelope
    }
    if (tag >>> 3 >= FIRST_BODY_FIELD) break
    reader.skip(tag & 7)
  }
  return Envelope.decode(bytes)
}

function decodeRecord(bytes: Buffer, reader: BinaryReader): { commitIndex: number; record: Buffer } {
  const value = { commitIndex: 0, record: Buffer.alloc(0) as Buffer }
  while (reader.pos < reader.len) {
    const tag = reader.uint32()
    if (tag === RECORD_COMMIT_INDEX) {
      value.commitIndex = Number(reader.uint64())
    } else if (tag === RECORD_BYTES) {
      const length = reader.uint32()
      const start = reader.pos
      if (start + length > reader.len) throw new RangeError('the record is longer than its message')
      value.record = bytes.subarray(start, start + length)
      reader.pos = start + length
    } else {
      reader.skip(tag & 7)
    }
  }
  return value
}
