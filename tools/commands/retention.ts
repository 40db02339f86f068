/** `varve retention show`, `retention set`, `retention clear`: how long the past is kept (docs/retention.md). */

import { type Command, InvalidArgumentError } from 'commander'
import type { ResolvedMoment } from '../../src/client/moment.js'
import type { RetentionRule } from '../../src/client/tag-calls.js'
import { durationMs, wholeNumber } from '../arguments.js'
import { type BytesClient, type GlobalOptions, withClient } from '../connect.js'
import { badUsage } from '../exit-codes.js'
import { printObject, tableOf } from '../output.js'
import { count, duration, jsonBytes, printable, wallTime } from '../text.js'

/** A rule while its options are read: they belong to the prefix before them. */
interface GivenRule {
  readonly prefix: string
  ageMs?: number
  entries?: number
}

export function addRetentionShow(retention: Command): void {
  retention
    .command('show')
    .description('how long the past is kept, and from where on it is there')
    .action((_options, command: Command) => show(command.optsWithGlobals<GlobalOptions>()))
}

export function addRetentionSet(retention: Command): void {
  const given: GivenRule[] = []
  const command = retention
    .command('set')
    .description('drop what is older than every bound given; replaces all rules')
    .option(
      '--age <time>',
      'keep entries younger than this, such as 12h or 7d',
      bound(given, 'ageMs', durationMs),
    )
    .option(
      '--entries <n>',
      'keep so many newest entries of each shard',
      bound(given, 'entries', wholeNumber(1)),
    )
    .option(
      '--prefix <text>',
      'what follows is for keys that begin so; without a bound they are kept forever',
      text => addPrefix(given, text),
    )
  command.action((_options, command: Command) => set(given, command.optsWithGlobals<GlobalOptions>()))
}

export function addRetentionClear(retention: Command): void {
  retention
    .command('clear')
    .description('take all rules away: everything is kept from now on')
    .action((_options, command: Command) => {
      const options = command.optsWithGlobals<GlobalOptions>()
      return withClient(options, async client => {
        await client.setRetention([])
        await print(client, options)
      })
    })
}

function bound(given: GivenRule[], field: 'ageMs' | 'entries', read: (text: string) => number) {
  return (text: string) => {
    const value = read(text)
    if (given.length === 0) given.push({ prefix: '' })
    const rule = given.at(-1)!
    if (rule[field] !== undefined) throw new InvalidArgumentError('It is given twice for the same keys.')
    rule[field] = value
    return value
  }
}

function addPrefix(given: GivenRule[], prefix: string): string {
  if (prefix === '')
    throw new InvalidArgumentError('A prefix has at least one character; all keys need none.')
  if (given.some(rule => rule.prefix === prefix)) throw new InvalidArgumentError('It is given twice.')
  given.push({ prefix })
  return prefix
}

async function show(options: GlobalOptions): Promise<void> {
  await withClient(options, client => print(client, options))
}

async function set(given: readonly GivenRule[], options: GlobalOptions): Promise<void> {
  if (given.length === 0) {
    throw badUsage(
      'nothing to set: give --age or --entries, or --prefix; `varve retention clear` keeps everything',
    )
  }
  await withClient(options, async client => {
    await client.setRetention(given)
    await print(client, options)
  })
}

async function print(client: BytesClient, { output }: GlobalOptions): Promise<void> {
  const rules = await client.retention()
  const newest = await client.resolve()
  const text = await textOf(rules, newest)
  await printObject(output, objectOf(rules, newest), () => text)
}

function objectOf(rules: readonly RetentionRule[], { cuts }: ResolvedMoment): object {
  return {
    rules: rules.map(({ prefix, ageMs, entries }) => ({
      ...jsonBytes('prefix', bytesOf(prefix)),
      ageMs: ageMs ?? null,
      entries: entries ?? null,
    })),
    shards: Object.entries(cuts).map(([shard, { horizon }]) => ({ shard, horizon: horizon ?? null })),
  }
}

async function textOf(rules: readonly RetentionRule[], { cuts }: ResolvedMoment): Promise<string> {
  const horizons = Object.entries(cuts).map(([shard, { horizon }]) => {
    if (horizon === undefined) return `${shard} has all of its history`
    const { index, wallMs, droppedMs } = horizon
    const dropped = droppedMs === 0 ? '' : `, what was before was dropped on ${wallTime(droppedMs)}`
    return `${shard} has its history from ${wallTime(wallMs)} (index ${index}) on${dropped}`
  })
  if (rules.length === 0) return ['no rules: everything is kept', ...horizons].join('\n')
  const rows = rules.map(({ prefix, ageMs, entries }) => [
    bytesOf(prefix).length === 0 ? 'all others' : printable(bytesOf(prefix)),
    keptText(ageMs, entries),
  ])
  return [await tableOf(['keys', 'kept'], rows), '', ...horizons].join('\n')
}

function keptText(ageMs: number | undefined, entries: number | undefined): string {
  const kept: string[] = []
  if (ageMs !== undefined) kept.push(`what is younger than ${duration(ageMs)}`)
  if (entries !== undefined) kept.push(`the newest ${count(entries)} entries of the shard`)
  return kept.length === 0 ? 'forever' : kept.join(', and ')
}

function bytesOf(prefix: string | Uint8Array | undefined): Buffer {
  return Buffer.from((prefix ?? '') as string)
}
