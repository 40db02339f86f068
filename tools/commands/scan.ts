/** `varve scan [PREFIX]`: keys and values of all shards in the order of the keys' bytes, now or at a moment. */

import type { Command } from 'commander'
import { wholeNumber } from '../arguments.js'
import { withClient } from '../connect.js'
import { badUsage } from '../exit-codes.js'
import { type ListPrinter, listPrinter } from '../output.js'
import { momentText, noteMissing, noteMoments } from '../past/moment-text.js'
import { pastList } from '../past/past-list.js'
import { addPastOptions, refuseLoneReplica, timeOf } from '../past/past-options.js'
import { type KeyRange, type PastOptions, rangeOf, withPast } from '../past/past-source.js'
import { jsonBytes, printable, shorten } from '../text.js'
import {
  consistencyOption,
  positionFields,
  type RequestConsistency,
  type Written,
} from './request-options.js'

interface ScanOptions extends PastOptions {
  readonly at?: string
  readonly consistency?: RequestConsistency
  readonly start?: string
  readonly end?: string
  readonly limit?: number
  readonly reverse?: boolean
  readonly keysOnly?: boolean
}

interface ScanLine extends Written {
  readonly key: Buffer
  readonly value?: Buffer | undefined
}

/** Longer values are cut in a terminal, where `-o json` and `get` show them whole. */
const SHOWN_LENGTH_MAX = 100

export function addScan(program: Command): void {
  const command = program
    .command('scan')
    .description('list keys and values in key order')
    .argument('[prefix]', 'only keys that begin so')
    .option('--start <key>', 'first key wanted')
    .option('--end <key>', 'the list ends before this key')
    .option('--limit <n>', 'at most so many keys', wholeNumber(1))
    .option('--reverse', 'from the last key to the first')
    .option('--keys-only', 'no values')
    .addOption(consistencyOption(['strong', 'weak', 'session']))
    .action((prefix: string | undefined, _options, command: Command) =>
      scan(prefix, command.optsWithGlobals<ScanOptions>()),
    )
  addPastOptions(command)
}

async function scan(prefix: string | undefined, options: ScanOptions): Promise<void> {
  if (prefix !== undefined && (options.start !== undefined || options.end !== undefined)) {
    throw badUsage(`prefix "${prefix}" given together with --start or --end: give the prefix or the range`)
  }
  refuseLoneReplica(options)
  if (options.at !== undefined || options.data !== undefined) return await scanPast(prefix, options)
  const printer = listPrinter<ScanLine>(options.output, toObject, toLine)
  await withClient(options, async client => {
    const items = client.scan({
      ...(prefix === undefined ? {} : { prefix: Buffer.from(prefix, 'utf8') }),
      ...(options.start === undefined ? {} : { start: Buffer.from(options.start, 'utf8') }),
      ...(options.end === undefined ? {} : { end: Buffer.from(options.end, 'utf8') }),
      ...(options.limit === undefined ? {} : { limit: options.limit }),
      ...(options.consistency === undefined ? {} : { consistency: options.consistency }),
      reverse: options.reverse === true,
      keysOnly: options.keysOnly === true,
    })
    for await (const item of items) await printer.add(item as ScanLine)
  })
  await printer.end()
}

async function scanPast(prefix: string | undefined, options: ScanOptions): Promise<void> {
  await withPast(options, async source => {
    const at = await source.resolve(timeOf(options.at, '--at'), '--at')
    const printer = scanPrinter(options, at)
    let left = options.limit ?? Number.POSITIVE_INFINITY
    for await (const line of source.scan(at, rangeGiven(prefix, options), options.reverse === true)) {
      const { value, ...item } = line
      await printer.add(options.keysOnly ? item : line)
      if (--left === 0) break
    }
    await printer.end()
    if (options.output === 'table') noteMoments(momentText(at))
    noteMissing(source)
  })
}

function scanPrinter(options: ScanOptions, at: object): ListPrinter<ScanLine> {
  if (options.output === 'table') return listPrinter<ScanLine>('table', toObject, toLine)
  const form = { name: 'entries', columns: [], toObject, toCells: () => [] }
  return pastList<ScanLine>(options.output, { at }, form)
}

function rangeGiven(prefix: string | undefined, { start, end }: ScanOptions): KeyRange {
  if (prefix !== undefined) return rangeOf(prefix)
  return { start: Buffer.from(start ?? '', 'utf8'), end: Buffer.from(end ?? '', 'utf8') }
}

function toObject(item: ScanLine): object {
  return {
    ...jsonBytes('key', item.key),
    ...(item.value === undefined ? {} : jsonBytes('value', item.value)),
    ...positionFields(item),
  }
}

function toLine({ key, value }: ScanLine): string {
  return value === undefined ? printable(key) : `${printable(key).padEnd(24)}  ${shown(value)}`
}

function shown(value: Buffer): string {
  const text = printable(value)
  return process.stdout.isTTY ? shorten(text, SHOWN_LENGTH_MAX) : text
}
