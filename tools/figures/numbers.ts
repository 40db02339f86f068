/** Numbers on axes: round steps, and how they are written. */

/** The smallest of 1, 2 and 5 times a power of ten that divides `range` into at most `partsMax` parts. */
export function roundStep(range: number, partsMax: number): number {
  const least = range / partsMax
  const power = 10 ** Math.floor(Math.log10(least))
  return power * ([1, 2, 5, 10].find(factor => factor * power >= least * (1 - 1e-9)) ?? 10)
}

/** An axis of bars reaches so much further than the highest bar, for the number on it. */
export const BAR_HEADROOM = 1.1

/** An axis from 0 that holds `largest` and ends at a label. */
export function fromZero(
  largest: number,
  partsMax = 5,
): { kind: 'value'; min: number; max: number; step: number } {
  const top = largest > 0 ? largest : 1
  const step = roundStep(top, partsMax)
  return { kind: 'value', min: 0, max: Math.ceil(top / step - 1e-9) * step, step }
}

/** A logarithmic axis of whole powers of ten that holds all of the positive values. */
export function decades(values: readonly number[]): { kind: 'log'; min: number; max: number } {
  const positive = values.filter(value => value > 0)
  const low = Math.floor(
    Math.log10(positive.reduce((a, b) => Math.min(a, b), Number.POSITIVE_INFINITY)) + 1e-9,
  )
  const high = Math.ceil(Math.log10(positive.reduce((a, b) => Math.max(a, b), 0)) - 1e-9)
  if (positive.length === 0) return { kind: 'log', min: 1, max: 10 }
  return { kind: 'log', min: 10 ** low, max: 10 ** Math.max(high, low + 1) }
}

/** Where nothing stands on a logarithmic axis of counts: at its foot, a decade below one. */
export const NOTHING = 0.1

/** A logarithmic axis of counts up to `largest` that says 0 at its foot; draw what is 0 at `NOTHING`. */
export function decadesFromNothing(largest: number) {
  const format = (value: number) => (value < 1 ? '0' : short(value))
  return { ...decades([NOTHING, largest, 1]), format }
}

/** `0.25`, `12`, `1,250`, `12.5k`, `3M`. */
export function short(value: number): string {
  if (Math.abs(value) >= 1e6) return `${trimmed(value / 1e6)}M`
  if (Math.abs(value) >= 1e4) return `${trimmed(value / 1e3)}k`
  return value >= 100 ? Math.round(value).toLocaleString('en-US') : trimmed(value)
}

/** To three digits, without zeros at the end. */
function trimmed(value: number): string {
  return String(Number(value.toPrecision(3)))
}
