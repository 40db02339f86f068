/** Fields that descriptions of experiments have besides those of workloads, and how a wrong one is told. */

import { z } from 'zod'
import { schemaProblem } from '../../../src/node/schema-issue.js'
import { badUsage } from '../../exit-codes.js'
import { duration } from '../workload/fields.js'

/** Lengths of time in a description are at most a day. */
export const DURATION_MS_MAX = 24 * 3_600_000

/** A moment of a timeline: a length of time, and 0 as well. */
export function moment() {
  const error = 'allowed is a length of time such as 0, 500ms, 10s or 2m; a number is seconds'
  return z.union([z.literal(0), duration(DURATION_MS_MAX)], { error })
}

/** One of some words. */
export function word<const Words extends readonly [string, ...string[]]>(words: Words) {
  return z.enum(words, { error: `allowed are ${words.join(', ')}` })
}

/** True or false. */
export function flag() {
  return z.boolean({ error: 'allowed are true and false' })
}

/** Reads a value by a schema. Throws a bad-usage error that names `where`, the field, what was given and what is allowed. */
export function readFields<Schema extends z.ZodType>(
  schema: Schema,
  given: unknown,
  where: string,
): z.output<Schema> {
  const parsed = schema.safeParse(given)
  if (parsed.success) return parsed.data
  const { field, message } = schemaProblem(given, parsed.error.issues[0]!)
  throw badUsage(`${where}: ${field === '' ? '' : `${field}: `}${message}`)
}
