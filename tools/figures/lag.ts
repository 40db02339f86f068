/** How many entries each replica's log was behind its head's over time, and what that came to. */

import { type ReplicaLag, replicaLags } from '../experiment/analysis/lag.js'
import { ascending, quantile } from '../experiment/analysis/sorted.js'
import { duration } from '../text.js'
import { facetBoxes } from './facets.js'
import { type Figure, NothingToDraw } from './figure.js'
import { type LegendItem, legend } from './legend.js'
import { nodeNames, shardName } from './node-names.js'
import { decadesFromNothing, NOTHING, short } from './numbers.js'
import { runLabel } from './run-label.js'
import { across, peaks, type TimePoint } from './series-buckets.js'
import { AXIS_LABELS_PX, type Box, MARGIN_PX, Sheet } from './sheet.js'
import { seriesColours } from './theme.js'
import {
  commonTime,
  failoverLegend,
  faultTimeline,
  TIME_NAME,
  type TimePanel,
  timeAxis,
} from './time-panel.js'

const PANEL_PX = 120
const GAP_PX = 38
const POINTS = 120
const ROW_PX = 14
/** Right ends of a table's columns, from where a panel would begin, and what a table needs in all. */
const COLUMNS_PX = [0, 52, 100, 146, 190]
const TABLE_PX = 246
const TABLE_ROWS_MAX = 20
/** So many replicas have a colour each; of more the middle and the last are shown. */
const FEW = 6

export const lag: Figure = {
  name: 'lag',
  about: 'entries that each replica was behind its head over time, and how long it lagged',
  of: 'run',
  draw([run], frame) {
    const span = commonTime(frame.comparedWith)
    const lags = replicaLags(run!)
    if (lags.every(({ atMs }) => atMs.length === 0)) throw new NothingToDraw('none of its nodes was sampled')
    const all = frame.comparedWith.flatMap(replicaLags)
    const axis = decadesFromNothing(
      all.reduce((most, { entriesBehind }) => entriesBehind.reduce((a, b) => Math.max(a, b), most), 0),
    )
    const nameOf = nodeNames(run!)
    const sheet = new Sheet(frame)
    const under = sheet.title(
      'Replication lag (entries behind the head) over time',
      `${runLabel(run!)} Peaks of each step of time, logarithmic with 0 at the foot.`,
    )
    const shards = [...new Set(lags.map(({ shard }) => shard))]
    const isFew = lags.length <= FEW
    const items = isFew ? replicaItems(lags, nameOf, sheet) : groupItems(sheet)
    const top = legend(sheet, [...items, ...failoverLegend(run!, sheet.theme)], under) + 20
    const left = MARGIN_PX + AXIS_LABELS_PX
    const width = sheet.widthPx - left - MARGIN_PX
    const panels: TimePanel[] = []
    for (const [at, shard] of shards.entries()) {
      const box: Box = { left, top: top + at * (PANEL_PX + GAP_PX), width, height: PANEL_PX }
      panels.push({ box, shard })
      sheet.yName(box, `${shardName(shard)}: entries behind the head`)
      const panel = sheet.panel(box, timeAxis(span, width, at < shards.length - 1), axis)
      const lines = lags
        .filter(each => each.shard === shard)
        .map(({ atMs, entriesBehind }) =>
          peaks(
            atMs,
            entriesBehind.map(entries => Math.max(NOTHING, entries)),
            span,
            POINTS,
          ),
        )
      if (isFew) drawFew(sheet, panel, lines)
      else drawMany(sheet, panel, lines)
    }
    const whole: Box = { left, top, width, height: shards.length * (PANEL_PX + GAP_PX) - GAP_PX }
    const named = sheet.xName(whole, TIME_NAME)
    const marked = faultTimeline(sheet, run!, panels, span, named + 4)
    return sheet.drawing(tables(sheet, shards, lags, nameOf, marked + 14))
  },
}

function replicaItems(
  lags: readonly ReplicaLag[],
  nameOf: (address: string) => string,
  { theme }: Sheet,
): LegendItem[] {
  return lags.map(({ node }, at) => ({ name: nameOf(node), colour: seriesColours(theme)[at]!, mark: 'line' }))
}

function groupItems({ theme }: Sheet): LegendItem[] {
  return [
    { name: 'each replica', colour: theme.quiet, mark: 'line' },
    { name: 'median of the replicas', colour: theme.blue, mark: 'line' },
    { name: 'furthest behind', colour: theme.vermilion, mark: 'line' },
  ]
}

function drawFew(sheet: Sheet, panel: number, lines: readonly TimePoint[][]): void {
  const colours = seriesColours(sheet.theme)
  for (const [at, points] of lines.entries()) sheet.line(panel, points, { colour: colours[at]! })
}

function drawMany(sheet: Sheet, panel: number, lines: readonly TimePoint[][]): void {
  const { quiet, blue, vermilion } = sheet.theme
  for (const points of lines) sheet.line(panel, points, { colour: quiet, widthPx: 1, opacity: 0.45 })
  sheet.line(
    panel,
    across(lines, values => quantile(ascending(values), 0.5)!),
    { colour: blue, widthPx: 2 },
  )
  sheet.line(
    panel,
    across(lines, values => Math.max(...values)),
    { colour: vermilion },
  )
}

/** What each replica's lag came to, a table for each shard. Returns where the next thing may begin. */
function tables(
  sheet: Sheet,
  shards: readonly string[],
  lags: readonly ReplicaLag[],
  nameOf: (address: string) => string,
  top: number,
): number {
  const heading = 'under load: share of the time that a replica lagged, longest stretch, entries behind'
  sheet.text(heading, MARGIN_PX, top, { sizePx: 12, bold: true })
  const blocks = shards.flatMap(shard => {
    const rows = lags.filter(lagged => lagged.shard === shard)
    const starts = [...Array(Math.ceil(rows.length / TABLE_ROWS_MAX)).keys()].map(
      block => block * TABLE_ROWS_MAX,
    )
    return starts.map(start => ({ shard, rows: rows.slice(start, start + TABLE_ROWS_MAX) }))
  })
  const rowPx = (Math.max(...blocks.map(({ rows }) => rows.length)) + 2) * ROW_PX
  const columnsMax = Math.floor((sheet.widthPx - 2 * MARGIN_PX) / TABLE_PX)
  const boxes = facetBoxes(blocks.length, sheet.widthPx, { top: top + 24, height: 0, rowPx, columnsMax })
  for (const [at, { shard, rows }] of blocks.entries()) {
    const { left, top: y } = boxes[at]!
    tableRow(sheet, left, y, [shardName(shard), 'lagged', 'longest', 'median', 'p99'], true)
    for (const [line, each] of rows.entries()) {
      tableRow(sheet, left, y + (line + 1) * ROW_PX, [nameOf(each.node), ...lagTexts(each)], false)
    }
  }
  return boxes.at(-1)!.top + rowPx
}

function lagTexts({ laggingMs, answeringMs, longestMs, medianEntries, p99Entries }: ReplicaLag): string[] {
  const share = answeringMs === 0 ? 0 : (100 * laggingMs) / answeringMs
  const longest = longestMs === 0 ? '0 s' : duration(longestMs)
  return [`${Math.round(share)} %`, longest, short(medianEntries), short(p99Entries)]
}

/** Texts with their right ends at the columns; heads and the first column are of lesser weight. */
function tableRow(sheet: Sheet, left: number, top: number, texts: readonly string[], isHead: boolean): void {
  const { softInk, ink } = sheet.theme
  for (const [column, text] of texts.entries()) {
    const colour = isHead || column === 0 ? softInk : ink
    sheet.text(text, left + COLUMNS_PX[column]!, top, { sizePx: 10, align: 'right', colour })
  }
}
