/** `varve log cat`: the entries of the logs, oldest first. */

import type { Command } from 'commander'
import { wholeNumber } from '../arguments.js'
import { type LogLine, lineObject, lineText } from '../log-line.js'
import { mergeByLamport } from '../log-merge.js'
import { type LogSelection, selectLog } from '../log-selection.js'
import { type LogOptions, type LogSource, linesIn, openLogSource } from '../log-source.js'
import { listPrinter } from '../output.js'
import { addLogOptions } from './log-options.js'

interface CatOptions extends LogOptions {
  readonly prefix?: string
  readonly limit?: number
}

export function addLogCat(log: Command): void {
  const command = log
    .command('cat')
    .description('print the entries of the logs, oldest first; several shards merged by Lamport time')
    .option('--prefix <text>', 'only entries of keys that begin so')
    .option('--limit <n>', 'at most so many entries', wholeNumber(1))
    .action((_options, command: Command) => cat(command.optsWithGlobals<CatOptions>()))
  addLogOptions(command)
}

async function cat(options: CatOptions): Promise<void> {
  const source = await openLogSource(options)
  try {
    const selection = selectLog(options, source.shards, Date.now())
    const valueLengthMax = process.stdout.isTTY ? 100 : Number.POSITIVE_INFINITY
    const printer = listPrinter<LogLine>(options.output, lineObject, line => lineText(line, valueLengthMax))
    let left = options.limit ?? Number.POSITIVE_INFINITY
    for await (const line of mergeByLamport(
      selection.shards.map(shard => selected(source, shard, selection)),
    )) {
      await printer.add(line)
      if (--left === 0) break
    }
    await printer.end()
  } finally {
    await source.close()
  }
}

/** The wanted entries of one shard. */
async function* selected(source: LogSource, shard: string, selection: LogSelection): AsyncGenerator<LogLine> {
  for await (const line of linesIn(source.read(shard, selection.fromIndex, selection.toIndex))) {
    const place = selection.place(line)
    if (place === 'after') return
    if (place === 'in') yield line
  }
}
