/** What `varve log verify` found, for people. */

import type { FileFault } from '../src/log/level-view.js'
import type { CopyReport, DamageReport } from './log-check.js'
import { tableOf } from './output.js'
import { byteSize, count, duration, plural } from './text.js'

/** What was found in a stopped node's folder beside its logs. */
export interface NodeReport {
  readonly node: string
  readonly dir: string
  readonly damages: readonly DamageReport[]
  /** Where the newest write-ahead file ends within a write, as a crash leaves it: no damage. */
  readonly torn: FileFault | null
}

/** All that was found. */
export interface VerifyReport {
  readonly ok: boolean
  readonly damageCount: number
  readonly entries: number
  readonly records: number
  /** Of records. */
  readonly bytes: number
  readonly tookMs: number
  readonly bytesPerSecond: number
  /** By shard, then node. */
  readonly copies: readonly CopyReport[]
  /** Empty where a running cluster was asked. */
  readonly nodes: readonly NodeReport[]
}

const HEADER = [
  'shard',
  'node',
  'verdict',
  'entries',
  'records',
  'bytes',
  'to index',
  'keys',
  'took',
] as const

/** A table of the copies, each place of damage on a line of its own, and how much was verified. */
export async function verifyReportText(report: VerifyReport): Promise<string> {
  const { copies, nodes } = report
  const numbers = HEADER.filter(name => !['shard', 'node', 'verdict'].includes(name))
  const lines: string[] = []
  if (copies.length > 0) lines.push(await tableOf(HEADER, copies.map(rowOf), numbers), '')
  for (const { node, damages, torn } of nodes) {
    lines.push(...damages.map(damage => `damaged: ${node}: ${damageText(damage)}`))
    if (torn !== null) lines.push(`torn tail: ${node}: ${tornText(torn)}`)
  }
  for (const copy of copies) lines.push(...damageLines(copy))
  lines.push(summary(report))
  return lines.join('\n')
}

function rowOf(copy: CopyReport): string[] {
  return [
    copy.shard,
    copy.node,
    copy.damageCount === 0 ? 'ok' : 'DAMAGED',
    count(copy.entries),
    count(copy.records),
    byteSize(copy.bytes),
    count(copy.lastIndex),
    count(copy.keys),
    duration(copy.tookMs),
  ]
}

function damageLines({ shard, node, damages, damageCount }: CopyReport): string[] {
  const lines = damages.map(damage => `damaged: ${node}: ${shard}${damageText(damage)}`)
  const more = damageCount - damages.length
  return more > 0 ? [...lines, `damaged: ${node}: ${shard}: ${plural(more, 'more place')}`] : lines
}

function damageText({
  index,
  lastIndex,
  what,
  expected,
  found,
  recordKey,
  file,
  offset,
  endOffset,
}: DamageReport): string {
  const isRange = lastIndex !== undefined && index !== undefined && lastIndex > index
  const at = index === undefined ? '' : isRange ? `/${index} to ${lastIndex}` : `/${index}`
  const inFile = file === undefined ? '' : `${file}, bytes ${offset} to ${(endOffset ?? 0) - 1}`
  const compared = expected === undefined ? '' : ` (expected ${expected}, found ${found})`
  const key = recordKey === undefined ? '' : ` [record key ${recordKey}]`
  const place = `${at}${inFile}`
  return `${place}${place === '' ? '' : ': '}${what}${compared}${key}`
}

function tornText({ file, offset, endOffset }: FileFault): string {
  const size = byteSize(endOffset - offset)
  return (
    `${file} ends within a write that begins at byte ${offset} (its first ${size} are there): ` +
    'a crash leaves this, and nobody was told that it is durable; the log ends before it'
  )
}

function summary({
  ok,
  damageCount,
  entries,
  records,
  bytes,
  tookMs,
  bytesPerSecond,
  copies,
}: VerifyReport): string {
  const what = `${plural(entries, 'entry', 'entries')} in ${plural(records, 'record')}, ${byteSize(bytes)}`
  const speed = `${duration(tookMs)} (read at ${byteSize(bytesPerSecond)}/s)`
  const of = copies.length === 1 ? '' : ` of ${plural(copies.length, 'copy', 'copies')}`
  const verdict = ok ? 'no damage' : plural(damageCount, 'damaged place')
  return `verified ${what}${of} in ${speed}: ${verdict}`
}
