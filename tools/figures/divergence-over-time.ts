/** Replicas over time: with how many keys each was behind, and for how much of the time it lagged. */

import { staleKeysOverTime } from '../experiment/analysis/divergence.js'
import { type ReplicaLag, replicaLags } from '../experiment/analysis/lag.js'
import { duration } from '../text.js'
import { NO_AXIS } from './axes.js'
import { type Figure, NothingToDraw } from './figure.js'
import { heatMap, rowNames } from './heat-map.js'
import { countScale, heatLegend } from './heat-scale.js'
import { legend } from './legend.js'
import { nodeNames, shardName } from './node-names.js'
import { runLabel } from './run-label.js'
import { AXIS_LABELS_PX, MARGIN_PX, Sheet } from './sheet.js'
import { commonTime, faultsOverCells, TIME_NAME, timeAxis } from './time-panel.js'

const CELL_PX = 4
const ROW_PX = 13
const SHARD_GAP_PX = 22
const LAGGED_PX = 92
const LONGEST_PX = 56

export const divergenceOverTime: Figure = {
  name: 'divergence-over-time',
  about: 'replicas over time: keys whose newest version a replica lacked, and how long it lagged',
  of: 'run',
  draw([run], frame) {
    const span = commonTime(frame.comparedWith)
    const left = MARGIN_PX + AXIS_LABELS_PX
    const columns = Math.floor((frame.widthPx - left - 2 * MARGIN_PX - LAGGED_PX - LONGEST_PX) / CELL_PX)
    const rows = staleKeysOverTime(run!, span, columns)
    if (rows.every(({ staleKeys }) => staleKeys.every(value => value === null))) {
      throw new NothingToDraw('none of its nodes was sampled')
    }
    const largest = frame.comparedWith
      .flatMap(each => (each === run ? rows : staleKeysOverTime(each, span, columns)))
      .flatMap(({ staleKeys }) => staleKeys)
      .reduce<number>((most, value) => Math.max(most, value ?? 0), 0)
    const scale = countScale(largest, frame.theme)
    const lags = replicaLags(run!)
    const nameOf = nodeNames(run!)
    const sheet = new Sheet(frame)
    const under = sheet.title(
      'Replica divergence over time: keys whose newest version is missing (keys)',
      `${runLabel(run!)} At the right: share of its time under load that a replica lagged, and its longest stretch.`,
    )
    const width = columns * CELL_PX
    const values = rows.flatMap(({ staleKeys }) => staleKeys)
    const top = legend(sheet, heatLegend(scale, sheet.theme, values, 'silent'), under) + 2
    const lagged = left + width + 16
    sheet.text('lagged (%)', lagged, top, { colour: sheet.theme.softInk })
    sheet.text('longest', sheet.widthPx - MARGIN_PX, top, { align: 'right', colour: sheet.theme.softInk })
    let y = top
    for (const shard of new Set(rows.map(row => row.shard))) {
      const ofShard = rows.filter(row => row.shard === shard)
      sheet.text(shardName(shard), left, y, { colour: sheet.theme.softInk })
      y += SHARD_GAP_PX - 5
      const cells = { left, top: y, cellPx: CELL_PX, rowPx: ROW_PX, gapPx: 0 }
      const names = ofShard.map(({ node }) => nameOf(node))
      const cellRows = ofShard.map(({ staleKeys }) => staleKeys)
      const lagsOfShard = lags.filter(lag => lag.shard === shard)
      heatMap(sheet, cells, cellRows, scale)
      rowNames(sheet, names, left - 6, y, ROW_PX)
      laggedBars(sheet, lagsOfShard, lagged, y)
      y += ofShard.length * ROW_PX + 6
    }
    const box = { left, top: top + SHARD_GAP_PX - 5, width, height: y - 4 - (top + SHARD_GAP_PX - 5) }
    sheet.panel(box, timeAxis(span, width), NO_AXIS)
    const named = sheet.xName(box, TIME_NAME)
    return sheet.drawing(faultsOverCells(sheet, run!, box, span, named + 4) + 10)
  },
}

function laggedBars(sheet: Sheet, lags: readonly ReplicaLag[], left: number, top: number): void {
  const barPx = LAGGED_PX - 34
  for (const [row, { laggingMs, answeringMs, longestMs }] of lags.entries()) {
    const y = top + row * ROW_PX
    const share = answeringMs === 0 ? 0 : laggingMs / answeringMs
    sheet.rect({ left, top: y + 2, width: barPx, height: ROW_PX - 5 }, sheet.theme.heatNone)
    sheet.rect({ left, top: y + 2, width: barPx * share, height: ROW_PX - 5 }, sheet.theme.blue)
    sheet.text(`${Math.round(share * 100)}`, left + barPx + 24, y + 1, { sizePx: 10, align: 'right' })
    sheet.text(longestMs === 0 ? '0 s' : duration(longestMs), sheet.widthPx - MARGIN_PX, y + 1, {
      sizePx: 10,
      align: 'right',
    })
  }
}
