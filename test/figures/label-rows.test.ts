/** Labels on stems keep clear of each other. */

import test from 'ava'
import fc from 'fast-check'
import { type LabelPlace, labelRows, type StemLabel } from '../../tools/figures/label-rows.js'

const SHEET_PX = 800

/** Whether something runs through a label: another label in its row, or the stem of one further down. */
function collide(labels: readonly StemLabel[], places: readonly LabelPlace[]): boolean {
  const spans = labels.map(({ x, widthPx }, at) =>
    places[at]!.isLeftwards ? [x - widthPx, x] : [x, x + widthPx],
  )
  return labels.some(({ x }, one) =>
    labels.some((_, other) => {
      if (one === other) return false
      const [from, to] = spans[other]! as [number, number]
      const [ownFrom, ownTo] = spans[one]! as [number, number]
      if (places[one]!.row === places[other]!.row) return ownFrom < to && from < ownTo
      return places[one]!.row > places[other]!.row && x > from && x < to
    }),
  )
}

test('labels far from each other stand in one row', t => {
  const places = labelRows(
    [
      { x: 10, widthPx: 50 },
      { x: 100, widthPx: 50 },
    ],
    SHEET_PX,
  )
  t.deepEqual(
    places.map(({ row }) => row),
    [0, 0],
  )
})

test('who would run into the next label stands below it', t => {
  const places = labelRows(
    [
      { x: 10, widthPx: 50 },
      { x: 30, widthPx: 50 },
    ],
    SHEET_PX,
  )
  t.deepEqual(
    places.map(({ row }) => row),
    [1, 0],
  )
})

test('a label that the sheet has no room for stands to the left of its stem', t => {
  t.true(labelRows([{ x: 780, widthPx: 50 }], SHEET_PX)[0]!.isLeftwards)
})

test('no label meets another one or a stem, wherever they are', t => {
  const label = fc.record({
    x: fc.integer({ min: 60, max: 790 }),
    widthPx: fc.integer({ min: 20, max: 120 }),
  })
  fc.assert(
    fc.property(fc.array(label, { maxLength: 14 }), given => {
      const labels = [...given].sort((a, b) => a.x - b.x)
      const places = labelRows(labels, SHEET_PX)
      return !collide(labels, places)
    }),
  )
  t.pass()
})
