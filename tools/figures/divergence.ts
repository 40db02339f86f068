/** Replicas by keys: how many versions each replica was behind, and for how much of the time. */

import { divergence as divergenceOf, type ShardDivergence } from '../experiment/analysis/divergence.js'
import { type Figure, NothingToDraw } from './figure.js'
import { heatMap, rowNames } from './heat-map.js'
import { countScale, type HeatScale, heatLegend, SHARE_SCALE } from './heat-scale.js'
import { legend } from './legend.js'
import { nodeNames, shardName } from './node-names.js'
import { runLabel } from './run-label.js'
import { AXIS_LABELS_PX, MARGIN_PX, Sheet } from './sheet.js'
import { textWidth } from './text-width.js'

const SHARDS_A_ROW = 3
const KEYS_MAX = 40
const CELL_PX = 14
const ROW_PX = 14

type Values = readonly (readonly (number | null)[])[]

export const divergence: Figure = {
  name: 'divergence',
  about:
    'replicas by keys: versions behind when the load ended, and share of the time without the newest version',
  of: 'run',
  draw([run], frame) {
    const across = Math.min(SHARDS_A_ROW, Object.keys(run!.about.shards).length)
    const facetPx = Math.floor((frame.widthPx - 2 * MARGIN_PX) / across)
    const keysMax = Math.min(KEYS_MAX, Math.floor((facetPx - AXIS_LABELS_PX) / CELL_PX))
    const shards = divergenceOf(run!, keysMax)
    if (shards.every(({ keys }) => keys.length === 0)) throw new NothingToDraw('its log holds no writes')
    const compared = frame.comparedWith.flatMap(each => divergenceOf(each, keysMax))
    const largest = compared
      .flatMap(({ behind }) => behind.flat())
      .reduce<number>((most, value) => Math.max(most, value ?? 0), 0)
    const nameOf = nodeNames(run!)
    const sheet = new Sheet(frame)
    const under = sheet.title(
      'Replica divergence: versions behind the head, and share of the time behind (%)',
      `${runLabel(run!)} Columns: each shard’s most written keys, the most written first.`,
    )
    const block = (name: string, of: (shard: ShardDivergence) => Values, scale: HeatScale, top: number) => {
      sheet.text(name, MARGIN_PX, top, { sizePx: 12, bold: true })
      let y = legend(sheet, heatLegend(scale, sheet.theme, shards.flatMap(of).flat(), 'never seen'), top + 19)
      for (let at = 0; at < shards.length; at += across) {
        const row = shards.slice(at, at + across)
        const ends = row.map((shard, column) => {
          const left = MARGIN_PX + column * facetPx + AXIS_LABELS_PX
          return facet(sheet, shard, of(shard), scale, nameOf, left, y)
        })
        y = Math.max(...ends)
      }
      return y
    }
    const ended = block(
      'versions behind when the load ended',
      ({ behind }) => behind,
      countScale(largest, sheet.theme),
      under + 4,
    )
    const shares = ({ staleShare }: ShardDivergence) =>
      staleShare.map(row => row.map(value => (value === null ? null : value * 100)))
    return sheet.drawing(
      block('share of the load’s time without the newest version (%)', shares, SHARE_SCALE, ended + 10),
    )
  },
}

/** One shard's replicas by keys. Returns where the next thing may begin. */
function facet(
  sheet: Sheet,
  { shard, keys, nodes }: ShardDivergence,
  values: Values,
  scale: HeatScale,
  nameOf: (address: string) => string,
  left: number,
  top: number,
): number {
  sheet.text(shardName(shard), left, top, { colour: sheet.theme.softInk })
  const cellsTop = top + 18
  const rows = nodes.map((_, replica) => values.map(ofKey => ofKey[replica]!))
  heatMap(sheet, { left, top: cellsTop, cellPx: CELL_PX, rowPx: ROW_PX, gapPx: 1 }, rows, scale)
  rowNames(sheet, nodes.map(nameOf), left - 6, cellsTop, ROW_PX)
  const bottom = cellsTop + nodes.length * ROW_PX
  const names = keys.map(keyName)
  for (const [column, name] of names.entries()) {
    sheet.text(name, left + column * CELL_PX + (CELL_PX - 1) / 2, bottom + 5, {
      sizePx: 10,
      align: 'right',
      upright: true,
      colour: sheet.theme.softInk,
    })
  }
  return bottom + 14 + Math.max(0, ...names.map(name => textWidth(name, 10)))
}

function keyName(key: string): string {
  return key.length <= 12 ? key : `${key.slice(0, 4)}…${key.slice(-7)}`
}
