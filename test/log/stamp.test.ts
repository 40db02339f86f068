import test from 'ava'
import fc from 'fast-check'
import { LAMPORT_MAX, StampClock } from '../../src/log/stamp.js'

test('a Lamport tick is above everything given out and everything observed', t => {
  const steps = fc.array(
    fc.oneof(
      fc.record({ tick: fc.integer({ min: 1, max: 8_192 }) }),
      fc.record({ observe: fc.integer({ min: 0, max: 2 ** 40 }) }),
    ),
  )
  const property = fc.property(steps, list => {
    const clock = new StampClock(() => 0)
    let greatest = 0
    for (const step of list) {
      if ('tick' in step) {
        const first = clock.tick(step.tick)
        if (first !== greatest + 1) return false
        greatest = first + step.tick - 1
      } else {
        clock.observe(step.observe)
        greatest = Math.max(greatest, step.observe)
      }
      if (clock.lamport !== greatest) return false
    }
    return true
  })
  t.notThrows(() => fc.assert(property))
})

test('an effect is stamped above its cause, however messages travel between clocks', t => {
  const messages = fc.array(fc.record({ from: fc.nat(3), to: fc.nat(3) }), { maxLength: 100 })
  const property = fc.property(messages, list => {
    const clocks = [0, 1, 2, 3].map(() => new StampClock(() => 0))
    const lastEvent = [0, 0, 0, 0]
    return list.every(({ from, to }) => {
      const sent = clocks[from]!.tick()
      clocks[to]!.observe(sent)
      const received = clocks[to]!.tick()
      const isAbove = received > sent && received > lastEvent[to]! && sent > lastEvent[from]!
      lastEvent[from] = sent
      lastEvent[to] = received
      return isAbove
    })
  })
  t.notThrows(() => fc.assert(property))
})

test('wall time never runs backwards, whatever the machine says', t => {
  const steps = fc.array(
    fc.record({ now: fc.nat(1_000), observed: fc.option(fc.nat(1_000)), lastOfShard: fc.nat(1_000) }),
  )
  const property = fc.property(steps, list => {
    let now = 0
    const clock = new StampClock(() => now)
    let greatestSeen = 0
    return list.every(step => {
      now = step.now
      if (step.observed !== null) clock.observeWall(step.observed)
      greatestSeen = Math.max(greatestSeen, step.now, step.observed ?? 0)
      return clock.wall(step.lastOfShard) === Math.max(greatestSeen, step.lastOfShard)
    })
  })
  t.notThrows(() => fc.assert(property))
})

test('wall time is whole milliseconds', t => {
  const clock = new StampClock(() => 12.75)
  t.is(clock.wall(), 12)
})

test('implausible times are refused and change nothing', t => {
  const clock = new StampClock(() => 5)
  clock.observe(7)
  for (const given of [-1, 1.5, Number.NaN, Number.POSITIVE_INFINITY, LAMPORT_MAX + 1]) {
    t.throws(() => clock.observe(given), { instanceOf: RangeError })
    if (given !== LAMPORT_MAX + 1) t.throws(() => clock.observeWall(given), { instanceOf: RangeError })
  }
  t.throws(() => clock.tick(0), { instanceOf: RangeError })
  t.throws(() => clock.tick(0.5), { instanceOf: RangeError })
  t.is(clock.lamport, 7)
  t.is(clock.wall(), 5)
  t.is(clock.tick(3), 8)
  t.is(clock.lamport, 10)
})
