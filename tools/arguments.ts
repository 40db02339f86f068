/** Readers of option values. Each throws a one-line bad-usage error that names what was given and what is allowed. */

import { InvalidArgumentError } from 'commander'

/** Reads a whole number from `least` to `most`. */
export function wholeNumber(least: number, most: number = Number.MAX_SAFE_INTEGER): (text: string) => number {
  return text => {
    const value = /^[0-9]+$/.test(text) ? Number(text) : Number.NaN
    if (value >= least && value <= most) return value
    const range = most === Number.MAX_SAFE_INTEGER ? `from ${least}` : `from ${least} to ${most}`
    throw new InvalidArgumentError(`Allowed is a whole number ${range}.`)
  }
}

const UNITS_MS: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 }

/** Reads a length of time such as `500ms`, `10s`, `2m`; a plain number is seconds. Milliseconds, above 0. */
export function durationMs(text: string): number {
  const match = /^([0-9]+(?:\.[0-9]+)?)(ms|s|m|h|d)?$/.exec(text)
  const value = match === null ? 0 : Math.round(Number(match[1]) * UNITS_MS[match[2] ?? 's']!)
  if (value > 0) return value
  throw new InvalidArgumentError('Allowed is a length of time such as 500ms, 10s or 2m.')
}
