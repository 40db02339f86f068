import test from 'ava'
import fc from 'fast-check'
import { SessionRequest, SessionResponse } from '../../src/generated/varve/v1/kv.js'
import { decodeSessionRequest, encodeSessionResponse } from '../../src/node/session-codec.js'

const bytes = fc.uint8Array({ maxLength: 300 }).map(each => Buffer.from(each))
const frames = fc.array(bytes, { maxLength: 6 })
const stamp = fc.option(fc.record({ lamport: fc.nat(), wallMs: fc.nat() }), { nil: undefined })
const hello = fc.record({ clientId: bytes, actor: fc.string(), stamp })
const welcome = fc.record({
  clientId: bytes,
  stamp,
  node: fc.string(),
  clusterId: fc.string(),
  mapRevision: fc.nat(),
})

const wallMs = fc.option(fc.maxSafeNat(), { nil: undefined })

test('requests that the generated code wrote are read alike', t => {
  fc.assert(
    fc.property(fc.record({ hello: fc.option(hello, { nil: undefined }), frames, wallMs }), message => {
      t.deepEqual(decodeSessionRequest(Buffer.from(SessionRequest.encode(message).finish())), message)
    }),
  )
})

test('responses have the bytes that the generated code gives them', t => {
  fc.assert(
    fc.property(fc.record({ welcome: fc.option(welcome, { nil: undefined }), frames }), message => {
      t.true(encodeSessionResponse(message).equals(Buffer.from(SessionResponse.encode(message).finish())))
    }),
  )
  const large = {
    welcome: undefined,
    frames: [Buffer.alloc(127, 1), Buffer.alloc(128, 2), Buffer.alloc(3_000_000, 3)],
  }
  t.true(encodeSessionResponse(large).equals(Buffer.from(SessionResponse.encode(large).finish())))
})

test('frames are not copied on their way in', t => {
  const message = Buffer.from(
    SessionRequest.encode({ hello: undefined, frames: [Buffer.alloc(9_000, 7)] }).finish(),
  )
  t.is(decodeSessionRequest(message).frames[0]!.buffer, message.buffer)
})

test('bytes that are no message are refused, and never read beyond their end', t => {
  t.throws(() => decodeSessionRequest(Buffer.from([18, 200, 1, 5])))
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 60 }), each => {
      const message = Buffer.from(each)
      try {
        const { frames } = decodeSessionRequest(message)
        t.true(frames.reduce((sum, frame) => sum + frame.length, 0) <= message.length)
      } catch (error) {
        t.true(error instanceof Error)
      }
    }),
  )
})
