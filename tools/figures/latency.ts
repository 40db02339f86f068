/** Latency distributions by mode: how long the slowest one of ten, a hundred, a thousand took. */

import {
  type LatencyDistribution,
  latencyDistributions,
} from '../experiment/analysis/latency-distribution.js'
import type { RecordedRun } from '../experiment/record/recorded-run.js'
import type { Axis } from './axes.js'
import { facetBoxes } from './facets.js'
import { type Figure, NothingToDraw } from './figure.js'
import { legend } from './legend.js'
import { decades, short } from './numbers.js'
import { runColours } from './run-colours.js'
import { type Box, Sheet } from './sheet.js'

const PANEL_PX = 240
const TOGETHER_MAX = 6
/** 50 % stands at 0.3 nines. */
const NINES_FIRST = Math.log10(2)
const TICKS = [
  [NINES_FIRST, '50'],
  [1, '90'],
  [2, '99'],
  [3, '99.9'],
  [4, '99.99'],
  [5, '99.999'],
] as const

export const latency: Figure = {
  name: 'latency',
  about: 'latency distribution (HDR percentiles) of reads and writes by run',
  of: 'runs',
  draw(runs, frame) {
    const all = new Map(frame.comparedWith.map(run => [run, latencyDistributions(run)]))
    const compared = [...all.values()].flat().flatMap(({ points }) => points)
    if (compared.length === 0) throw new NothingToDraw('none of its operations was answered')
    const sheet = new Sheet(frame)
    const under = sheet.title(
      'Latency distribution (ms) by percentile (%)',
      'From when an operation was due to be sent until its answer; both axes are logarithmic.',
    )
    const scales = {
      axis: { ...decades(compared.map(({ latencyMs }) => latencyMs)), format: short },
      lastNines: Math.ceil(compared.reduce((most, { nines }) => Math.max(most, nines), 1) * 4) / 4,
    }
    let y = under
    for (const group of groupsOf(runs)) {
      const own = group.map(run => ({ run, of: all.get(run) ?? latencyDistributions(run) }))
      y = drawGroup(sheet, own, scales, y)
    }
    const hasUnusual = runs.some(run => all.get(run)?.some(each => isUnusual(run, each)))
    if (!hasUnusual) return sheet.drawing(y)
    const note =
      'Dashed: operations with another consistency than the run’s; of a mixed run those that are not strong.'
    sheet.text(note, boxesAt(sheet, y)[0]!.left, y, { colour: sheet.theme.softInk })
    return sheet.drawing(y + 24)
  },
}

interface Distributions {
  readonly run: RecordedRun
  readonly of: readonly LatencyDistribution[]
}

interface Scales {
  readonly axis: Axis
  readonly lastNines: number
}

/** All together if each can have a colour of its own, else by topology and consistency. */
function groupsOf(runs: readonly RecordedRun[]): RecordedRun[][] {
  if (runs.length <= TOGETHER_MAX) return [[...runs]]
  const groups = new Map<string, RecordedRun[]>()
  for (const run of runs) {
    const name = `${run.about.topology} ${run.about.consistency}`
    groups.set(name, [...(groups.get(name) ?? []), run])
  }
  return [...groups.values()]
}

/** A legend, and under it the writes and the reads of the runs. Returns where the next thing may begin. */
function drawGroup(
  sheet: Sheet,
  group: readonly Distributions[],
  { axis, lastNines }: Scales,
  top: number,
): number {
  const colours = runColours(
    group.map(({ run }) => run),
    sheet.theme,
  )
  const items = group.map(({ run }, at) => ({ name: run.name, colour: colours[at]!, mark: 'line' }) as const)
  const boxes = boxesAt(sheet, legend(sheet, items, top) + 20)
  for (const [at, kind] of (['write', 'read'] as const).entries()) {
    const box = boxes[at]!
    sheet.yName(box, `${kind}s: latency (ms)`)
    const panel = sheet.panel(box, ninesAxis(sheet, box, lastNines), axis)
    for (const [place, { run, of }] of group.entries()) {
      for (const each of of.filter(distribution => distribution.kind === kind)) {
        sheet.line(panel, pointsOf(each), {
          colour: colours[place]!,
          widthPx: 2,
          dashed: isUnusual(run, each),
        })
      }
    }
    sheet.xName(box, 'percentile (%)')
  }
  return boxes[0]!.top + PANEL_PX + 54
}

function boxesAt(sheet: Sheet, top: number): Box[] {
  return facetBoxes(2, sheet.widthPx, { top, height: PANEL_PX, rowPx: 0 })
}

function pointsOf({ points }: LatencyDistribution) {
  return points.map(({ nines, latencyMs }) => [nines, latencyMs] as const)
}

/** Of a mixed run, whose clients are strong and weak in turn, the weak half is the dashed one. */
function isUnusual({ about }: RecordedRun, { consistency }: LatencyDistribution): boolean {
  return consistency !== (about.consistency === 'mixed' ? 'strong' : about.consistency)
}

/** An axis without labels of its own: the percentiles that people know are written below it. */
function ninesAxis(sheet: Sheet, box: Box, last: number): Axis {
  for (const [nines, name] of TICKS) {
    if (nines > last) continue
    const x = box.left + (box.width * (nines - NINES_FIRST)) / (last - NINES_FIRST)
    sheet.rule([x, box.top], [x, box.top + box.height], sheet.theme.gridline, 'behind')
    sheet.text(name, x, box.top + box.height + 7, { align: 'center', colour: sheet.theme.softInk })
  }
  return { kind: 'value', min: NINES_FIRST, max: last, step: last, bare: true, gridlines: false }
}
