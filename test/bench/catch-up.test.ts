import test from 'ava'
import { type CatchUp, catchUpText } from '../../tools/bench/scenario-catch-up.js'
import { type LoadMark, lowestRate, rateBetween } from '../../tools/bench/steady-load.js'
import type { Machine } from '../../tools/machine.js'

const machine: Machine = {
  cpu: 'any',
  cores: 2,
  memoryBytes: 1_048_576,
  system: 'any',
  node: 'v20',
  dataInMemory: false,
}

function catchUp(catchUpMs: number, writesMeanwhile: number, more: Partial<CatchUp> = {}): CatchUp {
  const figures = { entriesBefore: 1_000_000, entries: 1_100_000, writesBefore: 100_000 }
  const times = { catchUpMs, sinceStartMs: catchUpMs + 1_000 }
  return {
    ...{ topology: 'chain', outstanding: 512, ...figures, ...times },
    ...{ writesMeanwhile, writesLowest: writesMeanwhile / 2, ...more },
  }
}

/** A mark every 100 ms, after each of which so many writes are acknowledged. */
function marks(...acknowledged: number[]): LoadMark[] {
  let sum = 0
  const later = acknowledged.map((count, at) => {
    sum += count
    return { atMs: 5_000 + (at + 1) * 100, acknowledged: sum }
  })
  return [{ atMs: 5_000, acknowledged: 0 }, ...later]
}

test('Catching up must be fast and leave the writes half of what they had, in the median', async t => {
  const text = await catchUpText({
    machine,
    catchUps: [
      ...[catchUp(9_000, 60_000), catchUp(8_000, 40_000), catchUp(12_000, 70_000)],
      ...[9_000, 11_000, 12_000].map(ms => catchUp(ms, 60_000, { topology: 'star' })),
      catchUp(1_000, 49_000, { outstanding: 4_096 }),
    ],
  })
  const lineOf = (row: RegExp) => text.split('\n').find(line => row.test(line)) ?? ''
  t.regex(lineOf(/chain +512/), /9\.0 s .* 0\.60 .*: met/)
  t.regex(lineOf(/star +512/), /11\.0 s .*: missed/)
  t.regex(lineOf(/chain +4,096/), / 0\.49 .*: missed/)
})

test("The rate between two marks is a second's worth", t => {
  const [first, , , last] = marks(10, 20, 30)
  t.is(rateBetween(first!, last!), 200)
})

test('The worst stretch is found wherever it is', t => {
  t.is(lowestRate(marks(10, 10, 0, 0, 10, 10), 200), 0)
  t.is(lowestRate(marks(10, 10, 0, 5, 10, 10), 200), 25)
  t.is(lowestRate(marks(0, 0, 10, 10), 200), 0)
  t.is(lowestRate(marks(10, 10, 0, 0), 200), 0)
})

test('A stretch longer than what was measured is all of it', t => {
  t.is(lowestRate(marks(10, 30), 1_000), 200)
  t.is(lowestRate([], 1_000), 0)
})
