/** Which mark means what, in rows above the panels. */

import { MARGIN_PX, type Sheet } from './sheet.js'
import { textWidth } from './text-width.js'

export interface LegendItem {
  readonly name: string
  readonly colour: string
  readonly mark: 'area' | 'line' | 'dashed'
}

const MARK_PX = 18
const GAP_PX = 18
const ROW_PX = 18
const DASHES = [[0, 5] as const, [7, 11] as const, [13, 18] as const]

/** Sets the items from `top` on, as many in a row as fit. Returns where the next thing may begin. */
export function legend(sheet: Sheet, items: readonly LegendItem[], top: number, left = MARGIN_PX): number {
  let x = left
  let y = top
  for (const { name, colour, mark } of items) {
    const width = MARK_PX + 6 + textWidth(name, 11)
    if (x > left && x + width > sheet.widthPx - MARGIN_PX) {
      x = left
      y += ROW_PX
    }
    if (mark === 'area') sheet.rect({ left: x + 4, top: y + 1, width: 12, height: 10 }, colour)
    else {
      const parts = mark === 'dashed' ? DASHES : [[0, MARK_PX] as const]
      const lines = parts.map(([from, to]) => [[x + from, y + 6] as const, [x + to, y + 6] as const])
      sheet.outlines(lines, colour, 'front', 2)
    }
    sheet.text(name, x + MARK_PX + 6, y, { colour: sheet.theme.softInk })
    x += width + GAP_PX
  }
  return y + ROW_PX + 6
}
