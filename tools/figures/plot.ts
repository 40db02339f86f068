/** Figures of runs in the form that is asked for: what `varve plot` and a report write. */

import type { RecordedRun } from '../experiment/record/recorded-run.js'
import type { Figure } from './figure.js'
import { renderSvg } from './render-svg.js'
import { DARK, LIGHT } from './theme.js'

export const WIDTH_PX = 800

export interface PlotOptions {
  /** Draws for dark ground only, else for light ground with what a reader who prefers dark needs. */
  readonly dark?: boolean
  readonly widthPx?: number
  /** Runs whose figures are to be laid beside this one: they share its scales. The shown ones where none are given. */
  readonly comparedWith?: readonly RecordedRun[]
}

/** An SVG; its names are unique for the figure and its first run. Throws `NothingToDraw`. */
export function plotSvg(figure: Figure, runs: readonly RecordedRun[], options: PlotOptions = {}): string {
  const { dark = false, widthPx = WIDTH_PX, comparedWith = runs } = options
  const drawing = figure.draw(runs, { theme: dark ? DARK : LIGHT, widthPx, comparedWith })
  const name = figure.of === 'run' ? `${figure.name}-${runs[0]!.name}` : figure.name
  return renderSvg(drawing, { name: name.replaceAll(/[^a-zA-Z0-9-]/g, '-'), adapts: !dark })
}
