/** Panels over time that stand above each other, and what was done to the cluster written under them. */

import { type Failover, failovers } from '../experiment/analysis/failovers.js'
import { shownTime, type TimeSpan } from '../experiment/analysis/load-time.js'
import type { FaultEvent } from '../experiment/record/events.js'
import type { RecordedRun } from '../experiment/record/recorded-run.js'
import type { Axis } from './axes.js'
import { faultLabels } from './fault-labels.js'
import type { LegendItem } from './legend.js'
import { nodeNames } from './node-names.js'
import { roundStep } from './numbers.js'
import type { Box, Layer, Sheet } from './sheet.js'
import type { Theme } from './theme.js'

export const TIME_NAME = 'time since the load began (s)'

/** A time axis in seconds; without labels where the panel below has them. */
export function timeAxis({ fromMs, toMs }: TimeSpan, widthPx: number, bare = false): Axis {
  const range = (toMs - fromMs) / 1_000
  const step = roundStep(range, Math.max(2, Math.floor(widthPx / 60)))
  return { kind: 'value', min: 0, max: range, step, bare, gridlines: false }
}

/** The same span for all of these runs, so that their figures can be laid on each other. */
export function commonTime(runs: readonly RecordedRun[]): TimeSpan {
  const spans = runs.map(shownTime)
  return {
    fromMs: Math.min(...spans.map(({ fromMs }) => fromMs)),
    toMs: Math.max(...spans.map(({ toMs }) => toMs)),
  }
}

/** Where a moment stands in a panel over the span. */
export function timeX({ left, width }: Box, { fromMs, toMs }: TimeSpan, ms: number): number {
  return left + (width * (Math.min(toMs, Math.max(fromMs, ms)) - fromMs)) / (toMs - fromMs)
}

/** A panel over time; with a shard where it shows no other. */
export interface TimePanel {
  readonly box: Box
  readonly shard?: string
}

/**
 * Marks faults in all of the panels, which stand above each other, and failovers in those of their shard or of all; and
 * writes from `top` on what each fault was, in rows where labels would meet. Returns where the next thing may begin.
 */
export function faultTimeline(
  sheet: Sheet,
  run: RecordedRun,
  panels: readonly TimePanel[],
  span: TimeSpan,
  top: number,
): number {
  for (const failover of failovers(run)) {
    for (const { box, shard } of panels) {
      if (shard === undefined || shard === failover.shard) markFailover(sheet, failover, box, span)
    }
  }
  return markFaults(sheet, run, panels, span, top, 'behind')
}

/** As `faultTimeline`, for a box full of cells: the marks stand in front of them and failovers have no shade. */
export function faultsOverCells(
  sheet: Sheet,
  run: RecordedRun,
  box: Box,
  span: TimeSpan,
  top: number,
): number {
  return markFaults(sheet, run, [{ box }], span, top, 'top')
}

function markFaults(
  sheet: Sheet,
  run: RecordedRun,
  panels: readonly TimePanel[],
  span: TimeSpan,
  top: number,
  layer: Layer,
): number {
  const faults = run.faults.filter(({ atMs }) => atMs >= span.fromMs && atMs <= span.toMs)
  const nameOf = nodeNames(run)
  const colour = layer === 'top' ? sheet.theme.ink : sheet.theme.fault
  const labels = faults.map(fault => {
    const x = timeX(panels[0]!.box, span, fault.atMs)
    for (const { box } of panels) sheet.rule([x, box.top], [x, box.top + box.height], colour, layer, true)
    return { x, text: faultLabel(fault, nameOf), seconds: (fault.atMs - span.fromMs) / 1_000 }
  })
  return faultLabels(sheet, labels, top)
}

/** Shades the time in which a shard was without its head. */
function markFailover(sheet: Sheet, { fromMs, toMs }: Failover, box: Box, span: TimeSpan): void {
  const left = timeX(box, span, fromMs)
  const width = Math.max(2, timeX(box, span, toMs) - left)
  sheet.rect({ left, top: box.top, width, height: box.height }, sheet.theme.failover, 'behind')
}

/** `kill head :5001`, `start :5001`, `pause coordinator`. */
function faultLabel(
  { action, target, node, problem }: FaultEvent,
  nameOf: (address: string) => string,
): string {
  const what = target === node || target === '' ? nameOf(node) : `${target.toLowerCase()} ${nameOf(node)}`
  return `${action} ${what}${problem === undefined ? '' : ' (failed)'}`
}

/** What the shade of a failover means, where there is one. */
export function failoverLegend(run: RecordedRun, theme: Theme): LegendItem[] {
  return failovers(run).length === 0 ? [] : [{ name: 'without a head', colour: theme.failover, mark: 'area' }]
}
