/** What a figure is: a name for the command line and a drawing of recorded runs. */

import type { EChartsCoreOption } from 'echarts/core'
import type { RecordedRun } from '../experiment/record/recorded-run.js'
import type { Theme } from './theme.js'

/** A drawing before it is rendered. */
export interface Drawing {
  /** What it shows, for those who cannot see it. */
  readonly title: string
  readonly option: EChartsCoreOption
  readonly widthPx: number
  readonly heightPx: number
}

/** What a drawing is made into. */
export interface Frame {
  readonly theme: Theme
  readonly widthPx: number
  /** The runs whose figures are to be compared with this one: they share its scales. */
  readonly comparedWith: readonly RecordedRun[]
}

export interface Figure {
  /** As `varve plot` knows it. */
  readonly name: string
  /** One line about what it shows. */
  readonly about: string
  /** Whether it shows one run or several together. */
  readonly of: 'run' | 'runs'
  /** `runs` holds at least one run, and exactly one where the figure is of one. Throws `NothingToDraw`. */
  draw(runs: readonly RecordedRun[], frame: Frame): Drawing
}

/** A run has nothing that the figure could show; the message says what is missing. */
export class NothingToDraw extends Error {
  override readonly name = 'NothingToDraw'
}
