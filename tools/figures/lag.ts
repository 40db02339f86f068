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
  sheet.text(
    'under load, for each replica: share of the time that it lagged, longest stretch, entries behind',
    MARGIN_PX,
    top,
    {
      sizePx: 12,
      bold: true,
    },
  )
  const largest = Math.max(...shards.map(shard => lags.filter(each => each.shard === shard).length))
  const rowPx = (largest + 2) * ROW_PX + 20
  const boxes = facetBoxes(shards.length, sheet.widthPx, { top: top + 24, height: 0, rowPx })
  for (const [at, shard] of shards.entries()) {
    const { left, top: y } = boxes[at]!
    const soft = { sizePx: 10, colour: sheet.theme.softInk, align: 'right' } as const
    const columns = [left, left + 52, left + 100, left + 146, left + 190]
    const row = (texts: readonly string[], line: number, isHead: boolean) => {
      for (const [column, text] of texts.entries()) {
        const style = isHead || column === 0 ? soft : { ...soft, colour: sheet.theme.ink }
        sheet.text(text, columns[column]!, y + line * ROW_PX, style)
      }
    }
    row([shardName(shard), 'lagged', 'longest', 'median', 'p99'], 0, true)
    for (const [line, each] of lags.filter(lagged => lagged.shard === shard).entries()) {
      const share = each.answeringMs === 0 ? 0 : (100 * each.laggingMs) / each.answeringMs
      const longest = each.longestMs === 0 ? '0 s' : duration(each.longestMs)
      row(
        [
          nameOf(each.node),
          `${Math.round(share)} %`,
          longest,
          short(each.medianEntries),
          short(each.p99Entries),
        ],
        line + 1,
        false,
      )
    }
  }
  return boxes.at(-1)!.top + rowPx
}
