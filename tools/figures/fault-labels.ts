/** What was done to a cluster, written under the panels of a figure over time. */

import { labelRows } from './label-rows.js'
import { short } from './numbers.js'
import { MARGIN_PX, type Sheet } from './sheet.js'
import { textWidth } from './text-width.js'

const SIZE_PX = 11
const ROW_PX = 16
/** Labels that would need more rows than these become numbers, with a list of them below. */
const ROWS_MAX = 4
const GAP_PX = 16

export interface FaultLabel {
  readonly x: number
  readonly text: string
  readonly seconds: number
}

/** Writes the labels, given in the order of time, from `top` on. Returns where the next thing may begin. */
export function faultLabels(sheet: Sheet, labels: readonly FaultLabel[], top: number): number {
  if (labels.length === 0) return top
  if (rowsOf(labels, sheet).length <= ROWS_MAX) return onStems(sheet, labels, top)
  const numbered = labels.map((label, at) => ({ ...label, text: `${at + 1}` }))
  return list(sheet, labels, onStems(sheet, numbered, top))
}

function stems(labels: readonly FaultLabel[]) {
  return labels.map(({ x, text }) => ({ x, widthPx: textWidth(text, SIZE_PX) + 8 }))
}

function rowsOf(labels: readonly FaultLabel[], sheet: Sheet): number[] {
  return [...new Set(labelRows(stems(labels), sheet.widthPx).map(({ row }) => row))]
}

function onStems(sheet: Sheet, labels: readonly FaultLabel[], top: number): number {
  const places = labelRows(stems(labels), sheet.widthPx)
  for (const [at, { text, x }] of labels.entries()) {
    const { row, isLeftwards } = places[at]!
    const y = top + row * ROW_PX
    sheet.rule([x, top], [x, y + ROW_PX - 4], sheet.theme.fault, 'behind')
    sheet.text(text, isLeftwards ? x - 4 : x + 4, y, {
      sizePx: SIZE_PX,
      align: isLeftwards ? 'right' : 'left',
    })
  }
  return top + (Math.max(...places.map(({ row }) => row)) + 1) * ROW_PX + 6
}

/** Number, time and label of each, in columns of the same width, row by row. */
function list(sheet: Sheet, labels: readonly FaultLabel[], top: number): number {
  const texts = labels.map(({ text, seconds }, at) => `${at + 1}  ${short(seconds)} s  ${text}`)
  const columnPx = Math.max(...texts.map(text => textWidth(text, SIZE_PX))) + GAP_PX
  const columns = Math.max(1, Math.floor((sheet.widthPx - 2 * MARGIN_PX) / columnPx))
  for (const [at, text] of texts.entries()) {
    const y = top + 4 + Math.floor(at / columns) * ROW_PX
    sheet.text(text, MARGIN_PX + (at % columns) * columnPx, y, {
      sizePx: SIZE_PX,
      colour: sheet.theme.softInk,
    })
  }
  return top + 4 + Math.ceil(texts.length / columns) * ROW_PX + 6
}
