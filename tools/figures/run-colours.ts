/** A colour for each of several runs. */

import type { RecordedRun } from '../experiment/record/recorded-run.js'
import { seriesColours, type Theme } from './theme.js'

/** Colours that differ as long as there are enough; of more runs, steps from first to last. */
export function runColours(runs: readonly RecordedRun[], theme: Theme): string[] {
  const colours = seriesColours(theme)
  if (runs.length <= colours.length) return runs.map((_, at) => colours[at]!)
  return runs.map((_, at) => theme.heat[Math.floor((at * theme.heat.length) / runs.length)]!)
}
