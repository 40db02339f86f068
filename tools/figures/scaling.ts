/** What runs of different sizes came to: throughput, latency and memory against size. */

import { type ScalingRow, scalingRows } from '../experiment/analysis/scaling.js'
import { plural } from '../text.js'
import type { Axis } from './axes.js'
import { facetBoxes } from './facets.js'
import { type Figure, NothingToDraw } from './figure.js'
import { legend } from './legend.js'
import { decades, fromZero, short } from './numbers.js'
import { type Box, Sheet } from './sheet.js'
import { textWidth } from './text-width.js'
import { seriesColours } from './theme.js'

const PANEL_PX = 170
const ROW_PX = PANEL_PX + 84

interface Measure {
  readonly name: string
  readonly of: (row: ScalingRow) => number
  readonly isLog?: boolean
  /** Drawn dashed in the same panel. */
  readonly beside?: (row: ScalingRow) => number
}

const MEASURES: readonly Measure[] = [
  { name: 'answered (operations/s)', of: row => row.operationsPerSecond, isLog: true },
  { name: 'median latency (ms)', of: row => row.p50Ms, isLog: true },
  { name: '99th percentile of latency (ms)', of: row => row.p99Ms, isLog: true },
  {
    name: 'memory of a process (MB): most; median dashed',
    of: row => row.rssBytesMax / 1e6,
    beside: row => row.rssBytesMedian / 1e6,
  },
]

export const scaling: Figure = {
  name: 'scaling',
  about: 'throughput, latency and memory against the number of replicas (or shards, or clients)',
  of: 'runs',
  draw(runs, frame) {
    // What was killed meanwhile says nothing of its size.
    const rows = scalingRows(runs.filter(({ faults }) => faults.length === 0))
    const size = varying(rows)
    if (size === undefined)
      throw new NothingToDraw('its runs have all the same numbers of replicas, shards and clients')
    const groups = byShape(rows, size)
    const sheet = new Sheet(frame)
    const under = sheet.title(
      `Throughput (operations/s), latency (ms) and memory (MB) against ${size}`,
      'One point a run, or a step of its ramp; axes are logarithmic but for memory. Latency counts from when an operation ' +
        'was due to be sent.',
    )
    const colours = seriesColours(sheet.theme)
    const colourOf = (at: number) => colours[at % colours.length]!
    const items = [...groups.keys()].map(
      (name, at) => ({ name, colour: colourOf(at), mark: 'line' }) as const,
    )
    const top = legend(sheet, items, under)
    const place = { top: top + 20, height: PANEL_PX, rowPx: ROW_PX, columnsMax: 2 }
    const sizes = [...new Set(rows.map(row => row[size]))].sort((a, b) => a - b)
    for (const [at, box] of facetBoxes(MEASURES.length, sheet.widthPx, place).entries()) {
      const { name, of, isLog, beside } = MEASURES[at]!
      sheet.yName(box, name)
      const axis = isLog ? decades(rows.map(of)) : fromZero(Math.max(...rows.map(of)))
      const panel = sheet.panel(box, sizeAxis(sheet, box, sizes), { ...axis, format: short })
      for (const [line, group] of [...groups.values()].entries()) {
        const sorted = [...group].sort((a, b) => a[size] - b[size])
        const pointsOf = (measure: (row: ScalingRow) => number) =>
          sorted.map(row => [Math.log2(row[size]), measure(row)] as const)
        sheet.line(panel, pointsOf(of), { colour: colourOf(line), widthPx: 2, dots: true })
        if (beside !== undefined)
          sheet.line(panel, pointsOf(beside), { colour: colourOf(line), dashed: true })
      }
      sheet.xName(box, SIZE_NAMES[size])
    }
    return sheet.drawing(top + 20 + 2 * ROW_PX - 34)
  },
}

/** The rows by what the cluster and its load are besides the size. */
function byShape(rows: readonly ScalingRow[], size: Size): Map<string, ScalingRow[]> {
  const groups = new Map<string, ScalingRow[]>()
  const differ = (of: (row: ScalingRow) => unknown) => new Set(rows.map(of)).size > 1
  const isByClients = size !== 'clients' && differ(row => row.clients)
  const isByMode = differ(row => row.consistency)
  for (const row of rows) {
    const mode = isByMode ? `, ${row.consistency}` : ''
    const name = `${row.topology}${mode}${isByClients ? `, ${plural(row.clients, 'client')}` : ''}`
    groups.set(name, [...(groups.get(name) ?? []), row])
  }
  return groups
}

type Size = 'replicas' | 'shards' | 'clients'

const SIZE_NAMES: Readonly<Record<Size, string>> = {
  replicas: 'replicas of a shard',
  shards: 'shards',
  clients: 'clients',
}

/** What the runs differ in: the first of the three sizes that is not always the same. */
function varying(rows: readonly ScalingRow[]): Size | undefined {
  return (['replicas', 'shards', 'clients'] as const).find(
    size => new Set(rows.map(row => row[size])).size > 1,
  )
}

/** An axis over the logarithms of the sizes, with the sizes themselves below it as far as there is room. */
function sizeAxis(sheet: Sheet, box: Box, sizes: readonly number[]): Axis {
  const low = Math.log2(sizes[0]!) - 0.2
  const high = Math.log2(sizes.at(-1)!) + 0.2
  let free = Number.NEGATIVE_INFINITY
  for (const each of sizes) {
    const x = box.left + (box.width * (Math.log2(each) - low)) / (high - low)
    const half = textWidth(short(each), 11) / 2
    if (x - half < free) continue
    free = x + half + 6
    sheet.text(short(each), x, box.top + box.height + 7, { align: 'center', colour: sheet.theme.softInk })
  }
  return { kind: 'value', min: low, max: high, step: high - low, bare: true, gridlines: false }
}
