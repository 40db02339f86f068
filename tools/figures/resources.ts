/** CPU and memory of each process: over time for all together, and what each of them came to. */

import { type NodeUse, nodeUse } from '../experiment/analysis/node-use.js'
import { ascending, quantile } from '../experiment/analysis/sorted.js'
import { type Axis, NO_AXIS } from './axes.js'
import { facetBoxes } from './facets.js'
import { type Figure, NothingToDraw } from './figure.js'
import { rowNames } from './heat-map.js'
import { legend } from './legend.js'
import { nodeNames } from './node-names.js'
import { fromZero, short } from './numbers.js'
import type { Outline } from './outlines.js'
import { runLabel } from './run-label.js'
import { across, type TimePoint } from './series-buckets.js'
import { type Box, Sheet } from './sheet.js'
import { commonTime, timeAxis } from './time-panel.js'

const PANEL_PX = 130
const PARTS = 60
const ROW_PX = 14
const MB = 1e6

/** One of the two things that are measured, in the unit in which it is shown. */
interface Measure {
  readonly name: string
  readonly unit: string
  readonly of: (use: NodeUse) => readonly (number | null)[]
}

const MEASURES: readonly Measure[] = [
  { name: 'CPU', unit: '% of one core', of: ({ cpuPercent }) => cpuPercent },
  {
    name: 'memory',
    unit: 'resident MB',
    of: ({ rssBytes }) => rssBytes.map(bytes => (bytes === null ? null : bytes / MB)),
  },
]

export const resources: Figure = {
  name: 'resources',
  about: 'CPU and memory of every node over time, and the range of each',
  of: 'run',
  draw([run], frame) {
    const { theme } = frame
    const span = commonTime(frame.comparedWith)
    const uses = nodeUse(run!, span, PARTS)
    if (uses.length === 0) throw new NothingToDraw('none of its nodes was sampled')
    const compared = frame.comparedWith.flatMap(each => nodeUse(each, span, PARTS))
    const sheet = new Sheet(frame)
    const under = sheet.title('CPU (% of one core) and memory (MB) per node', runLabel(run!))
    const top = legend(
      sheet,
      [
        { name: 'median of the nodes', colour: theme.blue, mark: 'line' },
        { name: 'from the least to the most of them', colour: theme.band, mark: 'area' },
      ],
      under,
    )
    const above = facetBoxes(2, sheet.widthPx, { top: top + 20, height: PANEL_PX, rowPx: 0 })
    const order = Object.values(run!.about.shards).flat()
    const rows = [...uses].sort((a, b) => placeOf(order, a.node) - placeOf(order, b.node))
    const below = facetBoxes(2, sheet.widthPx, {
      top: top + PANEL_PX + 104,
      height: rows.length * ROW_PX + 4,
      rowPx: 0,
    })
    const seconds = (span.toMs - span.fromMs) / 1_000
    for (const [at, measure] of MEASURES.entries()) {
      const lines = uses.map(use =>
        measure.of(use).map((value, part): TimePoint => [((part + 0.5) * seconds) / PARTS, value]),
      )
      const most = compared.flatMap(measure.of).reduce<number>((a, b) => Math.max(a, b ?? 0), 0)
      const axis = { ...fromZero(most), format: short }
      sheet.yName(above[at]!, `${measure.name} (${measure.unit})`)
      const panel = sheet.panel(above[at]!, timeAxis(span, above[at]!.width), axis)
      drawTogether(sheet, panel, lines)
      sheet.xName(above[at]!, 'time since the load began (s)')
      drawRanges(sheet, below[at]!, rows, measure, { ...axis, gridlines: true })
      rowNames(
        sheet,
        rows.map(({ node }) => node).map(nodeNames(run!)),
        below[at]!.left - 6,
        below[at]!.top + 2,
        ROW_PX,
      )
    }
    const named = MEASURES.map(({ name, unit }, at) => sheet.xName(below[at]!, `${name} (${unit})`))
    sheet.text(
      'each node: its least and most in a step of time (line) and its mean (dot)',
      16,
      below[0]!.top - 24,
      {
        sizePx: 12,
        bold: true,
      },
    )
    return sheet.drawing(named[0]! + 10)
  },
}

function drawTogether(sheet: Sheet, panel: number, lines: readonly TimePoint[][]): void {
  const low = across(lines, values => Math.min(...values))
  const high = across(lines, values => Math.max(...values))
  sheet.band(
    panel,
    low.map(([x, value], at) => [x, value, high[at]![1]]),
    sheet.theme.band,
  )
  sheet.line(
    panel,
    across(lines, values => quantile(ascending(values), 0.5)!),
    { colour: sheet.theme.blue, widthPx: 2 },
  )
}

function drawRanges(
  sheet: Sheet,
  box: Box,
  rows: readonly NodeUse[],
  measure: Measure,
  axis: Axis & { kind: 'value' },
): void {
  sheet.panel(box, axis, NO_AXIS)
  const lines: Outline[] = []
  const dots: Outline[] = []
  for (const [row, use] of rows.entries()) {
    const values = measure.of(use).filter(value => value !== null)
    if (values.length === 0) continue
    const y = box.top + 2 + row * ROW_PX + (ROW_PX - 1) / 2
    const x = (value: number) => box.left + (box.width * value) / axis.max
    const mean = x(values.reduce((sum, value) => sum + value, 0) / values.length)
    lines.push([
      [x(Math.min(...values)), y],
      [x(Math.max(...values)), y],
    ])
    dots.push([
      [mean - 3, y],
      [mean, y - 3],
      [mean + 3, y],
      [mean, y + 3],
    ])
  }
  sheet.outlines(lines, sheet.theme.quiet, 'front', 2)
  sheet.outlines(dots, sheet.theme.blue, 'top')
}

/** In the tree's first order; who is not in it comes last. */
function placeOf(order: readonly string[], node: string): number {
  const place = order.indexOf(node)
  return place === -1 ? order.length : place
}
