/** Panels of the same kind side by side, as many as a row holds. */

import { AXIS_LABELS_PX, type Box, MARGIN_PX } from './sheet.js'

const COLUMNS_MAX = 3

/** Boxes for `count` panels, filled row by row; `rowPx` from one row's top to the next. */
export function facetBoxes(
  count: number,
  sheetWidthPx: number,
  place: {
    readonly top: number
    readonly height: number
    readonly rowPx: number
    readonly columnsMax?: number
  },
): Box[] {
  const columns = Math.max(1, Math.min(place.columnsMax ?? COLUMNS_MAX, count))
  const facetPx = (sheetWidthPx - 2 * MARGIN_PX) / columns
  return [...Array(count).keys()].map(at => ({
    left: Math.round(MARGIN_PX + (at % columns) * facetPx + AXIS_LABELS_PX),
    top: place.top + Math.floor(at / columns) * place.rowPx,
    width: Math.floor(facetPx - AXIS_LABELS_PX - 10),
    height: place.height,
  }))
}
