/** The options that `varve log orphans` and `varve log resubmit` share, and how both print an orphan. */

import { type Command, InvalidArgumentError } from 'commander'
import { wholeNumber } from './arguments.js'
import { type GlobalOptions, parseAddress } from './connect.js'
import { badUsage } from './exit-codes.js'
import { type LogLine, lineObject } from './log-line.js'
import type { OrphanSelection, SilentNode } from './orphan-source.js'
import type { Fate } from './orphan-units.js'
import { note } from './output.js'
import { printable, shorten, wallTime } from './text.js'

/** Longer keys and values are cut in tables. */
const TEXT_LENGTH_MAX = 40

/** Which orphans are meant. */
export interface OrphanOptions extends GlobalOptions {
  readonly shard?: string
  readonly node?: string
  readonly epoch?: number
  readonly index?: IndexRange
}

/** Both inclusive. */
export interface IndexRange {
  readonly first: number
  readonly last: number
}

export function addOrphanOptions(command: Command): Command {
  return command
    .option('--shard <name>', 'only orphans of this shard')
    .option('--node <address>', 'only those on the disk of this node', parseAddress)
    .option('--epoch <n>', 'only those that were cut off from this epoch', wholeNumber(1))
    .option('--index <i..j>', 'only those with these indexes: one (512), or a range (512..600)', indexRange)
}

function indexRange(text: string): IndexRange {
  const match = /^([0-9]+)(?:\.\.([0-9]+))?$/.exec(text)
  const first = Number(match?.[1])
  const last = Number(match?.[2] ?? match?.[1])
  if (match !== null && first >= 1 && first <= last && Number.isSafeInteger(last)) return { first, last }
  throw new InvalidArgumentError('Allowed is an index from 1, or two of them such as 512..600.')
}

/** What the options select, of the shards that there are. Throws bad usage. */
export function selectOrphans(options: OrphanOptions, known: readonly string[]): OrphanSelection {
  const { shard, node, epoch, index } = options
  if (shard !== undefined && !known.includes(shard)) {
    throw badUsage(`shard "${shard}" given, the cluster has ${known.join(', ')}`)
  }
  return {
    shards: shard === undefined ? known : [shard],
    node,
    epoch,
    firstIndex: index?.first ?? 1,
    lastIndex: index?.last ?? Number.MAX_SAFE_INTEGER,
  }
}

/** Says on stderr whose disks were not read. */
export function noteSilent(silent: readonly SilentNode[]): void {
  for (const { node, reason } of silent) {
    note(
      `varve: the orphans of ${node} are not among these: ${reason} (\`--data\` reads a stopped node's folder)`,
    )
  }
}

export const ORPHAN_HEADER = [
  'shard',
  'epoch',
  'index',
  'time',
  'operation',
  'key',
  'value',
  'request',
] as const

/** The cells of an orphan's table row; the header is `ORPHAN_HEADER`. */
export function orphanRow(line: LogLine): string[] {
  const { shard, epoch, index, wallMs, operation, key, value, clientId, sequence } = line
  const text = (bytes: Buffer) => shorten(printable(bytes), TEXT_LENGTH_MAX)
  const request = sequence === 0 ? '' : `${clientId.toString('hex')}/${sequence}`
  const shown = operation === 'set' ? text(value) : ''
  const batch = line.batchContinues ? ' +' : ''
  const time = wallTime(wallMs)
  return [shard, String(epoch), String(index), time, `${operation}${batch}`, text(key), shown, request]
}

/** An orphan in JSON. What became of it is left out where nobody was asked. */
export function orphanObject(line: LogLine, fate: Fate | undefined): object {
  const { committed: _, ...entry } = lineObject(line) as { committed: boolean }
  if (fate === undefined) return entry
  const numberOrNull = (index: number) => (index === 0 ? null : index)
  return {
    ...entry,
    fate: fate.name,
    logIndex: numberOrNull(fate.index),
    keyIndex: numberOrNull(fate.keyIndex),
  }
}

/** What became of an orphan, for people. */
export function fateText({ name, index }: Fate): string {
  return index === 0 ? name : `${name}, ${index}`
}
