/**
 * How long the past is kept, as rules that are themselves kept in the log: of each key the rule with the longest prefix
 * that fits decides. Without rules, and where a rule has no bound, everything is kept.
 */
import { Limits } from '../log/entry.js'
import { systemKey } from '../log/system-key.js'
import type { ShardProjection } from './shard-projection.js'

export interface RetentionRule {
  /** Keys that begin so; empty: all that no other rule fits. */
  readonly prefix: Buffer
  /** Entries younger than this are kept, ms; 0: no bound by age. */
  readonly ageMs: number
  /** So many newest entries of the shard are kept; 0: no bound by number. */
  readonly entries: number
}

/** Rules of one cluster: each key is looked up in all of them. */
export const RETENTION_RULES_MAX = 64

/** All rules as the value of the reserved key, as JSON, by prefix. Decode gives the same rules back, in that order. */
export function encodeRetention(rules: readonly RetentionRule[]): Buffer {
  const ordered = [...rules].sort((left, right) => left.prefix.compare(right.prefix))
  const fields = ordered.map(({ prefix, ageMs, entries }) => ({ ...prefixField(prefix), ageMs, entries }))
  return Buffer.from(JSON.stringify({ rules: fields }))
}

/** The rules that a value holds; undefined where it is none that `encodeRetention` wrote: then nothing may be dropped. */
export function decodeRetention(value: Buffer): RetentionRule[] | undefined {
  const fields = parsedRules(value.toString())
  const rules = fields?.map(ruleOf)
  if (rules === undefined || rules.includes(undefined)) return undefined
  const whole = rules as RetentionRule[]
  return retentionFault(whole) === undefined ? whole : undefined
}

/**
 * The committed rules that a shard's projection holds; none where none were set. Undefined where they cannot be read: then
 * nothing may be dropped. Throws LogError LOG_DAMAGED, LOG_IO.
 */
export function readRetention(
  projection: ShardProjection,
  ordinal: number,
  shardCount: number,
): RetentionRule[] | undefined {
  const key = systemKey('retention', '', ordinal, shardCount)
  const position = projection.locate(key, 0, key.length, 'committed')
  if (position === 0 || projection.lastWasDelete) return []
  const { bytes, valueStart, valueLength } = projection.read(position)
  return decodeRetention(bytes.subarray(valueStart, valueStart + valueLength))
}

/** What is wrong with the rules, in words for whoever gave them; undefined where nothing is. */
export function retentionFault(rules: readonly RetentionRule[]): string | undefined {
  if (rules.length > RETENTION_RULES_MAX) {
    return `${rules.length} retention rules: at most ${RETENTION_RULES_MAX} are possible`
  }
  const seen = new Set<string>()
  for (const { prefix, ageMs, entries } of rules) {
    const name =
      prefix.length === 0 ? 'the default rule' : `the rule for ${JSON.stringify(prefix.toString())}`
    if (seen.has(prefix.toString('latin1'))) return `${name} is given twice`
    seen.add(prefix.toString('latin1'))
    if (prefix.length > Limits.keySizeBytesMax) {
      return `a retention prefix of ${prefix.length} bytes: at most ${Limits.keySizeBytesMax} are possible`
    }
    if (!isCount(ageMs)) return `${name}: age ${ageMs} ms, expected a whole number from 0 on`
    if (!isCount(entries)) return `${name}: ${entries} entries, expected a whole number from 0 on`
  }
  return undefined
}

function isCount(value: unknown): boolean {
  return (
    typeof value === 'number' && value >= 0 && value <= Number.MAX_SAFE_INTEGER && Math.floor(value) === value
  )
}

/** As text where it is text, so that the log can be read by people. */
function prefixField(prefix: Buffer): { readonly prefix: string } | { readonly prefixHex: string } {
  const text = prefix.toString()
  return Buffer.from(text).equals(prefix) ? { prefix: text } : { prefixHex: prefix.toString('hex') }
}

function parsedRules(text: string): unknown[] | undefined {
  try {
    const { rules } = JSON.parse(text) as { rules?: unknown }
    return Array.isArray(rules) ? rules : undefined
  } catch {
    return undefined
  }
}

function ruleOf(fields: unknown): RetentionRule | undefined {
  if (typeof fields !== 'object' || fields === null) return undefined
  const { prefix, prefixHex, ageMs, entries } = fields as Record<string, unknown>
  if (!isCount(ageMs) || !isCount(entries)) return undefined
  const bounds = { ageMs: ageMs as number, entries: entries as number }
  if (typeof prefix === 'string') return { prefix: Buffer.from(prefix), ...bounds }
  if (typeof prefixHex === 'string') return { prefix: Buffer.from(prefixHex, 'hex'), ...bounds }
  return undefined
}
