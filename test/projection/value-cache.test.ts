import test from 'ava'
import fc from 'fast-check'
import { positionOf } from '../../src/log/entry.js'
import { ValueCache } from '../../src/projection/value-cache.js'
import { set, TestHead } from './fixtures.js'

test('the value cache gives back what was put, or nothing, whatever was overwritten', t => {
  fc.assert(
    fc.property(
      fc.array(fc.record({ entry: fc.nat(199), clear: fc.nat(60) }), { maxLength: 600 }),
      fc.integer({ min: 1, max: 1_200 }),
      (script, sizeMax) => {
        const head = new TestHead()
        const entries = Array.from({ length: 200 }, (_, i) =>
          set(`k${i}`, String.fromCharCode(i).repeat((i * 37) % sizeMax)),
        )
        const record = head.append(entries)
        const cache = new ValueCache(65_536)
        for (const { entry, clear } of script) {
          if (clear === 0) cache.clear()
          const position = positionOf(1 + entry, entry)
          if (!cache.find(position)) {
            cache.put(position, record, entry)
            if (record.valueLength(entry) < 900 && !cache.find(position))
              throw new Error(`${entry} was not kept`)
            continue
          }
          const value = cache.ring.subarray(cache.valueStart, cache.valueStart + cache.valueLength)
          if (!value.equals(record.value(entry))) throw new Error(`${entry} has another value`)
          const stamp = [cache.epoch, cache.lamport, cache.wallMs]
          if (stamp.join() !== [1, 1 + entry, 1_001].join()) throw new Error(`${entry} has stamp ${stamp}`)
        }
      },
    ),
  )
  t.pass()
})

test('the value cache keeps the newest values that fit, and its size', t => {
  const cache = new ValueCache(1_048_576)
  t.is(cache.sizeBytes, 0)
  const head = new TestHead()
  const record = head.append(Array.from({ length: 8_192 }, (_, i) => set(`k${i}`, 'v'.repeat(96))))
  const put = (number: number) => cache.put(positionOf(number, number % 8_192), record, number % 8_192)
  for (let i = 0; i < 100_000; i++) put(i)
  t.true(cache.sizeBytes <= 1.25 * 1_048_576)
  let kept = 0
  // 128 bytes each with their headers.
  for (let i = 100_000 - 8_192; i < 100_000; i++) if (cache.find(positionOf(i, i % 8_192))) kept++
  t.true(kept > 0.97 * 8_192, `${kept} kept`)
  for (let i = 0; i < 90_000; i++) if (cache.find(positionOf(i, i % 8_192))) t.fail(`${i} is still there`)
})
