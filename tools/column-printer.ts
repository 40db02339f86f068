/**
 * Tables that are printed as they come. The first rows decide how wide the columns are; nothing is held after them, so
 * that a list of any length can be shown in aligned columns.
 */

import { print } from './output.js'
import { shorten } from './text.js'

export interface Column {
  readonly name: string
  readonly align?: 'left' | 'right'
  /** May be cut where the terminal is too narrow, `last` after the others. Else it never is. */
  readonly flexible?: boolean | 'last'
}

/** Where a table is shown. */
export interface Screen {
  /** Characters in a line; undefined where nothing has to fit: a file, a pipe. */
  readonly width: number | undefined
  readonly hasStyle: boolean
}

/** So many rows decide about the columns. */
const ROWS_HELD_MAX = 200
const GAP = '  '
/** How columns are narrowed, step by step: one long text in what is cut last does not make all others unreadable. */
const NARROWING: readonly { readonly flexible: true | 'last'; readonly widthMin: number }[] = [
  { flexible: true, widthMin: 16 },
  { flexible: 'last', widthMin: 24 },
  { flexible: true, widthMin: 8 },
  { flexible: 'last', widthMin: 8 },
]
/** Where nothing has to fit, longer texts are not cut, but do not widen their column either. */
const PADDED_WIDTH_MAX = 40

/** stdout as a screen. */
export function stdoutScreen(): Screen {
  const { isTTY, columns } = process.stdout
  return { width: isTTY ? columns || 100 : undefined, hasStyle: isTTY === true && !process.env.NO_COLOR }
}

/** Prints rows of cells under a header. A row's style is around its whole line. */
export class ColumnPrinter {
  readonly #columns: readonly Column[]
  readonly #screen: Screen
  readonly #write: (text: string) => Promise<void>
  #held: { cells: readonly string[]; style: Style }[] | undefined = []
  #widths: readonly number[] = []
  #shown: readonly boolean[] = []

  constructor(columns: readonly Column[], screen: Screen = stdoutScreen(), write = print) {
    this.#columns = columns
    this.#screen = screen
    this.#write = write
  }

  async add(cells: readonly string[], style: Style = 'none'): Promise<void> {
    if (this.#held === undefined) return await this.#write(this.#line(cells, style))
    this.#held.push({ cells, style })
    if (this.#held.length >= ROWS_HELD_MAX) await this.#begin(false)
  }

  /** Ends the table. Of a table without rows nothing is printed. */
  async end(): Promise<void> {
    if (this.#held !== undefined && this.#held.length > 0) await this.#begin(true)
  }

  async #begin(isAll: boolean): Promise<void> {
    const rows = this.#held!
    this.#held = undefined
    const natural = this.#columns.map(({ name }, at) =>
      Math.max(displayWidth(name), ...rows.map(({ cells }) => displayWidth(cells[at] ?? ''))),
    )
    // A column that nothing is in says nothing; what is still to come could be in it, though.
    this.#shown = this.#columns.map((_, at) => !isAll || rows.some(({ cells }) => (cells[at] ?? '') !== ''))
    this.#widths = this.#fit(natural)
    const header = this.#columns.map(({ name }) => name)
    await this.#write(this.#line(header, 'bold') + rows.map(row => this.#line(row.cells, row.style)).join(''))
  }

  #fit(natural: readonly number[]): number[] {
    const widths = [...natural]
    const { width } = this.#screen
    if (width === undefined) {
      for (const at of this.#flexible(true, 'last')) widths[at] = Math.min(widths[at]!, PADDED_WIDTH_MAX)
      return widths
    }
    const shown = widths.filter((_, at) => this.#shown[at])
    let excess = shown.reduce((sum, each) => sum + each, 0) + GAP.length * (shown.length - 1) - width
    for (const { flexible, widthMin } of NARROWING) {
      excess = narrow(widths, this.#flexible(flexible), excess, widthMin)
    }
    return widths
  }

  /** The columns that are shown and flexible in one of these ways. */
  #flexible(...ways: readonly (boolean | 'last')[]): number[] {
    return this.#columns.flatMap(({ flexible = false }, at) =>
      flexible && ways.includes(flexible) && this.#shown[at] ? [at] : [],
    )
  }

  #line(cells: readonly string[], style: Style): string {
    const line = this.#columns
      .map((column, at) => this.#cell(cells[at] ?? '', column, this.#widths[at]!))
      .filter((_, at) => this.#shown[at])
      .join(GAP)
      .trimEnd()
    return `${this.#screen.hasStyle ? styled(line, style) : line}\n`
  }

  #cell(text: string, column: Column, width: number): string {
    const isCut = this.#screen.width !== undefined && (column.flexible ?? false) !== false
    const shown = isCut ? cutTo(text, width) : text
    const padding = ' '.repeat(Math.max(0, width - displayWidth(shown)))
    return column.align === 'right' ? padding + shown : shown + padding
  }
}

/** Takes `excess` characters off these columns, always off the widest. Returns what is left of it. */
function narrow(widths: number[], columns: readonly number[], excess: number, widthMin: number): number {
  let left = excess
  while (left > 0) {
    const widest = columns.reduce((best, at) => (best === -1 || widths[at]! > widths[best]! ? at : best), -1)
    if (widest === -1 || widths[widest]! <= widthMin) break
    widths[widest]! -= 1
    left -= 1
  }
  return left
}

export type Style = 'none' | 'bold' | 'dim' | 'red' | 'green' | 'yellow'

const STYLES: Readonly<Record<Style, number>> = { none: 0, bold: 1, dim: 2, red: 31, green: 32, yellow: 33 }

/** The text in a style, whatever it is shown on: ask `Screen.hasStyle` first. */
export function styled(text: string, style: Style): string {
  return style === 'none' || text === '' ? text : `\u001b[${STYLES[style]}m${text}\u001b[0m`
}

// East Asian wide and full-width forms, and pictures, as terminals show them.
const WIDE = /[\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6]/
const PICTURE = /\p{Emoji_Presentation}|\ufe0f/u
const PLAIN = /^[\u0020-\u007e\u00a0-\u02ff…]*$/
const segments = new Intl.Segmenter()

/** Columns of a terminal that the text takes. */
export function displayWidth(text: string): number {
  if (PLAIN.test(text)) return text.length
  let width = 0
  for (const { segment } of segments.segment(text)) width += widthOf(segment)
  return width
}

function widthOf(segment: string): number {
  return WIDE.test(segment) || PICTURE.test(segment) || segment.codePointAt(0)! > 0x1ffff ? 2 : 1
}

function cutTo(text: string, width: number): string {
  if (displayWidth(text) <= width) return text
  if (PLAIN.test(text)) return shorten(text, width)
  let kept = ''
  let used = 0
  for (const { segment } of segments.segment(text)) {
    used += widthOf(segment)
    if (used > width - 1) break
    kept += segment
  }
  return `${kept}…`
}
