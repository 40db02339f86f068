import test from 'ava'
import fc from 'fast-check'
import { KeyRows } from '../../src/projection/key-rows.js'
import { OrderedKeys, placeOf } from '../../src/projection/ordered-keys.js'

function add(rows: KeyRows, key: Buffer): void {
  rows.add(key, 0, key.length)
}

function keysOf(rows: KeyRows, ordered: OrderedKeys): string[] {
  return ordered.blocks().flatMap(block => [...block].map(id => rows.copy(id).toString('hex')))
}

const keys = fc.uniqueArray(
  fc.oneof(
    fc.uint8Array({ minLength: 1, maxLength: 6 }),
    fc
      .array(fc.constantFrom(0, 97, 255), { minLength: 1, maxLength: 5 })
      .map(bytes => Uint8Array.from(bytes)),
    fc.nat(60).map(last => Uint8Array.from([...Buffer.alloc(60, 'p'), last])),
  ),
  { selector: bytes => Buffer.from(bytes).toString('hex'), maxLength: 200 },
)

test('keys come out in byte order, whenever they came in', t => {
  fc.assert(
    fc.property(keys, fc.array(fc.nat(200)), (all, stops) => {
      const rows = new KeyRows()
      const ordered = new OrderedKeys(rows)
      const sorted = (count: number) => {
        const part = all.slice(0, count).map(bytes => Buffer.from(bytes))
        return part.sort(Buffer.compare).map(key => key.toString('hex'))
      }
      all.forEach((bytes, i) => {
        add(rows, Buffer.from(bytes))
        if (stops.includes(i) && keysOf(rows, ordered).join() !== sorted(i + 1).join())
          throw new Error(`at ${i}`)
      })
      if (keysOf(rows, ordered).join() !== sorted(all.length).join()) throw new Error('at the end')
    }),
  )
  t.pass()
})

test('tens of thousands of keys are ordered in slices, while more come in', async t => {
  const rows = new KeyRows()
  const ordered = new OrderedKeys(rows)
  let made = 0
  // Multiplication by an odd number modulo 2^32 visits every value once, in a scattered order.
  const more = (count: number) => {
    for (let i = 0; i < count; i++) {
      const key = Buffer.alloc(4)
      key.writeUInt32BE(Math.imul(made++, 0x9e3779b1) >>> 0)
      add(rows, key)
    }
  }
  more(50_000)
  let pauses = 0
  const ordering = ordered.order(async () => {
    pauses++
    more(10)
    if (pauses === 5) ordered.blocks()
  })
  await ordering
  t.true(pauses >= 5)
  t.true(ordered.unorderedCount <= 10 * pauses)
  const blocks = ordered.blocks()
  t.is(ordered.unorderedCount, 0)
  let before = -1
  let count = 0
  for (const block of blocks) {
    t.true(block.length > 0 && block.length <= 4_096)
    for (const id of block) {
      const value = rows.copy(id).readUInt32BE()
      if (value <= before) t.fail(`${value} after ${before}`)
      before = value
      count++
    }
  }
  t.is(count, made)
})

test('blocks taken before more keys came stay as they were', t => {
  const rows = new KeyRows()
  const ordered = new OrderedKeys(rows)
  for (let i = 0; i < 9_000; i++) add(rows, Buffer.from(`b${i}`))
  const before = ordered.blocks()
  const copy = before.map(block => [...block])
  for (let i = 0; i < 9_000; i++) add(rows, Buffer.from(`a${i}`))
  t.is(
    ordered.blocks().reduce((sum, block) => sum + block.length, 0),
    18_000,
  )
  t.deepEqual(
    before.map(block => [...block]),
    copy,
  )
})

test('a bound is found wherever it falls: before, on, between, after', t => {
  const rows = new KeyRows()
  const ordered = new OrderedKeys(rows)
  for (let i = 0; i < 10_000; i++) add(rows, Buffer.from(String(i * 2).padStart(6, '0')))
  const blocks = ordered.blocks()
  const keyAt = (bound: string) => {
    const place = placeOf(blocks, rows, Buffer.from(bound))
    const id = blocks[place.block]?.[place.at]
    return id === undefined ? undefined : rows.copy(id).toString()
  }
  t.is(keyAt(''), '000000')
  for (let i = 0; i < 19_999; i += 7) {
    t.is(keyAt(String(i).padStart(6, '0')), String(i + (i % 2)).padStart(6, '0'))
  }
  t.is(keyAt('019998'), '019998')
  t.is(keyAt('019998\0'), undefined)
})
