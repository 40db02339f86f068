import test from 'ava'
import fc from 'fast-check'
import { positionOf } from '../../src/log/entry.js'
import { hashKey } from '../../src/projection/key-hash.js'
import { KeyIndex } from '../../src/projection/key-index.js'
import { KeyRows } from '../../src/projection/key-rows.js'
import { KeyTable } from '../../src/projection/key-table.js'

const SEED = [1, 2] as const

/** Pairs of keys whose whole hashes are equal under SEED. */
function collidingKeys(): Buffer[] {
  const seen = new Map<number, number>()
  const found: Buffer[] = []
  const key = Buffer.alloc(8)
  for (let i = 0; found.length < 6; i++) {
    key.writeDoubleLE(i)
    const hash = hashKey(key, 0, 8, ...SEED)
    const other = seen.get(hash)
    seen.set(hash, i)
    if (other === undefined) continue
    const pair = Buffer.alloc(8)
    pair.writeDoubleLE(other)
    found.push(pair, Buffer.from(key))
  }
  return found
}

const KEYS: readonly Buffer[] = [
  ...['a', 'ab', 'abc', 'abcd', 'abcde', 'b', '\0', '\0\0', 'user/1', 'user/10'].map(text =>
    Buffer.from(text),
  ),
  ...collidingKeys(),
  Buffer.alloc(4_096, 'x'),
  Buffer.concat([Buffer.alloc(4_095, 'x'), Buffer.from('y')]),
  Buffer.alloc(4_095, 'x'),
]

interface Written {
  readonly key: number
  readonly position: number
  readonly isDelete: boolean
}

/** The plain truth: a list of writes, and how many of them are committed. */
class Model {
  writes: Written[] = []
  committed = 0

  newest(key: number, count = this.writes.length): Written | undefined {
    return this.writes.slice(0, count).findLast(written => written.key === key)
  }
}

type Step =
  | { readonly kind: 'write'; readonly key: number; readonly isDelete: boolean; readonly slot: number }
  | { readonly kind: 'commit' | 'truncate'; readonly share: number }

const steps: fc.Arbitrary<Step[]> = fc.array(
  fc.oneof(
    {
      weight: 8,
      arbitrary: fc.record({
        kind: fc.constant('write' as const),
        key: fc.nat(KEYS.length - 1),
        isDelete: fc.boolean(),
        slot: fc.nat(8_191),
      }),
    },
    {
      weight: 2,
      arbitrary: fc.record({
        kind: fc.constantFrom('commit' as const, 'truncate' as const),
        share: fc.double({ min: 0, max: 1, noNaN: true }),
      }),
    },
  ),
  { maxLength: 120 },
)

function check(index: KeyIndex, model: Model): void {
  let keyCount = 0
  let liveKeyCount = 0
  KEYS.forEach((key, number) => {
    const newest = model.newest(number)
    const committed = model.newest(number, model.committed)
    if (committed !== undefined) keyCount++
    if (committed?.isDelete === false) liveKeyCount++
    const id = index.find(key, 0, key.length)
    if (id === -1) {
      if (newest !== undefined) throw new Error(`key ${number} is lost`)
      return
    }
    const found = [
      index.newest(id),
      index.newestIsDelete(id),
      index.committed(id),
      index.committedIsDelete(id),
    ]
    const expected = [
      newest?.position ?? 0,
      newest?.isDelete ?? false,
      committed?.position ?? 0,
      committed?.isDelete ?? false,
    ]
    if (found.join() !== expected.join()) throw new Error(`key ${number}: ${found}, expected ${expected}`)
    if (!index.keys.copy(id).equals(key)) throw new Error(`key ${number} has other bytes`)
  })
  if (index.keyCount !== keyCount || index.liveKeyCount !== liveKeyCount) {
    throw new Error(
      `${index.keyCount} keys, ${index.liveKeyCount} live, expected ${keyCount}, ${liveKeyCount}`,
    )
  }
  const tentative = model.writes.length - model.committed
  if (index.tentativeCount !== tentative)
    throw new Error(`${index.tentativeCount} tentative, not ${tentative}`)
}

test('the key index holds what a plain list of writes says, through commits and truncations in any order', t => {
  fc.assert(
    fc.property(steps, script => {
      const index = new KeyIndex(SEED)
      const model = new Model()
      for (const step of script) {
        if (step.kind === 'write') {
          const key = KEYS[step.key]!
          const position = positionOf(model.writes.length + 1, step.slot)
          const before = model.newest(step.key)?.position ?? 0
          // The key in the middle of a buffer, as it is in a record.
          const padded = Buffer.concat([Buffer.from('??'), key, Buffer.from('?')])
          const previous = index.write(index.findOrAdd(padded, 2, key.length), position, step.isDelete)
          if (previous !== before) throw new Error(`previous ${previous}, expected ${before}`)
          model.writes.push({ key: step.key, position, isDelete: step.isDelete })
        } else {
          const to = model.committed + Math.floor(step.share * (model.writes.length - model.committed + 0.99))
          if (step.kind === 'commit') {
            index.commit(to)
            model.committed = to
          } else {
            index.truncate(to)
            model.writes = model.writes.slice(0, to)
          }
        }
        check(index, model)
      }
    }),
    { numRuns: 300 },
  )
  t.pass()
})

test('a captured state stays as it was while the index goes on', t => {
  const index = new KeyIndex()
  const key = Buffer.alloc(4)
  const write = (number: number, at: number, isDelete = false) => {
    key.writeUInt32LE(number)
    index.write(index.findOrAdd(key, 0, 4), positionOf(at, 0), isDelete)
  }
  for (let i = 1; i <= 30_000; i++) write(i, i)
  index.commit(20_000)
  const captured = index.captureCommitted()
  for (let i = 1; i <= 40_000; i++) write(i, 30_000 + i, true)
  index.commit(70_000)
  t.is(captured.keyCount, 20_000)
  let number = 0
  for (let id = -1; id < captured.lastId; ) {
    id = captured.keys.after(id)
    number++
    if (captured.signedPosition(id) !== (number <= 20_000 ? positionOf(number, 0) : 0))
      t.fail(`key ${number}`)
  }
  t.is(number, 30_000)
  t.is(index.liveKeyCount, 0)
  t.is(index.keyCount, 40_000)
})

test('every one of many keys is found, and no other', t => {
  const index = new KeyIndex()
  const count = 60_000
  const ids = new Set<number>()
  for (let i = 0; i < count; i++) {
    const key = Buffer.from(`key-${i}`)
    ids.add(index.findOrAdd(key, 0, key.length))
  }
  t.is(ids.size, count)
  for (let i = 0; i < count; i++) {
    const key = Buffer.from(`key-${i}`)
    const id = index.find(key, 0, key.length)
    if (!ids.has(id) || !index.keys.equals(id, key, 0, key.length)) t.fail(`key-${i}`)
    const other = Buffer.from(`kex-${i}`)
    if (index.find(other, 0, other.length) !== -1) t.fail(`kex-${i}`)
  }
})

test('thousands of keys with one hash are all found: nothing splits for ever', t => {
  const rows = new KeyRows()
  const table = new KeyTable(rows)
  const keys = Array.from({ length: 9_000 }, (_, i) => Buffer.from(`k${i}`))
  const ids = keys.map(key => {
    const id = rows.add(key, 0, key.length)
    table.insert(-7, id)
    return id
  })
  // Only some: with equal hashes a look-up walks past all keys before.
  for (let i = 0; i < keys.length; i += 90) t.is(table.find(-7, keys[i]!, 0, keys[i]!.length), ids[i]!)
  t.is(table.find(-7, Buffer.from('other'), 0, 5), -1)
  t.is(table.find(7, keys[0]!, 0, keys[0]!.length), -1)
})

test('the hash changes with each bit of the key, its length and the seed', t => {
  const key = Buffer.from('0123456789abcdef')
  const base = hashKey(key, 0, 16, 5, 6)
  const seen = new Set([
    base,
    hashKey(key, 0, 15, 5, 6),
    hashKey(key, 0, 16, 4, 6),
    hashKey(key, 0, 16, 5, 7),
  ])
  for (let bit = 0; bit < 128; bit++) {
    const changed = Buffer.from(key)
    changed[bit >>> 3]! ^= 1 << (bit & 7)
    seen.add(hashKey(changed, 0, 16, 5, 6))
  }
  t.is(seen.size, 132)
})

test('a million keys of 16 bytes take at most 80 bytes each', t => {
  const count = 1_000_000
  const before = process.memoryUsage().arrayBuffers
  const index = new KeyIndex()
  const key = Buffer.alloc(16)
  for (let i = 1; i <= count; i++) {
    key.write(`key:${String(i).padStart(12, '0')}`)
    index.write(index.findOrAdd(key, 0, 16), positionOf(i, 0), false)
    if (i % 1_000 === 0) index.commit(i)
  }
  t.is(index.liveKeyCount, count)
  t.true(index.sizeBytes / count <= 80, `${index.sizeBytes / count} bytes a key by its own count`)
  const perKey = (process.memoryUsage().arrayBuffers - before) / count
  t.true(perKey <= 80, `${perKey} bytes a key`)
})
