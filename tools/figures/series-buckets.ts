/** Many samples as few points: a line of a figure needs no more than it has pixels. */

import { heldOver } from '../experiment/analysis/hold-over.js'
import type { TimeSpan } from '../experiment/analysis/load-time.js'

/** A point of a line: seconds since the span's begin, and a value or, where nothing was known, null. */
export type TimePoint = readonly [seconds: number, value: number | null]

/** The greatest value of each of `count` equal parts of the span, at the part's middle; null where there is none. */
export function peaks(
  atMs: readonly number[],
  values: readonly (number | null)[],
  { fromMs, toMs }: TimeSpan,
  count: number,
): TimePoint[] {
  const partMs = (toMs - fromMs) / count
  const most = new Array<number | null>(count).fill(null)
  for (const [place, ms] of atMs.entries()) {
    const part = Math.floor((ms - fromMs) / partMs)
    const value = values[place] ?? null
    if (value === null || part < 0 || part >= count) continue
    most[part] = Math.max(most[part] ?? value, value)
  }
  return heldOver(most, atMs, partMs).map((value, part) => [((part + 0.5) * partMs) / 1_000, value])
}

/** Point by point what `of` makes of the values that several lines over the same places have there; null of none. */
export function across(
  lines: readonly (readonly TimePoint[])[],
  of: (values: number[]) => number,
): TimePoint[] {
  return (lines[0] ?? []).map(([seconds], place) => {
    const values = lines.map(line => line[place]![1]).filter(value => value !== null)
    return [seconds, values.length === 0 ? null : of(values)]
  })
}
