/** A drawing as SVG text: the same text for the same drawing, legible on light and dark ground. */

import { BarChart, LineChart } from 'echarts/charts'
import { GraphicComponent, GridComponent } from 'echarts/components'
import { graphic, init, use } from 'echarts/core'
import { SVGRenderer } from 'echarts/renderers'
import { FONT } from './axes.js'
import type { Drawing } from './figure.js'
import { escaped } from './markup.js'
import { drawOutlines, OUTLINES, type OutlinesShape, type Pen } from './outlines.js'
import { colourPairs } from './theme.js'

use([BarChart, LineChart, GraphicComponent, GridComponent, SVGRenderer])
graphic.registerShape(
  OUTLINES,
  graphic.extendShape({
    type: OUTLINES,
    shape: { outlines: [], isOpen: false },
    buildPath: (pen: Pen, shape: OutlinesShape) => drawOutlines(pen, shape),
  }),
)

export interface SvgOptions {
  /** Prefix of all names inside: unique among the figures of one page. */
  readonly name: string
  /** Follows what the reader prefers; a drawing with the dark theme must not. */
  readonly adapts: boolean
}

/** The text begins with `<svg` and ends with a line break. */
export function renderSvg(
  { title, option, widthPx, heightPx }: Drawing,
  { name, adapts }: SvgOptions,
): string {
  const chart = init(null, null, { renderer: 'svg', ssr: true, width: widthPx, height: heightPx })
  try {
    chart.setOption(option)
    const text = tidy(chart.renderToSVGString({ useViewBox: true }), name)
    const sized = text.replace('<svg ', `<svg role="img" font-family="${FONT}" `)
    const head = `<title>${escaped(title)}</title>${adapts ? `\n${darkStyle()}` : ''}`
    return `${sized.replace('>', () => `>\n${head}`)}\n`
  } finally {
    chart.dispose()
  }
}

/**
 * Names that count instances, data and styles for scripts and pointers, and digits below a hundredth of a pixel only make
 * texts longer and differ from time to time.
 */
function tidy(svg: string, name: string): string {
  return (
    svg
      .replace(/<style >.*?<\/style>\s*/s, '')
      .replace(/ (?:class|pointer-events|ecmeta_[a-z_]+)="[^"]*"/g, '')
      .replace(/\bzr\d+-/g, `${name}-`)
      // Not every renderer reads the short form; the family is the root's.
      .replace(/font: ?(\d+) (\d+)px [^;"]+/g, 'font-size:$2px;font-weight:$1')
      .replace(/font-family:[^;"]+;?/g, '')
      .replace(/-?\d+\.\d{3,}/g, number => String(Number(Number(number).toFixed(2))))
  )
}

/** Attributes give way to a style, so this changes colours only where the reader prefers dark. */
function darkStyle(): string {
  const rules = colourPairs().map(
    ([light, dark]) => `[fill="${light}"]{fill:${dark}}[stroke="${light}"]{stroke:${dark}}`,
  )
  return `<style>@media (prefers-color-scheme:dark){\n${rules.join('\n')}\n}</style>`
}
