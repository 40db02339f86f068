import test from 'ava'
import fc from 'fast-check'
import { errorCodeNumber, errorCodeOf, errorCodes, VarveError } from '../../src/client/errors.js'
import {
  decodeWrite,
  KeyScratch,
  ReadFrameEncoder,
  WriteFrameBuilder,
  WriteSlab,
} from '../../src/client/frame-encoder.js'
import { frameKind, ResponseKind, WriteFlag } from '../../src/client/session-frame.js'
import { ResponseFrameReader } from '../../src/client/session-frame-reader.js'
import { ReadFrameReader, WriteFrameReader } from '../../src/client/session-frame-request.js'
import {
  encodeFailed,
  encodeWritesDone,
  ReadResultsWriter,
  WriteResultsWriter,
} from '../../src/client/session-frame-response.js'
import { Limits, Operation } from '../../src/log/entry.js'

const integer = fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER - 100_000 })
const shard = fc.integer({ min: 0, max: 65_535 })
const text = fc.oneof(
  fc.string({ minLength: 1, maxLength: 80 }),
  fc.string({ minLength: 1, maxLength: 80, unit: 'grapheme' }),
)
const key = fc.oneof(text, fc.uint8Array({ minLength: 1, maxLength: 100 }))
const value = fc.oneof(fc.string({ maxLength: 1_500, unit: 'grapheme' }), fc.uint8Array({ maxLength: 300 }))
const write: fc.Arbitrary<Write> = fc.record({
  isSet: fc.boolean(),
  key,
  value,
  returnPrevious: fc.boolean(),
  condition: fc.oneof(fc.constant('none' as const), fc.constant('absent' as const), integer),
  batchContinues: fc.boolean(),
})

interface Write {
  readonly isSet: boolean
  readonly key: string | Uint8Array
  readonly value: string | Uint8Array
  readonly returnPrevious: boolean
  readonly condition: number | 'none' | 'absent'
  readonly batchContinues: boolean
}

const simple: Write = {
  isSet: true,
  key: 'k',
  value: 'v',
  returnPrevious: false,
  condition: 'none',
  batchContinues: false,
}

interface Plain {
  readonly operation: number
  readonly flags: number
  readonly ifIndex: number
  readonly key: string
  readonly value: string
}

function hex(bytes: string | Uint8Array): string {
  return Buffer.from(bytes as string).toString('hex')
}

function plainOf(one: Write, last: boolean): Plain {
  const { condition, returnPrevious, batchContinues } = one
  const ifIndex = typeof condition === 'number' ? condition : 0
  return {
    operation: one.isSet ? Operation.SET : Operation.DELETE,
    flags:
      (returnPrevious ? WriteFlag.RETURN_PREVIOUS : 0) |
      (condition === 'absent' ? WriteFlag.IF_ABSENT : 0) |
      (typeof condition === 'number' ? WriteFlag.IF_INDEX : 0) |
      (batchContinues && !last ? WriteFlag.BATCH_CONTINUES : 0),
    ifIndex,
    key: hex(one.key),
    value: one.isSet ? hex(one.value) : '',
  }
}

function encode(writes: readonly Write[], slab = new WriteSlab()): { frame: Buffer; plain: Plain[] } {
  const scratch = new KeyScratch()
  const builder = new WriteFrameBuilder()
  builder.begin()
  const plain = writes.map((one, at) => plainOf(one, at === writes.length - 1))
  writes.forEach((one, at) => {
    scratch.load(one.key)
    const { operation, flags, ifIndex } = plain[at]!
    slab.append(operation as 1 | 2, flags, ifIndex, scratch, one.isSet ? one.value : '')
    builder.add(slab.bytes, slab.start, slab.end)
  })
  const frame = builder.finish({
    shard: 7,
    firstId: 11,
    observedLamport: 5,
    consistency: 2,
    acknowledgedBelowOrTokenIndex: 3,
    tokenEpoch: 0,
  })
  return { frame, plain }
}

function readWrites(reader: WriteFrameReader): Plain[] {
  const plain: Plain[] = []
  while (reader.next()) {
    const { frame, operation, flags, keyStart, keyLength, valueStart, valueLength } = reader
    plain.push({
      operation,
      flags,
      ifIndex: (flags & WriteFlag.IF_INDEX) !== 0 ? reader.ifIndex : 0,
      key: frame.toString('hex', keyStart, keyStart + keyLength),
      value: frame.toString('hex', valueStart, valueStart + valueLength),
    })
  }
  return plain
}

test('a frame of writes reads back as it was written, operation by operation', t => {
  const reader = new WriteFrameReader()
  const slab = new WriteSlab()
  fc.assert(
    fc.property(fc.array(write, { minLength: 1, maxLength: 20 }), writes => {
      const { frame, plain } = encode(writes, slab)
      t.is(frameKind(frame), 1)
      reader.reset(frame)
      const { shard, count, firstId, acknowledgedBelow, observedLamport, consistency } = reader
      t.deepEqual(
        { shard, count, firstId, acknowledgedBelow, observedLamport, consistency },
        {
          shard: 7,
          count: writes.length,
          firstId: 11,
          acknowledgedBelow: 3,
          observedLamport: 5,
          consistency: 2,
        },
      )
      t.deepEqual(readWrites(reader), plain)
      reader.rewind()
      t.deepEqual(readWrites(reader), plain)
    }),
  )
})

test('a write taken apart again is the write that was encoded', t => {
  fc.assert(
    fc.property(write, one => {
      const slab = new WriteSlab()
      const { plain } = encode([one], slab)
      const { operation, flags, ifIndex, key, value } = decodeWrite(slab.bytes, slab.start)
      t.deepEqual([{ operation, flags, ifIndex, key: hex(key), value: hex(value) }], plain)
    }),
  )
})

test('a frame of reads reads back as it was written', t => {
  const encoder = new ReadFrameEncoder()
  const reader = new ReadFrameReader()
  const header = fc.record({
    shard,
    firstId: integer,
    observedLamport: integer,
    tokenEpoch: integer,
    index: integer,
  })
  fc.assert(
    fc.property(header, fc.array(key, { minLength: 1, maxLength: 50 }), ({ index, ...rest }, keys) => {
      encoder.begin()
      for (const one of keys) encoder.add(one)
      reader.reset(encoder.finish({ ...rest, consistency: 3, acknowledgedBelowOrTokenIndex: index }))
      const { shard, count, firstId, observedLamport, tokenEpoch, tokenIndex, consistency } = reader
      t.deepEqual(
        { shard, firstId, observedLamport, tokenEpoch, count, tokenIndex, consistency },
        { ...rest, count: keys.length, tokenIndex: index, consistency: 3 },
      )
      const read: string[] = []
      while (reader.next())
        read.push(reader.frame.toString('hex', reader.keyStart, reader.keyStart + reader.keyLength))
      t.deepEqual(read, keys.map(hex))
    }),
  )
})

test('a run of finished writes reads back as it was written', t => {
  const reader = new ResponseFrameReader()
  const done = fc.record({
    shard,
    count: fc.integer({ min: 1, max: 10_000 }),
    epoch: integer,
    firstId: integer,
    lamport: integer,
    firstIndex: integer,
    firstLamport: integer,
    wallMs: integer,
    committed: fc.boolean(),
  })
  fc.assert(
    fc.property(done, one => {
      const frame = encodeWritesDone(one)
      t.is(frame.length, 64)
      reader.reset(frame)
      t.is(reader.kind, ResponseKind.WRITES_DONE)
      t.deepEqual(
        {
          shard: reader.shard,
          count: reader.count,
          epoch: reader.epoch,
          firstId: reader.id,
          lamport: reader.senderLamport,
          firstIndex: reader.index,
          firstLamport: reader.lamport,
          wallMs: reader.wallMs,
          committed: reader.flags === 1,
        },
        one,
      )
    }),
  )
})

const result = fc.record({
  id: integer,
  index: integer,
  lamport: integer,
  wallMs: integer,
  epoch: integer,
  previousIndex: integer,
  flags: fc.integer({ min: 0, max: 15 }),
  value: fc.uint8Array({ maxLength: 200 }),
})

test('results of writes and of reads read back as they were written', t => {
  const reader = new ResponseFrameReader()
  const writes = new WriteResultsWriter()
  const reads = new ReadResultsWriter()
  fc.assert(
    fc.property(fc.array(result, { maxLength: 30 }), results => {
      writes.begin(3, 9)
      reads.begin(4, 8, 70, 123, true)
      for (const { id, index, lamport, wallMs, epoch, previousIndex, flags, value } of results) {
        writes.add(id, index, lamport, wallMs, epoch, previousIndex, flags, value, 0, value.length)
        reads.add(index, lamport, wallMs, epoch, flags, value, 0, value.length)
      }
      reader.reset(writes.finish(55))
      const found = []
      while (reader.next()) {
        const { id, index, lamport, wallMs, epoch, previousIndex, flags, frame, valueStart, valueLength } =
          reader
        const value = new Uint8Array(frame.subarray(valueStart, valueStart + valueLength))
        found.push({ id, index, lamport, wallMs, epoch, previousIndex, flags, value })
      }
      t.deepEqual(found, results)
      t.deepEqual(
        [reader.shard, reader.replicaEpoch, reader.count, reader.senderLamport],
        [3, 9, results.length, 55],
      )
      reader.reset(reads.finish(56))
      t.deepEqual([reader.shard, reader.replicaEpoch, reader.firstId, reader.appliedIndex], [4, 8, 70, 123])
      for (const { index, lamport, wallMs, epoch, flags, value } of results) {
        t.true(reader.next())
        const { valueStart, valueLength } = reader
        t.deepEqual([reader.index, reader.lamport, reader.wallMs], [index, lamport, wallMs])
        t.deepEqual([reader.epoch, reader.flags, valueLength], [epoch, flags, value.length])
        t.deepEqual(new Uint8Array(reader.frame.subarray(valueStart, valueStart + valueLength)), value)
      }
      t.false(reader.next())
    }),
  )
})

test('a failure reads back with its code, outcome, message and hint', t => {
  const reader = new ResponseFrameReader()
  for (const code of errorCodes) {
    t.is(errorCodeOf(errorCodeNumber(code)), code)
    const texts = { message: 'größer als erlaubt', hint: '127.0.0.1:5002' }
    const run = { shard: 2, count: 5, epoch: 3, firstId: 17, lamport: 99, retryable: true }
    reader.reset(encodeFailed({ ...run, ...texts, operations: 'writes', code, outcome: 'unknown' }))
    t.deepEqual([reader.shard, reader.count, reader.firstId, reader.senderLamport], [2, 5, 17, 99])
    t.is(reader.failedOperations, 'writes')
    const error = reader.failure()
    t.like(error, { code, outcome: 'unknown', retryable: true, ...texts })
    reader.reset(
      encodeFailed({ ...run, message: 'm', hint: '', operations: 'reads', code, outcome: 'failed' }),
    )
    t.is(reader.failedOperations, 'reads')
    t.like(reader.failure(), { outcome: undefined, hint: undefined })
  }
})

test('garbage is refused with an error of ours, and the reader goes on with the next frame', t => {
  const writes = new WriteFrameReader()
  const reads = new ReadFrameReader()
  const answers = new ResponseFrameReader()
  const readers = [writes, reads, answers]
  const survives = (frame: Buffer) => {
    for (const reader of readers) {
      try {
        reader.reset(frame)
        while (reader.next()) t.true(reader.frame.length >= 48)
      } catch (error) {
        t.true(error instanceof VarveError, String(error))
      }
    }
  }
  const sound = encode([
    simple,
    { ...simple, isSet: false, key: 'kk', value: '', returnPrevious: true, condition: 9 },
  ]).frame
  fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), one => survives(Buffer.from(one))))
  fc.assert(
    fc.property(fc.nat(sound.length - 1), fc.nat(255), fc.nat(sound.length), (at, byte, length) => {
      const bent = Buffer.from(sound)
      bent[at] = byte
      survives(bent)
      survives(bent.subarray(0, length))
    }),
    { numRuns: 2_000 },
  )
  writes.reset(sound)
  t.is(readWrites(writes).length, 2)
})

test('a frame that breaks a limit or leaves a batch open is refused as a whole', t => {
  const reader = new WriteFrameReader()
  const bend = (change: (frame: Buffer) => void) => {
    const { frame } = encode([simple, simple])
    change(frame)
    return () => reader.reset(frame)
  }
  const refusals: [change: (frame: Buffer) => void, message: RegExp][] = [
    [frame => frame.writeUInt8(9, 0), /version 9, expected 1/],
    [frame => frame.writeUInt8(3, 1), /kind 3/],
    [frame => frame.writeUInt32LE(3, 4), /ends within operation 3 of 3/],
    [frame => frame.writeUInt32LE(1, 4), /10 bytes after its last operation/],
    [frame => frame.writeUInt32LE(0, 4), /no operation/],
    [frame => frame.writeDoubleLE(0, 16), /first sequence is 0/],
    [frame => frame.writeDoubleLE(1.5, 16), /first sequence is 1.5/],
    [frame => frame.writeDoubleLE(Number.NaN, 8), /observed Lamport time is NaN/],
    [frame => frame.writeUInt8(3, 40), /consistency of a write is 3/],
    [frame => frame.writeUInt8(4, 48), /operation 1 is 4/],
    [frame => frame.writeUInt8(16, 49), /flags 16/],
    [frame => frame.writeUInt8(6, 49), /both ifIndex and ifAbsent/],
    [frame => frame.writeUInt16LE(0, 50), /key 1 has 0 bytes/],
    [frame => frame.writeUInt16LE(Limits.keySizeBytesMax + 1, 50), /key 1 has 4097 bytes, 1 to 4096/],
    [
      frame => frame.writeUInt32LE(Limits.valueSizeBytesMax + 1, 52),
      /value 1 has 1048577 bytes, at most 1048576/,
    ],
    [frame => frame.writeUInt32LE(0xffffffff, 52), /value 1 has 4294967295 bytes/],
    [frame => frame.writeUInt8(2, 48), /delete 1 carries a value/],
    [frame => frame.writeUInt8(WriteFlag.BATCH_CONTINUES, 59), /batch does not end/],
  ]
  for (const [change, message] of refusals) {
    t.throws(bend(change), { instanceOf: VarveError, code: 'INVALID_ARGUMENT', message })
  }
  t.notThrows(bend(() => {}))
})

test('a batch in a frame may hold a megabyte of keys and values, and no more', t => {
  const reader = new WriteFrameReader()
  const half = Buffer.alloc(Limits.batchSizeBytesMax / 2 - 1)
  const one = { ...simple, value: half, batchContinues: true }
  t.notThrows(() => reader.reset(encode([one, one]).frame))
  const larger = { ...one, key: 'kk' }
  t.throws(() => reader.reset(encode([one, larger]).frame), { message: /over 1048576 bytes/ })
  t.notThrows(() => reader.reset(encode([{ ...one, batchContinues: false }, larger]).frame))
})
