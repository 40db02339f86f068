/** Throughput and latency over time, with what was done to the cluster under it. */

import { loadTime } from '../experiment/analysis/load-time.js'
import { throughput as bucketsOf } from '../experiment/analysis/throughput.js'
import { type Figure, NothingToDraw } from './figure.js'
import { legend } from './legend.js'
import { decades, fromZero, roundStep, short } from './numbers.js'
import { runLabel } from './run-label.js'
import { AXIS_LABELS_PX, type Box, MARGIN_PX, Sheet } from './sheet.js'
import { commonTime, failoverLegend, faultTimeline, TIME_NAME, timeAxis } from './time-panel.js'

const PANEL_PX = 150
/** So narrow that a failover of half a second shows, so wide that the line stays calm. */
const BUCKETS_MAX = 240

export const throughput: Figure = {
  name: 'throughput',
  about: 'operations a second and latency over time, with the faults under them',
  of: 'run',
  draw([run], frame) {
    const { theme } = frame
    const span = commonTime(frame.comparedWith)
    const bucketMs = Math.max(100, roundStep(span.toMs - span.fromMs, BUCKETS_MAX))
    const all = frame.comparedWith.map(each => bucketsOf(each, span, bucketMs))
    const load = loadTime(run!)
    const buckets = bucketsOf(run!, { ...span, toMs: load.toMs }, bucketMs).filter(
      ({ fromMs }) => fromMs + bucketMs <= load.toMs,
    )
    if (run!.operations.length === 0) throw new NothingToDraw('it recorded no operations')
    const sheet = new Sheet(frame)
    const left = MARGIN_PX + AXIS_LABELS_PX
    const width = sheet.widthPx - left - MARGIN_PX
    const under = sheet.title(
      'Throughput (operations/s) and latency (ms) over time',
      `${runLabel(run!)} Steps of ${short(bucketMs)} ms; latency counts from when an operation was due to be sent.`,
    )
    const top = legend(
      sheet,
      [
        { name: 'answered', colour: theme.blue, mark: 'line' },
        { name: 'failed or unknown', colour: theme.vermilion, mark: 'line' },
        { name: 'latency, median', colour: theme.green, mark: 'line' },
        { name: 'latency, 99th percentile', colour: theme.orange, mark: 'line' },
        ...failoverLegend(run!, theme),
      ],
      under,
    )
    const rate: Box = { left, top: top + 22, width, height: PANEL_PX }
    const latency: Box = { left, top: rate.top + PANEL_PX + 42, width, height: PANEL_PX }
    const rates = all.flat().map(each => Math.max(each.answeredPerSecond, each.failedPerSecond))
    const latencies = all.flat().flatMap(each => [each.p50Ms ?? 0, each.p99Ms ?? 0])
    sheet.yName(rate, 'operations/s')
    const rateAxis = { ...fromZero(rates.reduce((a, b) => Math.max(a, b), 0)), format: short }
    const upper = sheet.panel(rate, timeAxis(span, width, true), rateAxis)
    sheet.yName(latency, 'latency (ms)')
    const lower = sheet.panel(latency, timeAxis(span, width), { ...decades(latencies), format: short })
    const points = <T>(value: (bucket: (typeof buckets)[number]) => T) =>
      buckets.map(each => [(each.fromMs + bucketMs / 2 - span.fromMs) / 1_000, value(each)] as const)
    sheet.line(
      upper,
      points(each => each.answeredPerSecond),
      { colour: theme.blue },
    )
    sheet.line(
      upper,
      points(each => each.failedPerSecond),
      { colour: theme.vermilion },
    )
    sheet.line(
      lower,
      points(each => each.p50Ms),
      { colour: theme.green },
    )
    sheet.line(
      lower,
      points(each => each.p99Ms),
      { colour: theme.orange },
    )
    const named = sheet.xName(latency, TIME_NAME)
    return sheet.drawing(faultTimeline(sheet, run!, [{ box: rate }, { box: latency }], span, named + 4) + 10)
  },
}
