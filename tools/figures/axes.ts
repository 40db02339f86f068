/** Axes of panels, as figures ask for them and as the drawing library wants them. */

import type { Theme } from './theme.js'

export const FONT = "Inter, 'Helvetica Neue', Helvetica, Arial, sans-serif"
export const LABEL_SIZE_PX = 11

export type Axis =
  | {
      readonly kind: 'value'
      readonly min: number
      readonly max: number
      readonly step: number
      readonly format?: (value: number) => string
      /** Draws no labels; a panel below has the same axis. */
      readonly bare?: boolean
      readonly gridlines?: boolean
    }
  | {
      readonly kind: 'log'
      readonly min: number
      readonly max: number
      readonly format?: (value: number) => string
      readonly gridlines?: boolean
    }
  | { readonly kind: 'category'; readonly names: readonly string[]; readonly bare?: boolean }

/** An axis that says nothing, for a panel whose rows are drawn in pixels. */
export const NO_AXIS: Axis = { kind: 'value', min: 0, max: 1, step: 1, bare: true, gridlines: false }

/** The library's axis at this side of a panel: lines across the panel for y, a line along it for x. */
export function axisOption(axis: Axis, side: 'x' | 'y', theme: Theme): object {
  const label = {
    fontSize: LABEL_SIZE_PX,
    fontFamily: FONT,
    color: theme.softInk,
    margin: 7,
    hideOverlap: true,
  }
  const common = {
    axisLine: { show: side === 'x', onZero: false, lineStyle: { color: theme.axis, width: 1 } },
    axisTick: { show: false },
    splitLine: { show: false, lineStyle: { color: theme.gridline, width: 1 } },
  }
  if (axis.kind === 'category') {
    const axisLabel = { ...label, show: axis.bare !== true, interval: 0 }
    return { ...common, type: 'category', data: axis.names, inverse: side === 'y', axisLabel }
  }
  const { min, max, format } = axis
  const isBare = axis.kind === 'value' && axis.bare === true
  const isWhole = axis.kind === 'log' || Math.abs(max / axis.step - Math.round(max / axis.step)) < 1e-9
  const formatter = format === undefined ? {} : { formatter: format }
  return {
    ...common,
    ...(axis.kind === 'log' ? { type: 'log', logBase: 10 } : { type: 'value', interval: axis.step }),
    min,
    max,
    splitLine: { ...common.splitLine, show: axis.gridlines ?? side === 'y' },
    axisLabel: { ...label, show: !isBare, showMaxLabel: isWhole, ...formatter },
  }
}
