import test from 'ava'
import { LatencyRecorder, median } from '../../tools/bench/latency.js'

test('Percentiles are those of what was recorded, to three digits', t => {
  const latency = new LatencyRecorder()
  for (let ms = 1; ms <= 1_000; ms++) latency.record(ms)
  const near = (percentile: number, us: number) =>
    Math.abs(latency.percentileUs(percentile) - us) <= us / 1_000
  t.true(near(50, 500_000))
  t.true(near(99, 990_000))
  t.true(near(100, 1_000_000))
  t.is(latency.count, 1_000)
})

test('What was recorded before a reset does not count, and nothing recorded is 0', t => {
  const latency = new LatencyRecorder()
  latency.record(5)
  latency.reset()
  t.is(latency.percentileUs(99), 0)
  latency.record(0.2)
  t.is(latency.percentileUs(50), 200)
})

test('A latency beyond what can be told apart counts as the longest', t => {
  const latency = new LatencyRecorder()
  latency.record(1e12)
  latency.record(0)
  t.is(latency.count, 2)
})

test('The median is the middle number, or the mean of the two in the middle', t => {
  t.is(median([3, 1, 2]), 2)
  t.is(median([4, 1, 2, 3]), 2.5)
  t.is(median([7]), 7)
  t.is(median([]), 0)
})
