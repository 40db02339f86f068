/** What a schema has against a value, in the form of this project's messages: the field, what was given, what is allowed. */

import { z } from 'zod'

/** `message` is one line: `"x" given, allowed are ...`. */
export interface SchemaProblem {
  /** Such as `shards.shard_0[2]`; empty where the value as a whole is meant. */
  readonly field: string
  readonly message: string
}

/**
 * An object of these fields and no others. `isWhat` is said where something else is given, as in `a configuration is an
 * object`. Fields in `unlisted` are taken but not offered where a field is unknown.
 */
export function strictFields<Shape extends z.core.$ZodShape>(
  shape: Shape,
  isWhat: string,
  unlisted: readonly string[] = [],
) {
  const listed = Object.keys(shape).filter(field => !unlisted.includes(field))
  return z.strictObject(shape, {
    error: ({ code }) =>
      code === 'unrecognized_keys' ? `no such field, allowed are ${listed.join(', ')}` : isWhat,
  })
}

/** An issue about a value, whose schema says in its errors what is allowed. */
export function schemaProblem(value: unknown, issue: z.core.$ZodIssue): SchemaProblem {
  if (issue.code === 'unrecognized_keys') {
    return { field: fieldAt([...issue.path, issue.keys[0] ?? '']), message: issue.message }
  }
  const given = valueAt(value, issue.path)
  return {
    field: fieldAt(issue.path),
    message: `${given === undefined ? 'nothing' : showGiven(given)} given, ${issue.message}`,
  }
}

/** A value in a message: as JSON, shortened, on one line. */
export function showGiven(value: unknown): string {
  const text = JSON.stringify(value) ?? String(value)
  return text.length > 80 ? `${text.slice(0, 77)}...` : text
}

function fieldAt(path: readonly PropertyKey[]): string {
  return path
    .map((step, i) => (typeof step === 'number' ? `[${step}]` : `${i > 0 ? '.' : ''}${String(step)}`))
    .join('')
}

function valueAt(value: unknown, path: readonly PropertyKey[]): unknown {
  let found = value
  for (const step of path) found = (found as Record<PropertyKey, unknown> | null | undefined)?.[step]
  return found
}
