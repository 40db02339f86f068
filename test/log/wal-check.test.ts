import { readFile, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import test from 'ava'
import fc from 'fast-check'
import { crc32c, maskCrc } from '../../src/log/crc32c.js'
import { checkWriteAheadFiles, findWalDamage } from '../../src/log/wal-check.js'
import { temporaryFolder } from './record-chain.js'

const BLOCK = 32_768

/** Writes as LevelDB's log writer does. Returns the file, and where each fragment begins. */
function writeAhead(writes: Buffer[]): { bytes: Buffer; fragments: number[] } {
  const parts: Buffer[] = []
  const fragments: number[] = []
  let at = 0
  for (const write of writes) {
    let from = 0
    for (let isLast = false; !isLast; ) {
      const room = BLOCK - (at % BLOCK)
      if (room < 7) {
        parts.push(Buffer.alloc(room))
        at += room
        continue
      }
      const data = write.subarray(from, from + room - 7)
      isLast = from + data.length === write.length
      const type = from === 0 ? (isLast ? 1 : 2) : isLast ? 4 : 3
      const typed = Buffer.concat([Buffer.of(type), data])
      const header = Buffer.alloc(6)
      header.writeUInt32LE(maskCrc(crc32c(typed)), 0)
      header.writeUInt16LE(data.length, 4)
      fragments.push(at)
      parts.push(header, typed)
      at += 7 + data.length
      from += data.length
    }
  }
  return { bytes: Buffer.concat(parts), fragments }
}

const sizes = fc.array(fc.oneof(fc.nat(100), fc.integer({ min: 30_000, max: 70_000 })), {
  minLength: 2,
  maxLength: 12,
})

function writesOf(list: number[]): Buffer[] {
  return list.map((size, i) => Buffer.alloc(size, i + 1))
}

test('CRC-32C gives the published values', t => {
  t.is(crc32c(Buffer.from('123456789')), 0xe3069283)
  t.is(crc32c(Buffer.alloc(32)), 0x8a9136aa)
  t.is(crc32c(Buffer.alloc(32, 0xff)), 0x62a8ab43)
})

test('a sound file is sound, and so is one that was cut off anywhere', t => {
  const property = fc.property(sizes, fc.nat(), (list, cut) => {
    const { bytes } = writeAhead(writesOf(list))
    return (
      findWalDamage(bytes) === undefined &&
      findWalDamage(bytes.subarray(0, cut % (bytes.length + 1))) === undefined
    )
  })
  t.notThrows(() => fc.assert(property, { numRuns: 30 }))
})

test('any flipped bit that good data follows is found, at the fragment that it is in', t => {
  const property = fc.property(sizes, fc.nat(), (list, at) => {
    const { bytes, fragments } = writeAhead(writesOf(list))
    const last = fragments[fragments.length - 1]!
    if (last === 0) return true
    const bit = at % (last * 8)
    const flipped = bit >>> 3
    const inside = fragments.findLast(start => start <= flipped)!
    bytes[flipped]! ^= 1 << (bit & 7)
    const damage = findWalDamage(bytes)
    // The few bytes that fill up a block's end are read by nobody.
    const length = bytes.readUInt16LE(inside + 4)
    const isFilling = flipped >= inside + 7 + length && flipped % BLOCK >= BLOCK - 6
    return isFilling ? damage === undefined : damage?.damagedAt === inside && damage.goodAgainAt > inside
  })
  t.notThrows(() => fc.assert(property, { numRuns: 80 }))
})

test('a damaged last fragment is taken for the end that a crash tore off', t => {
  const { bytes, fragments } = writeAhead(writesOf([10, 20, 30]))
  bytes[fragments[2]! + 12]! ^= 1
  t.is(findWalDamage(bytes), undefined)
  t.is(findWalDamage(Buffer.concat([bytes, Buffer.alloc(5_000)])), undefined)
})

test('a write whose middle is gone is found although every fragment is good', t => {
  const { bytes, fragments } = writeAhead(writesOf([100_000, 10]))
  const without = Buffer.concat([bytes.subarray(0, BLOCK), bytes.subarray(2 * BLOCK)])
  t.is(findWalDamage(without), undefined)
  const orphaned = bytes.subarray(BLOCK)
  t.is(fragments[1], BLOCK)
  t.deepEqual(findWalDamage(orphaned), { damagedAt: 0, goodAgainAt: 0 })
})

test('the file and the offset are named', async t => {
  const dir = await temporaryFolder(t)
  const { bytes, fragments } = writeAhead(writesOf([10, 20, 30]))
  await writeFile(join(dir, '000007.log'), bytes)
  await writeFile(join(dir, 'LOG'), 'not a write-ahead file')
  await t.notThrowsAsync(checkWriteAheadFiles(dir))
  bytes[fragments[1]! + 9]! ^= 4
  await writeFile(join(dir, '000009.log'), bytes)
  const error = await t.throwsAsync(checkWriteAheadFiles(dir), { code: 'LOG_DAMAGED' })
  t.regex(
    error!.message,
    new RegExp(`000009.log is damaged at offset ${fragments[1]}, .*offset ${fragments[2]} on`),
  )
  await truncate(join(dir, '000009.log'), fragments[2]!)
  t.is((await readFile(join(dir, '000009.log'))).length, fragments[2]!)
  await t.notThrowsAsync(checkWriteAheadFiles(dir))
})

test('a folder that is not there has no damage', async t => {
  await t.notThrowsAsync(checkWriteAheadFiles(join(await temporaryFolder(t), 'nothing')))
})
