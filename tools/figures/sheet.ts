/** The sheet that a figure is drawn on: panels with axes, and marks anywhere, placed in pixels. */

import { type Axis, axisOption, FONT, LABEL_SIZE_PX } from './axes.js'
import type { Drawing, Frame } from './figure.js'
import { OUTLINES, type Outline } from './outlines.js'
import { textWidth } from './text-width.js'
import type { Theme } from './theme.js'

/** Room at the left of a panel for the labels of its axis. */
export const AXIS_LABELS_PX = 46
export const MARGIN_PX = 16

export interface Box {
  readonly left: number
  readonly top: number
  readonly width: number
  readonly height: number
}

export interface TextStyle {
  readonly sizePx?: number
  readonly colour?: string
  readonly align?: 'left' | 'center' | 'right'
  readonly bold?: boolean
  /** Read from below. */
  readonly upright?: boolean
}

/** Stands behind the lines of a panel, in front of them, or on top. */
export type Layer = 'behind' | 'front' | 'top'
const Z: Readonly<Record<Layer, number>> = { behind: -5, front: 5, top: 10 }

export class Sheet {
  readonly theme: Theme
  readonly widthPx: number
  #title = ''
  readonly #grids: object[] = []
  readonly #xAxes: object[] = []
  readonly #yAxes: object[] = []
  readonly #series: object[] = []
  readonly #marks: object[] = []

  constructor({ theme, widthPx }: Frame) {
    this.theme = theme
    this.widthPx = widthPx
  }

  /** What the figure shows with its unit, and below it what else one must know. Returns where the next thing may begin. */
  title(title: string, subtitle: string): number {
    this.#title = `${title}. ${subtitle}`
    this.text(title, MARGIN_PX, 14, { sizePx: 15, bold: true })
    const lines = wrapped(subtitle, this.widthPx - 2 * MARGIN_PX, 12)
    for (const [at, line] of lines.entries()) {
      this.text(line, MARGIN_PX, 36 + at * 16, { sizePx: 12, colour: this.theme.softInk })
    }
    return 36 + lines.length * 16 + 6
  }

  /** A panel with its two axes; the number is what series name it by. */
  panel(box: Box, x: Axis, y: Axis): number {
    const number = this.#grids.length
    const { left, top, width, height } = box
    this.#grids.push({ left, top, width, height, containLabel: false, outerBoundsMode: 'none' })
    this.#xAxes.push({ gridIndex: number, ...axisOption(x, 'x', this.theme) })
    this.#yAxes.push({ gridIndex: number, ...axisOption(y, 'y', this.theme) })
    return number
  }

  /** A name with unit above the panel's y axis. */
  yName(box: Box, name: string): void {
    this.text(name, box.left - AXIS_LABELS_PX + 4, box.top - 20, { sizePx: 12 })
  }

  /** A name with unit under the panel's x axis. Returns where the next thing may begin. */
  xName(box: Box, name: string): number {
    const top = box.top + box.height + 22
    this.text(name, box.left + box.width / 2, top, {
      sizePx: 12,
      align: 'center',
      colour: this.theme.softInk,
    })
    return top + 18
  }

  /** A line through points; null leaves a gap. */
  line(
    panel: number,
    points: readonly (readonly [number, number | null])[],
    style: {
      colour: string
      widthPx?: number
      dashed?: boolean
      opacity?: number
      step?: boolean
      dots?: boolean
    },
  ): void {
    this.#series.push({
      ...this.#seriesBase('line', panel, points),
      symbol: style.dots ? 'circle' : 'none',
      symbolSize: 6,
      showAllSymbol: true,
      ...(style.step ? { step: 'end' } : {}),
      itemStyle: { color: style.colour },
      lineStyle: {
        color: style.colour,
        width: style.widthPx ?? 1.5,
        type: style.dashed ? [4, 3] : 'solid',
        opacity: style.opacity ?? 1,
        join: 'round',
      },
    })
  }

  /** An area between two lines over the same places. */
  band(
    panel: number,
    points: readonly (readonly [number, number | null, number | null])[],
    colour: string,
  ): void {
    const stack = `band ${this.#series.length}`
    const base = (values: (readonly [number, number | null])[]) => ({
      ...this.#seriesBase('line', panel, values),
      stack,
      symbol: 'none',
      lineStyle: { width: 0, opacity: 0 },
    })
    this.#series.push(base(points.map(([x, low]) => [x, low])))
    const heights = points.map(
      ([x, low, high]) => [x, low === null || high === null ? null : high - low] as const,
    )
    this.#series.push({ ...base(heights), areaStyle: { color: colour, opacity: 1 } })
  }

  /** Bars side by side in each category, each with its value above. */
  bars(
    panel: number,
    values: readonly number[],
    style: { name: string; colour: string; format: (value: number) => string; labelled: boolean },
  ): void {
    this.#series.push({
      ...this.#seriesBase('bar', panel, values),
      name: style.name,
      barGap: '12%',
      barCategoryGap: '24%',
      itemStyle: { color: style.colour },
      label: {
        show: style.labelled,
        position: 'top',
        distance: 3,
        fontSize: 10,
        fontFamily: FONT,
        color: this.theme.softInk,
        formatter: ({ value }: { value: number }) => style.format(value),
      },
    })
  }

  text(text: string, x: number, y: number, style: TextStyle = {}): void {
    const {
      sizePx = LABEL_SIZE_PX,
      colour = this.theme.ink,
      align = 'left',
      bold = false,
      upright = false,
    } = style
    this.#mark('top', {
      type: 'text',
      x,
      y,
      ...(upright ? { rotation: Math.PI / 2 } : {}),
      style: {
        text,
        fill: colour,
        font: `${bold ? 600 : 400} ${sizePx}px ${FONT}`,
        textAlign: align,
        textVerticalAlign: upright ? 'middle' : 'top',
      },
    })
  }

  rect(box: Box, colour: string, layer: Layer = 'front', opacity = 1): void {
    const { left: x, top: y, width, height } = box
    this.#mark(layer, { type: 'rect', shape: { x, y, width, height }, style: { fill: colour, opacity } })
  }

  rule(
    from: readonly [number, number],
    to: readonly [number, number],
    colour: string,
    layer: Layer,
    dashed = false,
  ): void {
    const [x1, y1] = from
    const [x2, y2] = to
    this.#mark(layer, {
      type: 'line',
      shape: { x1, y1, x2, y2 },
      style: { stroke: colour, lineWidth: 1, ...(dashed ? { lineDash: [3, 3] } : {}) },
    })
  }

  /** Outlines of straight lines as one element: filled or, with a width, drawn as lines that stay open. */
  outlines(outlines: readonly Outline[], colour: string, layer: Layer = 'front', linePx?: number): void {
    const isOpen = linePx !== undefined
    const style = isOpen ? { fill: 'none', stroke: colour, lineWidth: linePx } : { fill: colour }
    this.#mark(layer, { type: OUTLINES, shape: { outlines, isOpen }, style })
  }

  drawing(heightPx: number): Drawing {
    const option = {
      animation: false,
      backgroundColor: this.theme.ground,
      textStyle: { fontFamily: FONT },
      grid: this.#grids,
      xAxis: this.#xAxes,
      yAxis: this.#yAxes,
      series: this.#series,
      graphic: { elements: this.#marks },
    }
    return { title: this.#title, option, widthPx: this.widthPx, heightPx: Math.ceil(heightPx) }
  }

  #mark(layer: Layer, element: object): void {
    this.#marks.push({ ...element, silent: true, z: Z[layer] })
  }

  #seriesBase(type: 'line' | 'bar', panel: number, data: readonly unknown[]) {
    const at = { xAxisIndex: panel, yAxisIndex: panel }
    return {
      type,
      ...at,
      data,
      silent: true,
      animation: false,
      emphasis: { disabled: true },
      connectNulls: false,
    }
  }
}

function wrapped(text: string, widthPx: number, sizePx: number): string[] {
  const lines: string[] = []
  for (const word of text.split(' ')) {
    const last = lines.at(-1)
    if (last !== undefined && textWidth(`${last} ${word}`, sizePx) <= widthPx)
      lines[lines.length - 1] = `${last} ${word}`
    else lines.push(word)
  }
  return lines
}
