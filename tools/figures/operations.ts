/** Operations per shard by type. */

import { operationCounts } from '../experiment/analysis/operation-counts.js'
import { plural } from '../text.js'
import { facetBoxes } from './facets.js'
import { type Figure, NothingToDraw } from './figure.js'
import { legend } from './legend.js'
import { shardName } from './node-names.js'
import { BAR_HEADROOM, fromZero, short } from './numbers.js'
import { Sheet } from './sheet.js'

const PANEL_PX = 190
const SMALL_PX = 110
/** What three bars with numbers on them need. */
const BAR_LABELS_PX = 84

export const operations: Figure = {
  name: 'operations',
  about: 'operations per shard: SET, GET and DELETE, and SCAN where there are any',
  of: 'runs',
  draw(runs, frame) {
    const { theme } = frame
    const counts = runs.map(operationCounts)
    const largest = frame.comparedWith
      .flatMap(operationCounts)
      .map(each => Math.max(each.set, each.get, each.delete, each.scan))
    if (Math.max(0, ...largest) === 0) {
      throw new NothingToDraw('it recorded no operations')
    }
    const sheet = new Sheet(frame)
    const total = runs.reduce((sum, run) => sum + run.operations.length, 0)
    const under = sheet.title(
      'Operations per shard (count)',
      `${plural(total, 'operation')} in ${plural(runs.length, 'run')}, failed ones included.`,
    )
    const hasScans = frame.comparedWith.flatMap(operationCounts).some(({ scan }) => scan > 0)
    const types = [
      { type: 'set', name: 'SET', colour: theme.blue },
      { type: 'get', name: 'GET', colour: theme.orange },
      { type: 'delete', name: 'DELETE', colour: theme.purple },
      ...(hasScans ? [{ type: 'scan', name: 'SCAN', colour: theme.green } as const] : []),
    ] as const
    const top = legend(
      sheet,
      types.map(({ name, colour }) => ({ name, colour, mark: 'area' })),
      under,
    )
    const columnsMax = runs.length <= 4 ? 2 : 4
    const height = runs.length <= 4 ? PANEL_PX : SMALL_PX
    const boxes = facetBoxes(runs.length, sheet.widthPx, {
      top: top + 20,
      height,
      rowPx: height + 76,
      columnsMax,
    })
    const axis = { ...fromZero(BAR_HEADROOM * Math.max(...largest)), format: short }
    for (const [at, run] of runs.entries()) {
      const box = boxes[at]!
      sheet.yName(box, `${run.name}: operations`)
      const names = counts[at]!.map(({ shard }) => shardName(shard).replace('shard ', ''))
      const labelled = names.length * BAR_LABELS_PX <= box.width
      const panel = sheet.panel(box, { kind: 'category', names }, axis)
      for (const { type, name, colour } of types) {
        const values = counts[at]!.map(each => each[type])
        sheet.bars(panel, values, { name, colour, format: short, labelled })
      }
      sheet.xName(box, 'shard')
    }
    return sheet.drawing(boxes.at(-1)!.top + height + 50)
  },
}
