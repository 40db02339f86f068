/** The figures of an experiment: all that its runs have something for, as SVG. */

import { type Figure, NothingToDraw } from '../../figures/figure.js'
import { FIGURES } from '../../figures/figures.js'
import { plotSvg } from '../../figures/plot.js'
import type { RecordedRun } from '../record/recorded-run.js'

/** Of more runs than these only figures that show all of them together are drawn: `varve plot --run` draws the others. */
const RUNS_DRAWN_MAX = 6

export interface ReportFigure {
  readonly figure: Figure
  /** Names of the runs that it shows. */
  readonly runs: readonly string[]
  readonly svg: string
}

/** In the order of a report: figure by figure, and of each one run by run, on scales that all of `comparedWith` share. */
export function reportFigures(
  runs: readonly RecordedRun[],
  comparedWith: readonly RecordedRun[] = runs,
): ReportFigure[] {
  if (runs.length === 0) return []
  return FIGURES.flatMap(figure => {
    if (figure.of === 'runs') return drawn(figure, runs, comparedWith)
    if (runs.length > RUNS_DRAWN_MAX) return []
    return runs.flatMap(run => drawn(figure, [run], comparedWith))
  })
}

function drawn(
  figure: Figure,
  shown: readonly RecordedRun[],
  comparedWith: readonly RecordedRun[],
): ReportFigure[] {
  try {
    return [{ figure, runs: shown.map(({ name }) => name), svg: plotSvg(figure, shown, { comparedWith }) }]
  } catch (error) {
    if (error instanceof NothingToDraw) return []
    throw error
  }
}
