/**
 * Keys that the cluster keeps for itself, in its shards' logs beside everybody else's: they are written, replicated,
 * read at a moment and kept by retention as any other. Scans, watches and diffs leave them out unless asked for them, and
 * users cannot write them.
 */
import { crc32 } from 'node:zlib'

/** What all of them begin with. */
export const SYSTEM_PREFIX = Buffer.from('\0varve/')
/** The first key, in byte order, behind all of them. */
export const SYSTEM_END = Buffer.from('\0varve0')

/** What everybody is told who would write one. */
export const RESERVED_KEY = 'keys that begin with "\\0varve/" are reserved: choose another key'

/** What a reserved key is about. */
export type SystemKind = 'tag' | 'retention'

/** Keys from `start` on and before `end`; an empty end is no bound. */
export interface RangeOfKeys {
  readonly start: Buffer
  readonly end: Buffer
}

const marks = new Map<string, string>()

/**
 * The reserved key of this kind and name in the shard `ordinal` of `shardCount`: it holds a hash tag, the smallest whole
 * number that falls into that shard, so that each shard has its own. Names have no `/`; '' for what there is one of.
 */
export function systemKey(kind: SystemKind, name: string, ordinal: number, shardCount: number): Buffer {
  return Buffer.from(`${systemPrefix(kind, ordinal, shardCount)}${name === '' ? '' : `/${name}`}`)
}

/** What the keys of this kind begin with in a shard; those with a name go on with a `/`. */
export function systemPrefix(kind: SystemKind, ordinal: number, shardCount: number): string {
  return `${SYSTEM_PREFIX}${kind}/{${markOf(ordinal, shardCount)}}`
}

/** Whether the key is reserved. */
export function isSystemKey(key: Buffer): boolean {
  return isSystemKeyAt(key, 0, key.length)
}

/** As `isSystemKey`, of the `length` bytes from `start` on. Nearly always decided by the first byte. */
export function isSystemKeyAt(bytes: Uint8Array, start: number, length: number): boolean {
  if (bytes[start] !== 0 || length < SYSTEM_PREFIX.length) return false
  return SYSTEM_PREFIX.compare(bytes, start, start + SYSTEM_PREFIX.length) === 0
}

/** Whether someone who asks for keys that begin so asks for reserved ones. */
export function isSystemPrefix(prefix: Buffer): boolean {
  return isSystemKey(prefix)
}

/**
 * The parts of a range, in order, in which users may look: all but the reserved keys, unless the range lies within them.
 */
export function visibleRanges({ start, end }: RangeOfKeys): RangeOfKeys[] {
  const endsBefore = end.length > 0 && end.compare(SYSTEM_PREFIX) <= 0
  const endsWithin = end.length > 0 && end.compare(SYSTEM_END) <= 0
  if (endsBefore || start.compare(SYSTEM_END) >= 0) return [{ start, end }]
  const startsWithin = start.compare(SYSTEM_PREFIX) >= 0
  if (startsWithin && endsWithin) return [{ start, end }]
  const parts: RangeOfKeys[] = []
  if (!startsWithin) parts.push({ start, end: SYSTEM_PREFIX })
  if (!endsWithin) parts.push({ start: SYSTEM_END, end })
  return parts
}

function markOf(ordinal: number, shardCount: number): string {
  const of = `${ordinal}/${shardCount}`
  const known = marks.get(of)
  if (known !== undefined) return known
  let mark = 0
  // As keys are given to shards (src/client/shard-of-key.ts).
  while (crc32(String(mark)) % shardCount !== ordinal) mark += 1
  marks.set(of, String(mark))
  return String(mark)
}
