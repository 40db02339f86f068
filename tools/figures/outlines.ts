/** A shape for the drawing library: many outlines in one element, so that a heat map is a path for each colour. */

/** Points that straight lines join. */
export type Outline = readonly (readonly [x: number, y: number])[]

/** The shape's name among those of the library. */
export const OUTLINES = 'outlines'

/** What is drawn: whether the outlines stay open is for all of them. */
export interface OutlinesShape {
  readonly outlines: readonly Outline[]
  readonly isOpen: boolean
}

/** What the shape draws with: the part of a canvas that it needs. */
export interface Pen {
  moveTo(x: number, y: number): void
  lineTo(x: number, y: number): void
  closePath(): void
}

export function drawOutlines(pen: Pen, { outlines, isOpen }: OutlinesShape): void {
  for (const outline of outlines) {
    for (const [at, [x, y]] of outline.entries()) {
      if (at === 0) pen.moveTo(x, y)
      else pen.lineTo(x, y)
    }
    if (!isOpen) pen.closePath()
  }
}
