import test from 'ava'
import { KEY_SIZE_BYTES, keyOf, makeKeys, Random, ValuePool } from '../../tools/bench/workload.js'

test('Keys are 16 bytes long and all different', t => {
  const keys = makeKeys(2_000)
  t.true(keys.every(key => Buffer.byteLength(key) === KEY_SIZE_BYTES))
  t.is(new Set(keys).size, 2_000)
  t.is(keys[1_999], keyOf(1_999))
})

test('Values have the size asked for, and the same number always has the same one', t => {
  const one = new ValuePool(100)
  const other = new ValuePool(100)
  for (const number of [0, 1, 1_020, 1_021, 499_999]) {
    t.is(one.at(number).length, 100)
    t.deepEqual(one.at(number), other.at(number))
  }
  t.notDeepEqual(one.at(0), one.at(1))
  t.is(new ValuePool(0).at(5).length, 0)
})

test('The same seed gives the same order of keys, another seed another one', t => {
  const draw = (seed: number) => {
    const random = new Random(seed)
    return Array.from({ length: 100 }, () => random.below(500_000))
  }
  t.deepEqual(draw(7), draw(7))
  t.notDeepEqual(draw(7), draw(8))
})

test('Random numbers stay below the limit and reach all of a small range alike', t => {
  const random = new Random(0)
  const counts = new Array<number>(10).fill(0)
  for (let draw = 0; draw < 100_000; draw++) counts[random.below(10)]!++
  t.is(counts.length, 10)
  t.true(counts.every(count => count > 9_000 && count < 11_000))
})
