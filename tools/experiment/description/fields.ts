/** Fields of a description: how they are read, and how a wrong one is told, in one line that names it. */

import { z } from 'zod'
import { durationMs } from '../../arguments.js'
import { badUsage, type CommandError } from '../../exit-codes.js'

const GIVEN_LENGTH_MAX = 80

/** An object with these fields and no others; a wrong one is answered with those that there are. */
export function strictFields<Shape extends z.core.$ZodLooseShape>(shape: Shape) {
  const allowed = Object.keys(shape).join(', ')
  return z.strictObject(shape, {
    error: issue => (issue.code === 'unrecognized_keys' ? `no such field, allowed are ${allowed}` : undefined),
  })
}

/** A length of time: seconds, or a text such as `500ms`, `10s`, `2m`. Read as milliseconds. */
export function durationField() {
  const expected = 'expected a length of time such as 500ms, 10s or 2m (a number is seconds)'
  return z
    .union([z.number(), z.string()], { error: expected })
    .refine(given => readDuration(given) !== undefined, { error: expected })
    .transform(given => readDuration(given)!)
}

/** A moment of the timeline: as a length of time, and 0 as well. */
export function momentField() {
  return z.union([z.literal(0).transform(() => 0), durationField()])
}

/** A whole number within bounds. */
export function wholeField(least: number, most: number) {
  const error = `expected a whole number from ${least} to ${most}`
  return z.number({ error }).int({ error }).min(least, { error }).max(most, { error })
}

/** A share from 0 to 1. */
export function shareField() {
  const error = 'expected a number from 0 to 1'
  return z.number({ error }).min(0, { error }).max(1, { error })
}

/** One of some words. */
export function wordField<const Words extends readonly [string, ...string[]]>(words: Words) {
  return z.enum(words, { error: `expected ${words.join(', ')}` })
}

/** A text that is not empty. */
export function textField(what: string) {
  return z.string({ error: `expected ${what}` }).min(1, { error: `expected ${what}` })
}

/** Reads a value by a schema. Throws a bad-usage error that names `where`, the field, what was given and what is allowed. */
export function readFields<Schema extends z.ZodType>(
  schema: Schema,
  given: unknown,
  where: string,
): z.output<Schema> {
  const parsed = schema.safeParse(given)
  if (parsed.success) return parsed.data
  throw fieldError(where, given, parsed.error.issues[0]!)
}

function fieldError(where: string, given: unknown, issue: z.core.$ZodIssue): CommandError {
  const inner = deepest(issue)
  const unknown = inner.code === 'unrecognized_keys' ? [inner.keys[0]!] : []
  const path = [...inner.path, ...unknown]
  const field = path
    .map((step, at) => (typeof step === 'number' ? `[${step}]` : `${at > 0 ? '.' : ''}${String(step)}`))
    .join('')
  if (unknown.length > 0) return badUsage(`${where}: ${field}: ${inner.message}`)
  const value = path.reduce<unknown>((at, step) => (at as Record<PropertyKey, unknown> | undefined)?.[step], given)
  const shown = value === undefined ? 'nothing' : show(value)
  return badUsage(`${where}: ${field === '' ? '' : `${field}: `}${shown} given, ${inner.message}`)
}

/** Of a union that fits nowhere, what its only likely branch says. */
function deepest(issue: z.core.$ZodIssue): z.core.$ZodIssue {
  if (issue.code !== 'invalid_union' || issue.message !== 'Invalid input') return issue
  const branches = issue.errors.map(issues => issues[0]).filter(first => first !== undefined)
  const best = branches.sort((a, b) => b.path.length - a.path.length)[0]
  return best === undefined ? issue : deepest({ ...best, path: [...issue.path, ...best.path] })
}

function readDuration(given: number | string): number | undefined {
  try {
    return durationMs(String(given))
  } catch {
    return undefined
  }
}

function show(value: unknown): string {
  const text = JSON.stringify(value) ?? String(value)
  return text.length > GIVEN_LENGTH_MAX ? `${text.slice(0, GIVEN_LENGTH_MAX - 3)}...` : text
}
