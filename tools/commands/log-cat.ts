/** `varve log cat`, `varve log tail`: the entries of the logs. */

import type { Command } from 'commander'
import { wholeNumber } from '../arguments.js'
import { badUsage, ExitCode } from '../exit-codes.js'
import { type FilterOptions, filterOf, operations } from '../log-filter.js'
import { followLogs } from '../log-follow.js'
import { type LogLine, lineObject, lineText } from '../log-line.js'
import { mergeByLamport, mergeByLamportBackward } from '../log-merge.js'
import { DamageTeller, linesBackward, linesForward } from '../log-reading.js'
import { type LogRange, selectRanges } from '../log-selection.js'
import { type LogOptions, type LogSource, openLogSource } from '../log-source.js'
import { type ListPrinter, listPrinter, note } from '../output.js'
import { addLogOptions, addSourceOptions, momentContext } from './log-options.js'

/** What `tail` shows of what is there already. */
const TAIL_ENTRIES = 10

interface CatOptions extends LogOptions, Omit<FilterOptions, 'actor'> {
  readonly limit?: number
  readonly reverse?: boolean
  readonly follow?: boolean
  readonly lines?: number
  /** Whose entries are wanted; the option of all commands says who writes. */
  readonly filteredActor?: string | undefined
}

export function addLogCat(log: Command): void {
  const cat = log
    .command('cat')
    .description('print the entries of the logs, oldest first; several shards merged by Lamport time')
  addLogOptions(addFilterOptions(cat))
    .option('--limit <n>', 'at most so many entries', wholeNumber(1))
    .option('--reverse', 'newest first')
    .option('-f, --follow', 'go on with entries as they are committed, until Ctrl-C')
    .action((_options, command: Command) => printLogs(optionsOf(command)))
  const tail = log
    .command('tail')
    .description('print the newest entries of the logs, and go on as they are committed, until Ctrl-C')
    .option('--shard <name>', 'only the log of this shard')
  addSourceOptions(addFilterOptions(tail))
    .option('-n, --lines <n>', 'begin with so many that are there already', wholeNumber(0), TAIL_ENTRIES)
    .option('--limit <n>', 'end after so many entries', wholeNumber(1))
    .action((_options, command: Command) => {
      const options = optionsOf(command)
      return printLogs({ ...options, follow: options.data === undefined })
    })
}

function addFilterOptions(command: Command): Command {
  return command
    .option('--prefix <text>', 'only entries of keys that begin so')
    .option('--key <glob>', 'only entries of keys like this: * stands for anything, ? for one character')
    .option('--op <list>', 'only these operations: set, delete, epoch, noop, parted by commas', operations)
    .option('--actor <name>', 'only entries that this actor wrote')
    .option('--client <id>', 'only entries of this client, by its id or the beginning of it')
}

/** These commands write nothing: an `--actor` that is typed is a filter. One of the environment says who writes. */
function optionsOf(command: Command): CatOptions {
  let program = command
  while (program.parent !== null) program = program.parent
  // The parser takes it for the option of all commands, wherever it stands.
  const isTyped = program.getOptionValueSource('actor') === 'cli'
  const filteredActor = isTyped ? (program.getOptionValue('actor') as string) : undefined
  return { ...command.optsWithGlobals<CatOptions>(), filteredActor }
}

async function printLogs(options: CatOptions): Promise<void> {
  if (options.follow && options.data !== undefined) {
    throw badUsage('--follow: the log in a folder does not grow; leave it out, or ask a running cluster')
  }
  if (options.follow && (options.to !== undefined || options.reverse)) {
    throw badUsage(`--follow has no end: leave out ${options.to === undefined ? '--reverse' : '--to'}`)
  }
  const filter = filterOf({ ...options, actor: options.filteredActor })
  const valueLengthMax = process.stdout.isTTY ? 100 : Number.POSITIVE_INFINITY
  const printer = listPrinter<LogLine>(options.output, lineObject, line => lineText(line, valueLengthMax))
  const damages = new DamageTeller()
  const source = await openLogSource(options, damages.tell)
  try {
    const ranges = await selectRanges(options, source, momentContext(options, options.follow))
    let left = options.limit ?? Number.POSITIVE_INFINITY
    const bound = options.follow ? ranges.map(committedPart) : ranges
    for await (const line of present(source, bound, filter, options)) {
      await printer.add(line)
      if (--left === 0) break
    }
    if (options.follow && left > 0) await follow(options, source, bound, filter, printer, left)
  } finally {
    await source.close()
  }
  await printer.end()
  if (!damages.isEmpty) process.exitCode = ExitCode.NO
}

/** What is there already, as far as it is asked for. */
async function* present(
  source: LogSource,
  ranges: readonly LogRange[],
  filter: ReturnType<typeof filterOf>,
  { lines, reverse }: CatOptions,
): AsyncGenerator<LogLine> {
  if (lines === undefined) {
    const read = reverse ? linesBackward : linesForward
    const merge = reverse ? mergeByLamportBackward : mergeByLamport
    yield* merge(ranges.map(range => read(source, range, filter)))
    return
  }
  if (lines === 0) return
  const newest: LogLine[] = []
  for await (const line of mergeByLamportBackward(
    ranges.map(range => linesBackward(source, range, filter)),
  )) {
    newest.push(line)
    if (newest.length >= lines) break
  }
  yield* newest.reverse()
}

/** What is followed is what can no longer be undone. */
function committedPart(range: LogRange): LogRange {
  return { ...range, lastIndex: Math.min(range.lastIndex, range.info.commitIndex) }
}

async function follow(
  options: CatOptions,
  source: LogSource,
  ranges: readonly LogRange[],
  filter: ReturnType<typeof filterOf>,
  printer: ListPrinter<LogLine>,
  limit: number,
): Promise<void> {
  const ending = new AbortController()
  const end = () => ending.abort()
  process.once('SIGINT', end).once('SIGTERM', end)
  if (process.stderr.isTTY) note('following; Ctrl-C ends it')
  let left = limit
  try {
    for await (const line of followLogs(options, source, ranges, filter, ending.signal)) {
      await printer.add(line)
      if (--left === 0) break
    }
  } finally {
    process.off('SIGINT', end).off('SIGTERM', end)
  }
}
