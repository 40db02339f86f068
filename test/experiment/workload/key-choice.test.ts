/** Which keys are chosen how often. Bounds are some ten standard deviations wide: chance does not reach them. */
import test from 'ava'
import fc from 'fast-check'
import { fnvHashModulo } from '../../../tools/experiment/workload/fnv-hash.js'
import { keyChoiceOf, keyName } from '../../../tools/experiment/workload/key-choice.js'
import {
  SCRAMBLED_ITEMS,
  ScrambledZipfian,
  Zipfian,
  zeta,
} from '../../../tools/experiment/workload/zipfian.js'
import { Random } from '../../../tools/random.js'

const DRAWS = 100_000

/** How often each of the items was drawn, as a share. */
function shares(items: number, draw: (random: Random) => number): number[] {
  const random = new Random(7, 'shares')
  const counts = new Array<number>(items).fill(0)
  for (let n = 0; n < DRAWS; n += 1) counts[draw(random)]! += 1
  return counts.map(count => count / DRAWS)
}

function isNear(share: number, expected: number): boolean {
  return Math.abs(share - expected) < 10 * Math.sqrt((expected * (1 - expected)) / DRAWS)
}

test('a uniform choice takes every key as often', t => {
  const found = shares(40, keyChoiceOf({ keys: 40 }))
  t.true(
    found.every(share => isNear(share, 1 / 40)),
    String(found),
  )
})

test('hot keys take their share, and within hot and cold all are alike', t => {
  const found = shares(50, keyChoiceOf({ keys: 50, hot: { keys: 10, share: 0.9 } }))
  t.true(
    found.slice(0, 10).every(share => isNear(share, 0.09)),
    String(found),
  )
  t.true(
    found.slice(10).every(share => isNear(share, 0.1 / 40)),
    String(found),
  )
})

test('keys are in the order of their numbers', t => {
  const names = Array.from({ length: 120 }, (_, number) => keyName('k-', number, 3))
  t.deepEqual([...names].sort(), names)
  t.is(names[7], 'k-007')
})

test('the sum of a zeta is what adding it up gives, and the constant that YCSB has for it', t => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 5_000 }),
      fc.double({ min: 0.05, max: 0.99, noNaN: true }),
      (items, theta) => {
        let sum = 0
        for (let i = 1; i <= items; i += 1) sum += i ** -theta
        return Math.abs(zeta(items, theta) / sum - 1) < 1e-9
      },
    ),
    { numRuns: 50 },
  )
  // `ScrambledZipfianGenerator.ZETAN`, which was added up term by term.
  t.true(Math.abs(zeta(SCRAMBLED_ITEMS, 0.99) - 26.46902820178302) < 1e-6)
})

test('the first ranks are drawn as often as the law says', t => {
  const zipfian = new Zipfian(100, 0.99)
  const found = shares(100, random => zipfian.next(random))
  const ofRank = (rank: number) => (rank + 1) ** -0.99 / zeta(100, 0.99)
  t.true(isNear(found[0]!, ofRank(0)), String(found[0]))
  t.true(isNear(found[1]!, ofRank(1)), String(found[1]))
  // The others are approximated: within a third each, and together as the law says.
  for (let rank = 2; rank < 20; rank += 1) t.true(Math.abs(found[rank]! / ofRank(rank) - 1) < 0.34)
  t.true(found.at(-1)! > 0)
})

test('a Zipf choice that grew draws as one that was made so large', t => {
  const grown = new Zipfian(90, 0.8)
  for (let n = 0; n < 10; n += 1) grown.grow()
  const made = new Zipfian(100, 0.8)
  const random = [new Random(1), new Random(1)] as const
  for (let n = 0; n < 1_000; n += 1) t.is(grown.next(random[0]), made.next(random[1]))
})

test('the hash of a rank is the FNV hash of its eight octets', t => {
  const byDefinition = (value: number, items: number) => {
    let hash = 0xcbf29ce484222325n
    for (let octet = 0n; octet < 8n; octet += 1n) {
      hash ^= (BigInt(value) >> (octet * 8n)) & 0xffn
      hash = BigInt.asUintN(64, hash * 1_099_511_628_211n)
    }
    const signed = BigInt.asIntN(64, hash)
    return Number((signed < 0n ? -signed : signed) % BigInt(items))
  }
  fc.assert(
    fc.property(fc.maxSafeNat(), fc.integer({ min: 1, max: 1_000_000 }), (value, items) => {
      t.is(fnvHashModulo(value, items), byDefinition(value, items))
    }),
    { numRuns: 2_000 },
  )
})

test('a scrambled choice takes each item as often as the ranks that fall on it', t => {
  const items = 1_000
  const scrambled = new ScrambledZipfian(items, 0.99)
  const found = shares(items, random => scrambled.next(random))
  const total = zeta(SCRAMBLED_ITEMS, 0.99)
  const expected = new Array<number>(items).fill(0)
  const EXACT = 50_000
  for (let rank = 0; rank < EXACT; rank += 1)
    expected[fnvHashModulo(rank, items)]! += (rank + 1) ** -0.99 / total
  const rest = (1 - zeta(EXACT, 0.99) / total) / items
  const popular = expected.map((share, item) => ({ item, share: share + rest }))
  popular.sort((a, b) => b.share - a.share)
  t.not(popular[0]!.item, 0)
  for (const { item, share } of popular.slice(0, 10)) {
    t.true(Math.abs(found[item]! / share - 1) < 0.3, `${item}: ${found[item]} of ${share}`)
  }
  t.true(isNear(found[popular[0]!.item]!, popular[0]!.share))
})
