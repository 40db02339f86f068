/** Steps of a heat map: the colour for a value, and what the colours mean. */

import type { LegendItem } from './legend.js'
import type { Theme } from './theme.js'

export interface HeatScale {
  /** The greatest value of each step, ascending; what is greater than the last belongs to it. */
  readonly limits: readonly number[]
  readonly names: readonly string[]
}

/** The least factors from step to step that reach most maxima with the colours that there are. */
const FACTORS = [2, 4, 10]

/** Steps for counts up to `largest`: 1, then each step as many times the one before as needed, seven at most. */
export function countScale(largest: number, { heat }: Theme): HeatScale {
  const factor = FACTORS.find(each => each ** (heat.length - 1) >= largest) ?? FACTORS.at(-1)!
  const steps = Math.min(
    heat.length,
    1 + Math.max(0, Math.ceil(Math.log(Math.max(1, largest)) / Math.log(factor) - 1e-9)),
  )
  const limits = [...Array(steps).keys()].map(step => factor ** step)
  const names = limits.map((limit, step) => {
    const from = (limits[step - 1] ?? 0) + 1
    const isOpen = step === steps - 1 && largest > limit
    return isOpen ? `≥ ${from.toLocaleString('en-US')}` : from === limit ? `${limit}` : `${from}–${limit}`
  })
  return { limits, names }
}

/** Steps for shares in per cent. */
export const SHARE_SCALE: HeatScale = {
  limits: [1, 5, 10, 20, 40, 60, 100],
  names: ['≤ 1', '≤ 5', '≤ 10', '≤ 20', '≤ 40', '≤ 60', '≤ 100'],
}

export function heatColour(value: number | null, { limits }: HeatScale, theme: Theme): string {
  if (value === null) return theme.noValue
  if (value <= 0) return theme.heatNone
  const step = limits.findIndex(limit => value <= limit)
  return theme.heat[step === -1 ? limits.length - 1 : step]!
}

/** What each colour means; `silent` names cells without a value, where `values` hold such. */
export function heatLegend(
  { names }: HeatScale,
  theme: Theme,
  values: readonly (number | null)[],
  silent: string,
): LegendItem[] {
  const steps = names.map((name, step) => ({ name, colour: theme.heat[step]!, mark: 'area' }) as const)
  const without = { name: silent, colour: theme.noValue, mark: 'area' } as const
  return [
    { name: '0', colour: theme.heatNone, mark: 'area' },
    ...steps,
    ...(values.includes(null) ? [without] : []),
  ]
}
