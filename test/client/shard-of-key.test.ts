import { crc32 } from 'node:zlib'
import test from 'ava'
import fc from 'fast-check'
import { crc32Of, shardOfKey, shardOfKeyAt } from '../../src/client/shard-of-key.js'

const bytes = (text: string) => Buffer.from(text)

test('the check value of CRC-32 (IEEE) is met', t => {
  t.is(crc32Of(bytes('123456789'), 0, 9), 0xcbf43926)
})

test('keys fall into the same shards as in every other client', t => {
  // Computed with another implementation: Python's zlib.crc32(part) % shards.
  const vectors: [key: string, shards: number, shard: number][] = [
    ['a', 3, 0xe8b7be43 % 3],
    ['123456789', 10, 0xcbf43926 % 10],
    ['user/{123456789}/name', 10, 0xcbf43926 % 10],
    ['{123456789}{a}', 7, 0xcbf43926 % 7],
    ['anything', 1, 0],
  ]
  for (const [key, shards, shard] of vectors) t.is(shardOfKey(bytes(key), shards), shard, key)
})

test('without a closed pair of braces, or with nothing in it, the whole key counts', t => {
  for (const key of ['{abc', 'abc}', '}abc{', 'a{}b', '{}', '{', '{}{abc}']) {
    t.is(shardOfKey(bytes(key), 1_000), crc32(bytes(key)) % 1_000, key)
  }
})

test('a nested brace belongs to the part', t => {
  t.is(shardOfKey(bytes('{{a}}'), 1_000), crc32(bytes('{a')) % 1_000)
})

test('any key anywhere in a buffer falls where its bytes alone fall, within the shards there are', t => {
  const key = fc.uint8Array({ minLength: 1, maxLength: 64 })
  fc.assert(
    fc.property(key, fc.uint8Array(), fc.integer({ min: 1, max: 64 }), (one, before, shards) => {
      const shard = shardOfKey(one, shards)
      const joined = Buffer.concat([before, one, before])
      return shard < shards && shard >= 0 && shardOfKeyAt(joined, before.length, one.length, shards) === shard
    }),
  )
  t.pass()
})

test('our CRC-32 agrees with zlib on any bytes', t => {
  fc.assert(fc.property(fc.uint8Array({ maxLength: 300 }), one => crc32Of(one, 0, one.length) === crc32(one)))
  t.pass()
})
