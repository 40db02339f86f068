/** Ranges of keys, as calls take them. */
import type { Encoding } from './encoding.js'
import { VarveError } from './errors.js'

const NO_BYTES = Buffer.alloc(0)

/** Which keys a call is about: those with a prefix, or a range, or all. */
export interface RangeOptions<K> {
  /** Keys that begin with this (as encoded). Not together with `start` or `end`. */
  prefix?: K | undefined
  /** First key wanted. */
  start?: K | undefined
  /** First key not wanted any more. */
  end?: K | undefined
}

/** A range in bytes. `end` is exclusive and empty where there is no bound. */
export interface RawRange {
  readonly start: Buffer
  readonly end: Buffer
}

/** Copies what it is given. Throws INVALID_ARGUMENT for a prefix and a range together. */
export function rawRange(options: RangeOptions<unknown>, encoding: Encoding): RawRange {
  const { prefix, start, end } = options
  if (prefix === undefined)
    return { start: keyBytes(start, encoding, 'the start'), end: keyBytes(end, encoding, 'the end') }
  if (start !== undefined || end !== undefined)
    throw new VarveError('INVALID_ARGUMENT', 'a prefix and a range were given, expected one of them')
  const first = keyBytes(prefix, encoding, 'the prefix')
  return { start: first, end: endOfPrefix(first) }
}

/** A copy of a key's bytes; none for undefined. */
export function keyBytes(given: unknown, encoding: Encoding, what: string): Buffer {
  return given === undefined ? NO_BYTES : Buffer.from(encoding.encode(given, what) as string)
}

/** The first key, in byte order, after all that begin with `prefix`; empty where there is none. */
export function endOfPrefix(prefix: Buffer): Buffer {
  let length = prefix.length
  while (length > 0 && prefix[length - 1] === 0xff) length--
  const end = Buffer.from(prefix.subarray(0, length))
  if (length > 0) end[length - 1]!++
  return end
}
