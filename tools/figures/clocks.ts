/** Logical clocks against the time of the system: of each shard's head and of its other replicas. */

import { type ClockReading, type ReplicaClock, replicaClocks } from '../experiment/analysis/clocks.js'
import { type Figure, NothingToDraw } from './figure.js'
import { legend } from './legend.js'
import { shardName } from './node-names.js'
import { decadesFromNothing, fromZero, NOTHING, short } from './numbers.js'
import { runLabel } from './run-label.js'
import { peaks, type TimePoint } from './series-buckets.js'
import { AXIS_LABELS_PX, type Box, MARGIN_PX, Sheet } from './sheet.js'
import {
  commonTime,
  failoverLegend,
  faultTimeline,
  TIME_NAME,
  type TimePanel,
  timeAxis,
} from './time-panel.js'

const CLOCK_PX = 120
const BEHIND_PX = 76
const GAP_PX = 36
/** Of a line: enough for peaks to show, few enough that 33 replicas make a small file. */
const POINTS = 120

export const clocks: Figure = {
  name: 'clocks',
  about: 'logical clock of every head and replica against system time, with failovers marked',
  of: 'run',
  draw([run], frame) {
    const { theme } = frame
    const span = commonTime(frame.comparedWith)
    const all = frame.comparedWith.flatMap(replicaClocks)
    const own = replicaClocks(run!).filter(({ readings }) => readings.length > 0)
    if (own.length === 0) throw new NothingToDraw('none of its nodes was sampled')
    const sheet = new Sheet(frame)
    const under = sheet.title(
      'Logical clocks (Lamport stamps) against system time (s)',
      `${runLabel(run!)} Below each shard, how far its replicas were behind.`,
    )
    const items = [
      { name: 'head', colour: theme.vermilion, mark: 'line' } as const,
      { name: 'other replicas', colour: theme.blue, mark: 'line' } as const,
    ]
    const top = legend(sheet, [...items, ...failoverLegend(run!, theme)], under)
    const clockAxis = { ...fromZero(largest(all, ({ lamport }) => lamport)), format: short }
    const behindAxis = decadesFromNothing(largest(all, ({ behind }) => behind))
    const left = MARGIN_PX + AXIS_LABELS_PX
    const width = sheet.widthPx - left - MARGIN_PX
    const shards = [...new Set(own.map(({ shard }) => shard))]
    const panels: TimePanel[] = []
    let y = top + 20
    for (const [at, shard] of shards.entries()) {
      const ofShard = own.filter(clock => clock.shard === shard)
      const upper: Box = { left, top: y, width, height: CLOCK_PX }
      const lower: Box = { left, top: y + CLOCK_PX + GAP_PX, width, height: BEHIND_PX }
      sheet.yName(upper, `${shardName(shard)}: Lamport stamp`)
      sheet.yName(lower, `${shardName(shard)}: behind its head (stamps)`)
      const clockPanel = sheet.panel(upper, timeAxis(span, width, true), clockAxis)
      const behindPanel = sheet.panel(lower, timeAxis(span, width, at < shards.length - 1), behindAxis)
      const lineOf = (clock: ReplicaClock, value: (reading: ClockReading) => number | null) =>
        peaks(
          clock.readings.map(({ atMs }) => atMs),
          clock.readings.map(value),
          span,
          POINTS,
        )
      drawClocks(sheet, clockPanel, ofShard, lineOf)
      drawBehind(sheet, behindPanel, ofShard, lineOf)
      panels.push({ box: upper, shard }, { box: lower, shard })
      y += CLOCK_PX + GAP_PX + BEHIND_PX + GAP_PX
    }
    const whole: Box = { left, top: top + 20, width, height: y - GAP_PX - (top + 20) }
    const named = sheet.xName(whole, TIME_NAME)
    return sheet.drawing(faultTimeline(sheet, run!, panels, span, named + 4) + 10)
  },
}

type LineOf = (clock: ReplicaClock, value: (reading: ClockReading) => number | null) => TimePoint[]

/** The head's line is wide and behind the others, as it stands where theirs are. */
function drawClocks(sheet: Sheet, panel: number, replicas: readonly ReplicaClock[], lineOf: LineOf): void {
  const { vermilion, blue } = sheet.theme
  for (const clock of replicas) {
    const points = lineOf(clock, ({ isHead, lamport }) => (isHead ? lamport : null))
    if (hasValues(points)) sheet.line(panel, points, { colour: vermilion, widthPx: 4 })
  }
  for (const clock of replicas) {
    const points = lineOf(clock, ({ isHead, lamport }) => (isHead ? null : lamport))
    if (hasValues(points)) sheet.line(panel, points, { colour: blue, widthPx: 1 })
  }
}

function drawBehind(sheet: Sheet, panel: number, replicas: readonly ReplicaClock[], lineOf: LineOf): void {
  for (const clock of replicas) {
    const points = lineOf(clock, ({ isHead, behind }) => (isHead ? null : Math.max(NOTHING, behind)))
    if (hasValues(points)) sheet.line(panel, points, { colour: sheet.theme.blue, widthPx: 1, opacity: 0.6 })
  }
}

function hasValues(points: readonly TimePoint[]): boolean {
  return points.some(([, value]) => value !== null)
}

function largest(clocks: readonly ReplicaClock[], of: (reading: ClockReading) => number): number {
  return clocks.reduce(
    (most, { readings }) => readings.reduce((more, each) => Math.max(more, of(each)), most),
    0,
  )
}
