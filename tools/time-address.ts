/**
 * Addresses of a moment, as people type them: `start`, `now`, an index (`512` or `index:shard_0/512`), a
 * Lamport time (`lamport:81234`), a wall time (RFC 3339, epoch ms, `5m ago`).
 */

import { badUsage } from './exit-codes.js'

/** A moment. Wall times are epoch ms; an index without a shard counts in the one shard that is asked for. */
export type TimeAddress =
  | { readonly kind: 'start' }
  | { readonly kind: 'now' }
  | { readonly kind: 'index'; readonly index: number; readonly shard?: string }
  | { readonly kind: 'lamport'; readonly lamport: number }
  | { readonly kind: 'wall'; readonly wallMs: number }

/** A plain number below this is an index, from it on a wall time: 2^40 ms after the epoch was in 2004. */
const INDEX_LIMIT = 2 ** 40

const AGO_MS: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 }
const RFC_3339 = /^\d{4}-\d{2}-\d{2}(?:[Tt ]\d{2}:\d{2}(?::\d{2}(?:\.\d+)?)?(?:[Zz]|[+-]\d{2}:\d{2})?)?$/

/** Reads a time address. `option` names where it was given; `nowMs` is the wall time that "ago" counts from. */
export function parseTimeAddress(text: string, option: string, nowMs: number): TimeAddress {
  const given = text.trim()
  if (given === 'start' || given === 'now') return { kind: given }
  const found =
    plainNumber(given) ??
    indexAddress(given) ??
    lamportAddress(given) ??
    agoAddress(given, nowMs) ??
    wallAddress(given)
  if (found !== undefined) return found
  const allowed =
    'start, now, an index (512 or index:shard_0/512), lamport:81234, an RFC 3339 time, epoch ms or "5m ago"'
  throw badUsage(`${option}: "${text}" given, allowed is ${allowed}`)
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
  const match = /^([0-9]+(?:\.[0-9]+)?)\s*(ms|s|m|h|d)\s+ago$/.exec(text)
  return match === null
    ? undefined
    : { kind: 'wall', wallMs: nowMs - Math.round(Number(match[1]) * AGO_MS[match[2]!]!) }
}

function wallAddress(text: string): TimeAddress | undefined {
  const wallMs = RFC_3339.test(text) ? Date.parse(text.replace(' ', 'T')) : Number.NaN
  return Number.isNaN(wallMs) ? undefined : { kind: 'wall', wallMs }
}

function wholeNumber(text: string | undefined): number | undefined {
  if (text === undefined || !/^[0-9]+$/.test(text)) return undefined
  const value = Number(text)
  return Number.isSafeInteger(value) ? value : undefined
}
