/** Rows for labels that hang on stems, so that neither labels nor stems run through a label. */

/** A stem at `x` with its label to the right of it, or to the left where the sheet ends. */
export interface StemLabel {
  readonly x: number
  readonly widthPx: number
}

export interface LabelPlace {
  /** From 0, downwards. */
  readonly row: number
  readonly isLeftwards: boolean
}

/**
 * A place for each label, which are given in the order of `x`. A stem runs down to its label's row and so must not meet
 * a label above: who would run into the next label goes below it. Labels to the left of their stems come last, the
 * leftmost of them on top.
 */
export function labelRows(labels: readonly StemLabel[], sheetWidthPx: number): LabelPlace[] {
  const places = new Array<LabelPlace>(labels.length)
  /** Where what stands in each row begins, stems that pass through included. */
  const begins: number[] = []
  const leftwards: number[] = []
  let limit = sheetWidthPx
  for (let at = labels.length - 1; at >= 0; at--) {
    const { x, widthPx } = labels[at]!
    if (x + widthPx > limit) {
      leftwards.unshift(at)
      limit = x
      continue
    }
    const free = begins.findIndex(begin => x + widthPx <= begin)
    const row = free === -1 ? begins.length : free
    for (let above = 0; above <= row; above++) begins[above] = x
    places[at] = { row, isLeftwards: false }
  }
  for (const [order, at] of leftwards.entries())
    places[at] = { row: begins.length + order, isLeftwards: true }
  return places
}
