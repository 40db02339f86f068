/**
 * Addresses of a moment, as people type them: `start`, `now`, a wall time (RFC 3339, epoch ms, `5m ago`), a Lamport
 * time (`lamport:81234`), an entry (`index:shard_0/512`), a tag (`before-deploy`, `tag:before-deploy`).
 */
import { VarveError } from './errors.js'

/** A moment as it was typed. Wall times are epoch ms; an index without a shard counts in the one shard there is. */
export type TimeAddress =
  | { readonly kind: 'start' }
  | { readonly kind: 'now' }
  | { readonly kind: 'index'; readonly index: number; readonly shard?: string }
  | { readonly kind: 'lamport'; readonly lamport: number }
  | { readonly kind: 'wall'; readonly wallMs: number }
  | { readonly kind: 'tag'; readonly name: string }

/** All that `parseTimeAddress` takes, for messages and help. */
export const TIME_ADDRESS_FORMS =
  'start, now, an index (512 or index:shard_0/512), lamport:81234, an RFC 3339 time (2026-05-04T14:03:00Z, or a ' +
  'date alone), epoch ms, "5m ago" (ms s m h d w, also "2h30m ago" and "1d 2h ago") or a tag (before-deploy or ' +
  'tag:before-deploy)'

/** A plain number below this is an index, from it on a wall time: 2^40 ms after the epoch was in 2004. */
const INDEX_LIMIT = 2 ** 40

const UNIT_MS: Readonly<Record<string, number>> = {
  ms: 1,
  s: 1_000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
  w: 604_800_000,
}
const SPAN = /(\d+(?:\.\d+)?)\s*(ms|[smhdw])\s*/y
const DATE = /^(\d{4})-(\d{2})-(\d{2})/
const TIME_OF_DAY = /^[Tt ](\d{2}):(\d{2})(?::(\d{2})(?:\.(\d+))?)?/
const OFFSET = /^(?:[Zz]|([+-])(\d{2}):(\d{2}))$/
const TAG = /^\p{L}[^\s/\p{C}]*$/u
const TAG_LENGTH_MAX = 128
const KEYWORD = /^(?:index|lamport|tag):/

/**
 * Reads a time address; `nowMs` is the wall time that "ago" counts from. A time without an offset is in UTC, as all that
 * Varve prints. Anything else that may be a tag's name is a tag. Throws INVALID_ARGUMENT, showing all forms.
 */
export function parseTimeAddress(text: string, nowMs: number): TimeAddress {
  const given = text.trim()
  if (given === 'start' || given === 'now') return { kind: given }
  const found =
    plainNumber(given) ??
    indexAddress(given) ??
    lamportAddress(given) ??
    agoAddress(given, nowMs) ??
    wallAddress(given) ??
    tagAddress(given)
  if (found !== undefined) return found
  throw new VarveError(
    'INVALID_ARGUMENT',
    `${JSON.stringify(text)} is not a time, expected ${TIME_ADDRESS_FORMS}`,
  )
}

/** Whether a moment may have that name: a letter, then 127 more printable characters without "/" and spaces at most. */
export function isTagName(name: string): boolean {
  return name.length <= TAG_LENGTH_MAX && TAG.test(name)
}

function plainNumber(text: string): TimeAddress | undefined {
  const value = wholeNumber(text)
  if (value === undefined) return undefined
  return value < INDEX_LIMIT ? { kind: 'index', index: value } : { kind: 'wall', wallMs: value }
}

function indexAddress(text: string): TimeAddress | undefined {
  const match = /^index:(?:([^/]+)\/)?([0-9]+)$/.exec(text)
  const index = wholeNumber(match?.[2])
  if (match === null || index === undefined) return undefined
  return match[1] === undefined ? { kind: 'index', index } : { kind: 'index', index, shard: match[1] }
}

function lamportAddress(text: string): TimeAddress | undefined {
  const lamport = wholeNumber(/^lamport:([0-9]+)$/.exec(text)?.[1])
  return lamport === undefined ? undefined : { kind: 'lamport', lamport }
}

function agoAddress(text: string, nowMs: number): TimeAddress | undefined {
  const spans = /^(.*\S)\s+ago$/.exec(text)?.[1]
  if (spans === undefined) return undefined
  let ageMs = 0
  SPAN.lastIndex = 0
  while (SPAN.lastIndex < spans.length) {
    const match = SPAN.exec(spans)
    if (match === null) return undefined
    ageMs += Number(match[1]) * UNIT_MS[match[2]!]!
  }
  // Before all times is as good as before all entries.
  return { kind: 'wall', wallMs: Math.max(0, nowMs - Math.round(ageMs)) }
}

function wallAddress(text: string): TimeAddress | undefined {
  const date = DATE.exec(text)
  if (date === null) return undefined
  const [year, month, day] = [date[1], date[2], date[3]].map(Number) as [number, number, number]
  const midnight = Date.UTC(year, month - 1, day)
  const isInCalendar = new Date(midnight).toISOString().startsWith(date[0])
  const ofDay = timeOfDayMs(text.slice(date[0].length))
  if (!isInCalendar || ofDay === undefined) return undefined
  return { kind: 'wall', wallMs: Math.max(0, midnight + ofDay) }
}

/** Of a date alone 0. */
function timeOfDayMs(text: string): number | undefined {
  if (text === '') return 0
  const time = TIME_OF_DAY.exec(text)
  if (time === null) return undefined
  const [hours, minutes, seconds] = [time[1], time[2], time[3] ?? 0].map(Number) as [number, number, number]
  const milliseconds = Number((time[4] ?? '').slice(0, 3).padEnd(3, '0'))
  const offsetMs = offsetOf(text.slice(time[0].length))
  if (hours > 23 || minutes > 59 || seconds > 59 || offsetMs === undefined) return undefined
  return ((hours * 60 + minutes) * 60 + seconds) * 1_000 + milliseconds - offsetMs
}

function offsetOf(text: string): number | undefined {
  if (text === '') return 0
  const match = OFFSET.exec(text)
  if (match === null) return undefined
  if (match[1] === undefined) return 0
  const [hours, minutes] = [Number(match[2]), Number(match[3])]
  if (hours > 23 || minutes > 59) return undefined
  return (match[1] === '-' ? -1 : 1) * (hours * 60 + minutes) * 60_000
}

function tagAddress(text: string): TimeAddress | undefined {
  const name = text.startsWith('tag:') ? text.slice(4) : text
  if (!isTagName(name) || (name === text && KEYWORD.test(text))) return undefined
  return { kind: 'tag', name }
}

function wholeNumber(text: string | undefined): number | undefined {
  if (text === undefined || !/^[0-9]+$/.test(text)) return undefined
  const value = Number(text)
  return Number.isSafeInteger(value) ? value : undefined
}
