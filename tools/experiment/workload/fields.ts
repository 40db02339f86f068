/** Kinds of fields that the descriptions of workloads have, each with one message for whatever else is given. */

import { z } from 'zod'
import { durationMs } from '../../arguments.js'

/** From `least` to `most`. */
export function wholeNumber(least: number, most: number) {
  const error = `allowed is a whole number from ${least} to ${most}`
  return z.number({ error }).int({ error }).min(least, { error }).max(most, { error })
}

/** A share of a whole. */
export function fraction() {
  const error = 'allowed is a number from 0 to 1'
  return z.number({ error }).min(0, { error }).max(1, { error })
}

/** From `least` to `most` characters. */
export function text(most: number, least = 0) {
  const error = `allowed is a text of ${least === 0 ? 'at most' : `${least} to`} ${most} characters`
  return z.string({ error }).min(least, { error }).max(most, { error })
}

/** A length of time: a number of seconds, or a text such as `500ms`. Gives milliseconds, from 1 to `mostMs`. */
export function duration(mostMs: number) {
  return z.unknown().transform((given, context): number => {
    const found = millisecondsIn(given)
    if (found !== undefined && found <= mostMs) return found
    const most = `at most ${mostMs / 1_000} s`
    const message = `allowed is a length of time such as 500ms, 10s or 2m, ${most}; a number is seconds`
    context.addIssue({ code: 'custom', message })
    return z.NEVER
  })
}

function millisecondsIn(given: unknown): number | undefined {
  if (typeof given !== 'string' && typeof given !== 'number') return undefined
  try {
    return durationMs(String(given))
  } catch {
    return undefined
  }
}
