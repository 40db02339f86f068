/** Rows of cells whose colour says how much. */

import { type HeatScale, heatColour } from './heat-scale.js'
import type { Outline } from './outlines.js'
import type { Sheet } from './sheet.js'

/** Where the cells stand; sizes in whole pixels, so that no seams show between cells of one colour. */
export interface Cells {
  readonly left: number
  readonly top: number
  readonly cellPx: number
  readonly rowPx: number
  /** Left free at the right of each cell: 0 where the columns are times. */
  readonly gapPx: number
}

/** Draws the cells, neighbours of the same colour in one, and all of a colour as one element. */
export function heatMap(
  sheet: Sheet,
  { left, top, cellPx, rowPx, gapPx }: Cells,
  rows: readonly (readonly (number | null)[])[],
  scale: HeatScale,
): void {
  const byColour = new Map<string, Outline[]>()
  for (const [row, values] of rows.entries()) {
    const colours = values.map(value => heatColour(value, scale, sheet.theme))
    const y = top + row * rowPx
    let from = 0
    for (let column = 1; column <= colours.length; column++) {
      const isSame = gapPx === 0 && column < colours.length && colours[column] === colours[from]
      if (isSame) continue
      const x = left + from * cellPx
      const right = left + column * cellPx - gapPx
      const bottom = y + rowPx - 1
      const outlines = byColour.get(colours[from]!) ?? []
      outlines.push([
        [x, y],
        [right, y],
        [right, bottom],
        [x, bottom],
      ])
      byColour.set(colours[from]!, outlines)
      from = column
    }
  }
  for (const [colour, outlines] of byColour) sheet.outlines(outlines, colour)
}

/** Names at the left of the rows. */
export function rowNames(
  sheet: Sheet,
  names: readonly string[],
  right: number,
  top: number,
  rowPx: number,
): void {
  for (const [row, name] of names.entries()) {
    sheet.text(name, right, top + row * rowPx + (rowPx - 1) / 2 - 5, {
      sizePx: 10,
      align: 'right',
      colour: sheet.theme.softInk,
    })
  }
}
