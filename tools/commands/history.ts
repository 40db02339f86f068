/** `varve history KEY`: all that a key ever held, newest first. */

import type { Command } from 'commander'
import { wholeNumber } from '../arguments.js'
import type { Style } from '../column-printer.js'
import { ExitCode } from '../exit-codes.js'
import { type LogLine, lineObject } from '../log-line.js'
import { noteSilent } from '../orphan-options.js'
import { note } from '../output.js'
import { isAtOrBefore, newestFirst } from '../past/key-orphans.js'
import { actorCell, placeCell, requestCell, valueCell } from '../past/line-cells.js'
import { momentText, noteMoments } from '../past/moment-text.js'
import { type ListForm, pastList } from '../past/past-list.js'
import { addPastOptions, refuseLoneReplica, timeOf } from '../past/past-options.js'
import { type KeyOrphan, type PastOptions, withPast } from '../past/past-source.js'
import { wallTime } from '../text.js'
import { keyBytes } from './write.js'

interface HistoryOptions extends PastOptions {
  readonly at?: string
  readonly limit?: number
}

/** An entry of the key; an orphan names the nodes whose disks hold it. */
interface Version {
  readonly line: LogLine
  readonly nodes?: readonly string[]
}

export function addHistory(program: Command): void {
  const command = program
    .command('history')
    .description('list what a key held, newest first: who wrote it, when, and what was cut off')
    .argument('<key>', 'the key')
    .option('--limit <n>', 'at most so many entries', wholeNumber(1))
    .action((key: string, _options, command: Command) =>
      history(key, command.optsWithGlobals<HistoryOptions>()),
    )
  addPastOptions(command)
}

async function history(key: string, options: HistoryOptions): Promise<void> {
  const keyGiven = keyBytes(key)
  refuseLoneReplica(options)
  await withPast(options, async source => {
    const at = await source.resolve(timeOf(options.at, '--at'), '--at', source.shardsOf(keyGiven))
    const { orphans, silent } = await source.orphans(keyGiven)
    const printer = pastList<Version>(options.output, { key, at }, FORM)
    let left = options.limit ?? Number.POSITIVE_INFINITY
    let isEmpty = true
    const dropped: string[] = []
    // Without a moment all are meant: what was cut off may be later than all that stayed.
    const wanted = options.at === undefined ? orphans : orphans.filter(({ line }) => isAtOrBefore(line, at))
    const how = {
      limit: options.limit,
      tentative: options.at === undefined,
      onDropped: (text: string) => dropped.push(text),
    }
    for await (const version of withOrphans(source.history(keyGiven, at, how), wanted)) {
      await printer.add(version)
      isEmpty = false
      if (--left === 0) break
    }
    await printer.end()
    if (isEmpty && dropped.length === 0) {
      process.exitCode = ExitCode.NO
      note(`varve: ${key} was never written${options.at === undefined ? '' : ' by then'}`)
    }
    if (options.output === 'table') noteMoments(...dropped, momentText(at))
    noteSilent(silent)
  })
}

/** The entries of the log with what was cut off, each at its place. Both are given newest first. */
async function* withOrphans(
  lines: AsyncIterable<LogLine>,
  orphans: readonly KeyOrphan[],
): AsyncGenerator<Version> {
  let next = 0
  for await (const line of lines) {
    while (next < orphans.length && newestFirst(orphans[next]!.line, line) < 0) yield orphans[next++]!
    yield { line }
  }
  yield* orphans.slice(next)
}

const FORM: ListForm<Version> = {
  name: 'entries',
  columns: [
    { name: 'time' },
    { name: 'entry' },
    { name: 'lamport', align: 'right' },
    { name: 'op' },
    { name: 'value', flexible: true },
    { name: 'by', flexible: true },
    { name: 'request' },
    { name: 'state', flexible: true },
  ],
  toObject: ({ line, nodes }) => {
    const object = { ...lineObject(line), state: stateOf(line, nodes) }
    return nodes === undefined ? object : { ...object, nodes }
  },
  toCells: ({ line, nodes }) => [
    wallTime(line.wallMs),
    placeCell(line, false),
    String(line.lamport),
    line.operation,
    valueCell(line),
    actorCell(line),
    requestCell(line),
    nodes === undefined ? stateOf(line, nodes) : `orphaned, epoch ${line.epoch}: ${nodes.join(', ')}`,
  ],
  style: ({ line, nodes }): Style => (nodes !== undefined ? 'red' : line.committed ? 'none' : 'yellow'),
}

function stateOf(
  line: LogLine,
  nodes: readonly string[] | undefined,
): 'committed' | 'tentative' | 'orphaned' {
  if (nodes !== undefined) return 'orphaned'
  return line.committed ? 'committed' : 'tentative'
}
