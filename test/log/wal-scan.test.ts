import test from 'ava'
import fc from 'fast-check'
import { findWalDamage } from '../../src/log/wal-check.js'
import { encodeWal, scanWal } from '../../src/log/wal-scan.js'

const BLOCK = 32_768

const sizes = fc.array(fc.oneof(fc.nat(100), fc.integer({ min: 30_000, max: 70_000 })), {
  minLength: 2,
  maxLength: 10,
})

function writesOf(list: number[]): Buffer[] {
  return list.map((size, i) => Buffer.alloc(size, i + 1))
}

test('what was written is read again, wherever the blocks end', t => {
  const property = fc.property(sizes, list => {
    const writes = writesOf(list)
    const { writes: found, damages, tornAt } = scanWal(encodeWal(writes))
    return damages.length === 0 && tornAt === undefined && Buffer.concat(found).equals(Buffer.concat(writes))
  })
  t.notThrows(() => fc.assert(property, { numRuns: 15 }))
})

test('a file that was cut off holds all writes that are whole, and says where the torn one begins', t => {
  const property = fc.property(sizes, fc.nat(), (list, at) => {
    const writes = writesOf(list)
    const bytes = encodeWal(writes)
    const cut = at % (bytes.length + 1)
    const { writes: found, damages, tornAt } = scanWal(bytes.subarray(0, cut))
    const isPart = found.every((write, i) => write.equals(writes[i]!))
    const whole = encodeWal(writes.slice(0, found.length))
    // Where the torn write begins, but for the few bytes that fill up a block.
    const isFilling = cut - whole.length < 7 && cut % BLOCK === 0
    const isPlaced = tornAt === undefined ? cut === whole.length || isFilling : tornAt - whole.length < 7
    return damages.length === 0 && isPart && isPlaced && found.length < writes.length === cut < bytes.length
  })
  t.notThrows(() => fc.assert(property, { numRuns: 25 }))
})

test('a flipped bit costs the write that it is in, and no other', t => {
  const property = fc.property(sizes, fc.nat(), (list, at) => {
    const writes = writesOf(list)
    const bytes = encodeWal(writes)
    const bit = at % (bytes.length * 8)
    bytes[bit >>> 3]! ^= 1 << (bit & 7)
    const first = findWalDamage(bytes)
    const { writes: found, damages, tornAt } = scanWal(bytes)
    const left = [...writes]
    const areOurs = found.every(write => {
      const place = left.findIndex(each => each.equals(write))
      if (place >= 0) left.splice(0, place + 1)
      return place >= 0
    })
    const isTold = found.length === writes.length || damages.length > 0 || tornAt !== undefined
    const isSamePlace = damages[0]?.damagedAt === first?.damagedAt
    return areOurs && isTold && isSamePlace && found.length >= writes.length - 1
  })
  t.notThrows(() => fc.assert(property, { numRuns: 25 }))
})

test('several damaged places are all told, and what is between them is kept', t => {
  const writes = [10, 20, 30, 40, 50].map((size, i) => Buffer.alloc(size, i + 1))
  const bytes = encodeWal(writes)
  const starts = writes.map((_, i) => encodeWal(writes.slice(0, i)).length)
  bytes[starts[1]! + 9]! ^= 1
  bytes[starts[3]! + 9]! ^= 1
  const { writes: found, damages, tornAt } = scanWal(bytes)
  t.deepEqual(found, [writes[0], writes[2], writes[4]])
  t.deepEqual(damages, [
    { damagedAt: starts[1]!, goodAgainAt: starts[2]! },
    { damagedAt: starts[3]!, goodAgainAt: starts[4]! },
  ])
  t.is(tornAt, undefined)
})

test('a write whose first block is gone is damage, and what follows it is kept', t => {
  const writes = [Buffer.alloc(100_000, 1), Buffer.alloc(10, 2)]
  const { writes: found, damages } = scanWal(encodeWal(writes).subarray(BLOCK))
  t.deepEqual(found, [writes[1]])
  t.is(damages[0]?.damagedAt, 0)
})
