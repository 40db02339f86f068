import test from 'ava'
import fc from 'fast-check'
import { Envelope } from '../../src/generated/varve/v1/replication.js'
import { decodeEnvelope, encodeEnvelope, readEnvelope } from '../../src/replication/link-codec.js'

const header = fc.record({
  from: fc.string(),
  incarnation: fc.nat({ max: Number.MAX_SAFE_INTEGER }),
  clusterId: fc.string(),
  stamp: fc.option(
    fc.record({
      lamport: fc.nat({ max: Number.MAX_SAFE_INTEGER }),
      wallMs: fc.nat({ max: Number.MAX_SAFE_INTEGER }),
    }),
    { nil: undefined },
  ),
  shard: fc.nat(65_535),
  epoch: fc.nat({ max: Number.MAX_SAFE_INTEGER }),
})

const record = fc
  .record({
    commitIndex: fc.nat({ max: Number.MAX_SAFE_INTEGER }),
    record: fc.uint8Array({ maxLength: 500 }).map(bytes => Buffer.from(bytes)),
  })
  .map(value => ({ $case: 'record' as const, value }))

const report = fc
  .record({ index: fc.nat(), receivedIndex: fc.nat(), matched: fc.boolean() })
  .map(value => ({ $case: 'report' as const, value }))

const envelope: fc.Arbitrary<Envelope> = fc
  .tuple(header, fc.oneof(record, report, fc.constant(undefined)))
  .map(([fields, body]) => ({ ...fields, body }))

test('an envelope has the same bytes as the generated code gives it, and comes back from either', t => {
  fc.assert(
    fc.property(envelope, sent => {
      const bytes = encodeEnvelope(sent)
      t.true(bytes.equals(Buffer.from(Envelope.encode(sent).finish())))
      t.deepEqual(decodeEnvelope(bytes), sent)
      t.deepEqual(Envelope.decode(bytes), sent)
    }),
  )
})

test('an envelope whose fields come in another order is read all the same', t => {
  fc.assert(
    fc.property(header, record, (fields, body) => {
      const head = Envelope.encode({ ...fields, body: undefined }).finish()
      const tail = Envelope.encode({ ...Envelope.decode(new Uint8Array()), body }).finish()
      t.deepEqual(decodeEnvelope(Buffer.concat([tail, head])), { ...fields, body })
    }),
  )
})

test('a record is not copied on its way in', t => {
  const sent: Envelope = {
    ...Envelope.decode(new Uint8Array()),
    body: { $case: 'record', value: { commitIndex: 7, record: Buffer.alloc(100_000, 1) } },
  }
  const bytes = encodeEnvelope(sent)
  const received = decodeEnvelope(bytes)
  t.is(received.body?.$case === 'record' && received.body.value.record.buffer, bytes.buffer)
})

test('whatever bytes come in, reading them never throws and never reads beyond them', t => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 60 }), bytes => {
      t.notThrows(() => readEnvelope(Buffer.from(bytes)))
    }),
    { numRuns: 500 },
  )
  fc.assert(
    fc.property(envelope, fc.nat(), fc.nat(255), (sent, at, value) => {
      const bytes = encodeEnvelope(sent)
      if (bytes.length > 0) bytes[at % bytes.length] = value
      t.notThrows(() => readEnvelope(bytes.subarray(0, at % (bytes.length + 1))))
      t.notThrows(() => readEnvelope(bytes))
    }),
    { numRuns: 500 },
  )
})
