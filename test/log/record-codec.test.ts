import { createHash } from 'node:crypto'
import { crc32 } from 'node:zlib'
import test from 'ava'
import fc from 'fast-check'
import { EntryFlag, Operation } from '../../src/log/entry.js'
import { LogError } from '../../src/log/errors.js'
import { LogRecord } from '../../src/log/record-codec.js'
import { HeaderAt, ZERO_CLIENT_ID, ZERO_HASH } from '../../src/log/record-layout.js'
import { RecordWriter } from '../../src/log/record-writer.js'
import { chainOf, EMPTY_END, LOG_ID, recordAfter } from './record-chain.js'

interface PlainEntry {
  readonly operation: Operation
  readonly refused: boolean
  readonly key: Uint8Array
  readonly value: Uint8Array
  readonly previousSlots: number
  readonly client: number
  readonly sequence: number
}

interface PlainRecord {
  readonly logId: string
  readonly shard: number
  readonly epoch: number
  readonly firstIndex: number
  readonly lamport: number
  readonly wallMs: number
  readonly commitIndex: number
  readonly previousHash: Uint8Array
  readonly clients: { readonly id: Uint8Array; readonly actor: string }[]
  readonly entries: PlainEntry[]
}

const hex = fc.string({ unit: fc.constantFrom(...'0123456789abcdef'), minLength: 32, maxLength: 32 })
const entry: fc.Arbitrary<PlainEntry> = fc.record({
  operation: fc.constantFrom(Operation.SET, Operation.DELETE, Operation.EPOCH, Operation.NOOP),
  refused: fc.boolean(),
  key: fc.uint8Array({ maxLength: 300 }),
  value: fc.uint8Array({ maxLength: 500 }),
  previousSlots: fc.nat(2 ** 13 * 1_000),
  client: fc.nat(20),
  sequence: fc.maxSafeNat(),
})
const plainRecord: fc.Arbitrary<PlainRecord> = fc.record({
  logId: hex,
  shard: fc.nat(0xffff),
  epoch: fc.integer({ min: 1, max: 2 ** 48 - 1 }),
  firstIndex: fc.integer({ min: 1_001, max: 2 ** 40 - 10_000 }),
  lamport: fc.integer({ min: 1, max: 2 ** 52 }),
  wallMs: fc.nat(Number.MAX_SAFE_INTEGER),
  commitIndex: fc.nat(1_000),
  previousHash: fc.uint8Array({ minLength: 32, maxLength: 32 }),
  clients: fc.array(
    fc.record({
      id: fc.uint8Array({ minLength: 16, maxLength: 16 }),
      actor: fc.string({ unit: 'grapheme', maxLength: 60 }),
    }),
    { minLength: 1, maxLength: 6 },
  ),
  entries: fc.array(entry, { minLength: 1, maxLength: 60 }),
})

function encode(writer: RecordWriter, plain: PlainRecord): LogRecord {
  writer.begin({ ...plain, previousHash: Buffer.from(plain.previousHash) })
  for (const each of plain.entries) {
    const { id, actor } = plain.clients[each.client % plain.clients.length]!
    const client = writer.client(Buffer.from(id), actor)
    const source = Buffer.concat([Buffer.from('before'), each.key, each.value])
    const value = Buffer.from(each.value)
    const flags = each.refused ? EntryFlag.REFUSED : 0
    const { operation, key, previousSlots, sequence } = each
    const valueLength = value.length
    // The value from a buffer of its own, or from behind the key, as in a frame.
    if (each.sequence % 2 === 0) {
      writer.add(
        operation,
        flags,
        source,
        6,
        key.length,
        value,
        0,
        valueLength,
        previousSlots,
        client,
        sequence,
      )
    } else {
      const at = 6 + key.length
      writer.add(
        operation,
        flags,
        source,
        6,
        key.length,
        source,
        at,
        valueLength,
        previousSlots,
        client,
        sequence,
      )
    }
  }
  return writer.finish()
}

function same(record: LogRecord, plain: PlainRecord): boolean {
  const { header } = record
  const headerIsSame =
    header.logId === plain.logId &&
    header.shard === plain.shard &&
    header.epoch === plain.epoch &&
    header.firstIndex === plain.firstIndex &&
    header.count === plain.entries.length &&
    header.lamport === plain.lamport &&
    header.wallMs === plain.wallMs &&
    header.commitIndex === plain.commitIndex &&
    header.previousHash.equals(plain.previousHash)
  const entriesAreSame = plain.entries.every((each, slot) => {
    const found = record.entry(slot)
    const client = plain.clients[each.client % plain.clients.length]!
    return (
      found.index === plain.firstIndex + slot &&
      found.stamp.lamport === plain.lamport + slot &&
      found.stamp.wallMs === plain.wallMs &&
      found.operation === each.operation &&
      found.refused === each.refused &&
      !found.batchContinues &&
      found.key.equals(each.key) &&
      found.value.equals(each.value) &&
      found.previous === each.previousSlots &&
      found.sequence === each.sequence &&
      found.clientId.equals(client.id) &&
      found.actor === client.actor &&
      found.record === plain.firstIndex
    )
  })
  return headerIsSame && entriesAreSame
}

test('any record is decoded as it was written, byte for byte', t => {
  const writer = new RecordWriter()
  const property = fc.property(plainRecord, plain => {
    const record = encode(writer, plain)
    const decoded = LogRecord.decode(Buffer.from(record.bytes))
    return same(record, plain) && same(decoded, plain) && decoded.hash.equals(record.hash)
  })
  t.notThrows(() => fc.assert(property, { numRuns: 300 }))
})

test('any single flipped bit is found', t => {
  const property = fc.property(plainRecord, fc.nat(), (plain, at) => {
    const bytes = Buffer.from(encode(new RecordWriter(), plain).bytes)
    const bit = at % (bytes.length * 8)
    bytes[bit >>> 3]! ^= 1 << (bit & 7)
    try {
      LogRecord.decode(bytes)
      return false
    } catch (error) {
      return error instanceof LogError && error.code === 'LOG_DAMAGED'
    }
  })
  t.notThrows(() => fc.assert(property, { numRuns: 300 }))
})

test('any bytes with a good CRC are either a record or refused as damaged, never anything else', t => {
  const property = fc.property(
    plainRecord,
    fc.array(fc.tuple(fc.nat(), fc.nat(255)), { minLength: 1, maxLength: 4 }),
    (plain, changes) => {
      const bytes = Buffer.from(encode(new RecordWriter(), plain).bytes)
      for (const [at, byte] of changes) bytes[4 + (at % (bytes.length - 4))] = byte
      bytes.writeUInt32LE(crc32(bytes.subarray(4)), 0)
      try {
        const record = LogRecord.decode(bytes)
        for (let slot = 0; slot < record.count; slot++) record.entry(slot)
        return true
      } catch (error) {
        return error instanceof LogError
      }
    },
  )
  t.notThrows(() => fc.assert(property, { numRuns: 500 }))
})

test('a record that is cut short, or followed by more, is damaged', t => {
  const { bytes } = recordAfter(EMPTY_END, { count: 3 })
  for (const given of [
    Buffer.alloc(0),
    bytes.subarray(0, 50),
    bytes.subarray(0, -1),
    Buffer.concat([bytes, bytes]),
  ]) {
    t.throws(() => LogRecord.decode(given), { instanceOf: LogError, code: 'LOG_DAMAGED' })
  }
})

test('a newer format is told apart from damage', t => {
  const bytes = Buffer.from(recordAfter(EMPTY_END).bytes)
  bytes[HeaderAt.version] = 2
  t.throws(() => LogRecord.decode(bytes), { code: 'LOG_DAMAGED' })
  bytes.writeUInt32LE(crc32(bytes.subarray(4)), 0)
  t.throws(() => LogRecord.decode(bytes), { code: 'LOG_NEWER_FORMAT', message: /version 2.*up to 1/ })
})

test('an error says where the bytes came from, in one line', t => {
  const bytes = Buffer.from(recordAfter(EMPTY_END).bytes)
  bytes[140]! ^= 1
  const details = { shard: 2, index: 7 }
  const error = t.throws(() => LogRecord.decode(bytes, 'shard 2, index 7', details), {
    instanceOf: LogError,
  })!
  t.is(error.message, 'shard 2, index 7 is damaged: its CRC does not match its bytes')
  t.is(error.shard, 2)
  t.is(error.index, 7)
})

test('the hash is SHA-256 of everything but the CRC field', t => {
  const record = recordAfter(EMPTY_END, { count: 5 })
  const expected = createHash('sha256').update(record.bytes.subarray(4)).digest()
  t.deepEqual(record.hash, expected)
  t.deepEqual(LogRecord.decode(record.bytes).hash, expected)
})

test('the writer can be used again, whatever came before', t => {
  const writer = new RecordWriter()
  const start = { logId: LOG_ID, shard: 0, epoch: 1, firstIndex: 1, lamport: 1, wallMs: 0, commitIndex: 0 }
  const write = (keySize: number, valueSize: number, count: number) => {
    writer.begin({ ...start, previousHash: ZERO_HASH })
    const client = writer.client(ZERO_CLIENT_ID, '')
    const key = Buffer.alloc(keySize, 'k')
    const value = Buffer.alloc(valueSize, 'v')
    for (let i = 0; i < count; i++) writer.add(1, 0, key, 0, keySize, value, 0, valueSize, 0, client, 0)
    const size = writer.sizeBytes
    const record = writer.finish()
    t.is(record.bytes.length, size)
    t.deepEqual(LogRecord.decode(record.bytes).value(count - 1), value)
    return record
  }
  const first = write(16, 100, 3)
  const copy = Buffer.from(first.bytes)
  write(4_096, 1_048_576, 3)
  write(1, 0, 8_192)
  t.deepEqual(first.bytes, copy)
  t.deepEqual(write(16, 100, 3).bytes, copy)
})

test('a client of many entries stands once in the record', t => {
  const writer = new RecordWriter()
  const ids = [Buffer.alloc(16, 1), Buffer.alloc(16, 2)]
  const start = { logId: LOG_ID, shard: 0, epoch: 1, firstIndex: 1, lamport: 1, wallMs: 0, commitIndex: 0 }
  writer.begin({ ...start, previousHash: ZERO_HASH })
  const slots = [0, 0, 1, 0, 1, 1].map(i => writer.client(ids[i]!, `actor ${i}`))
  t.deepEqual(slots, [0, 0, 1, 0, 1, 1])
  t.is(writer.client(ids[0]!, 'someone else'), 2)
  const key = Buffer.from('k')
  for (const client of [...slots, 2]) writer.add(1, 0, key, 0, 1, key, 0, 0, 0, client, 9)
  const record = writer.finish()
  t.is(record.clientCount, 3)
  t.deepEqual(record.clientId(1), ids[1])
  t.deepEqual(
    [0, 1, 2].map(client => record.clientActor(client)),
    ['actor 0', 'actor 1', 'someone else'],
  )
})

test('the writer refuses what the format cannot hold', t => {
  const writer = new RecordWriter()
  const start = { logId: LOG_ID, shard: 0, epoch: 1, firstIndex: 1, lamport: 1, wallMs: 0, commitIndex: 0 }
  const key = Buffer.from('k')
  t.throws(() => writer.begin({ ...start, previousHash: Buffer.alloc(31) }), { instanceOf: TypeError })
  t.throws(() => writer.begin({ ...start, logId: 'short', previousHash: ZERO_HASH }), {
    instanceOf: TypeError,
  })
  writer.begin({ ...start, previousHash: ZERO_HASH })
  t.throws(() => writer.finish(), { message: /at least one entry/ })
  t.throws(() => writer.add(1, 0, key, 0, 1, key, 0, 0, 0, 0, 0), { instanceOf: RangeError })
  t.throws(() => writer.client(Buffer.alloc(15), ''), { instanceOf: TypeError })
  t.throws(() => writer.client(Buffer.alloc(16), 'a'.repeat(257)), { instanceOf: RangeError })
  const client = writer.client(ZERO_CLIENT_ID, '')
  writer.add(1, EntryFlag.BATCH_CONTINUES, key, 0, 1, key, 0, 0, 0, client, 0)
  t.throws(() => writer.finish(), { message: /batch must end/ })
  t.throws(() => writer.setFlags(1, 0), { instanceOf: RangeError })
  writer.setFlags(0, 0)
  for (let i = 1; i < 8_192; i++) writer.add(1, 0, key, 0, 1, key, 0, 0, 0, client, 0)
  t.throws(() => writer.add(1, 0, key, 0, 1, key, 0, 0, 0, client, 0), { instanceOf: RangeError })
  t.is(LogRecord.decode(writer.finish().bytes).lastIndex, 8_192)
})

test('a record that shares a large buffer can be moved to memory of its own', t => {
  const [record] = chainOf([2])
  const shared = Buffer.concat([Buffer.alloc(100_000), record!.bytes])
  const view = LogRecord.decode(shared.subarray(100_000))
  const own = view.compacted()
  t.is(own.bytes.buffer.byteLength, record!.bytes.length)
  t.deepEqual(own.hash, record!.hash)
  t.is(own.compacted(), own)
})
