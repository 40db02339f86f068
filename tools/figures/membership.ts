/** Who was head, middle and tail of each shard over time. */

import { type Role, roleSpans } from '../experiment/analysis/roles.js'
import { NO_AXIS } from './axes.js'
import { type Figure, NothingToDraw } from './figure.js'
import { rowNames } from './heat-map.js'
import { legend } from './legend.js'
import { nodeNames, shardName } from './node-names.js'
import type { Outline } from './outlines.js'
import { runLabel } from './run-label.js'
import { AXIS_LABELS_PX, MARGIN_PX, Sheet } from './sheet.js'
import type { Theme } from './theme.js'
import { commonTime, faultsOverCells, TIME_NAME, timeAxis, timeX } from './time-panel.js'

const SHARD_GAP_PX = 22
const FEW_ROWS = 12

const ROLE_NAMES: Readonly<Record<Role, string>> = {
  head: 'head',
  middle: 'middle',
  tail: 'tail',
  leaf: 'leaf',
  learner: 'learner',
  waiting: 'member of a shard that does not serve',
  out: 'no member',
}

export const membership: Figure = {
  name: 'membership',
  about: 'who was head, middle, tail, leaf or learner of each shard over time',
  of: 'run',
  draw([run], frame) {
    const span = commonTime(frame.comparedWith)
    const spans = roleSpans(run!, span.toMs)
    if (spans.length === 0) throw new NothingToDraw('it recorded no memberships')
    const { theme } = frame
    const nameOf = nodeNames(run!)
    const sheet = new Sheet(frame)
    const left = MARGIN_PX + AXIS_LABELS_PX
    const width = sheet.widthPx - left - MARGIN_PX
    const under = sheet.title(
      `Membership of each ${run!.about.topology} over time (s)`,
      `${runLabel(run!)} Replicas stand in the order that they had at first, the head on top.`,
    )
    const roles = (Object.keys(ROLE_NAMES) as Role[]).filter(role => spans.some(each => each.role === role))
    const colours = roleColours(theme)
    const items = roles.map(
      role => ({ name: ROLE_NAMES[role], colour: colours[role], mark: 'area' }) as const,
    )
    const top = legend(sheet, items, under)
    const nodesOf = (shard: string) => [
      ...new Set(spans.filter(each => each.shard === shard).map(each => each.node)),
    ]
    const shards = [...new Set(spans.map(({ shard }) => shard))]
    const rowPx = shards.flatMap(nodesOf).length <= FEW_ROWS ? 24 : 13
    let y = top
    for (const shard of shards) {
      const nodes = nodesOf(shard)
      sheet.text(shardName(shard), left, y, { colour: theme.softInk })
      y += SHARD_GAP_PX - 5
      rowNames(sheet, nodes.map(nameOf), left - 6, y, rowPx)
      const byColour = new Map<string, Outline[]>()
      for (const { node, role, fromMs, toMs } of spans.filter(each => each.shard === shard)) {
        const row = y + nodes.indexOf(node) * rowPx
        const [from, to] = [fromMs, toMs].map(ms => timeX({ left, width, top: 0, height: 0 }, span, ms)) as [
          number,
          number,
        ]
        const bar: Outline = [
          [from, row],
          [to, row],
          [to, row + rowPx - 2],
          [from, row + rowPx - 2],
        ]
        byColour.set(colours[role], [...(byColour.get(colours[role]) ?? []), bar])
      }
      for (const [colour, bars] of byColour) sheet.outlines(bars, colour)
      y += nodes.length * rowPx + 6
    }
    const box = { left, top: top + SHARD_GAP_PX - 5, width, height: y - 4 - (top + SHARD_GAP_PX - 5) }
    sheet.panel(box, timeAxis(span, width), NO_AXIS)
    const named = sheet.xName(box, TIME_NAME)
    return sheet.drawing(faultsOverCells(sheet, run!, box, span, named + 4) + 10)
  },
}

function roleColours({
  vermilion,
  band,
  blue,
  orange,
  quiet,
  heatNone,
}: Theme): Readonly<Record<Role, string>> {
  return {
    head: vermilion,
    middle: band,
    leaf: band,
    tail: blue,
    learner: orange,
    waiting: quiet,
    out: heatNone,
  }
}
