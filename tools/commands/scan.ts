/** `varve scan [PREFIX]`: keys and values of all shards in the order of the keys' bytes. */

import type { Command } from 'commander'
import { wholeNumber } from '../arguments.js'
import { type GlobalOptions, withClient } from '../connect.js'
import { badUsage } from '../exit-codes.js'
import { listPrinter } from '../output.js'
import { jsonBytes, printable, shorten } from '../text.js'
import {
  consistencyOption,
  positionFields,
  type RequestConsistency,
  type Written,
} from './request-options.js'

interface ScanOptions extends GlobalOptions {
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
  program
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
}

async function scan(prefix: string | undefined, options: ScanOptions): Promise<void> {
  if (prefix !== undefined && (options.start !== undefined || options.end !== undefined)) {
    throw badUsage(`prefix "${prefix}" given together with --start or --end: give the prefix or the range`)
  }
  const printer = listPrinter<ScanLine>(
    options.output,
    item => ({
      ...jsonBytes('key', item.key),
      ...(item.value === undefined ? {} : jsonBytes('value', item.value)),
      ...positionFields(item),
    }),
    item =>
      item.value === undefined
        ? printable(item.key)
        : `${printable(item.key).padEnd(24)}  ${shown(item.value)}`,
  )
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

function shown(value: Buffer): string {
  const text = printable(value)
  return process.stdout.isTTY ? shorten(text, SHOWN_LENGTH_MAX) : text
}
