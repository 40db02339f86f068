/** `varve blame [PREFIX]`: who wrote what each key holds, when, and at which entry. */

import type { Command } from 'commander'
import { type LogLine, lineObject } from '../log-line.js'
import { actorCell, placeCell, requestCell, valueCell } from '../past/line-cells.js'
import { momentText, noteMissing, noteMoments } from '../past/moment-text.js'
import { type ListForm, pastList } from '../past/past-list.js'
import { addPastOptions, refuseLoneReplica, timeOf } from '../past/past-options.js'
import { type PastOptions, rangeOf, withPast } from '../past/past-source.js'
import { printable, wallTime } from '../text.js'

interface BlameOptions extends PastOptions {
  readonly at?: string
}

export function addBlame(program: Command): void {
  const command = program
    .command('blame')
    .description('show who wrote what each key holds, when, and at which entry')
    .argument('[prefix]', 'only keys that begin so')
    .action((prefix: string | undefined, _options, command: Command) =>
      blame(prefix, command.optsWithGlobals<BlameOptions>()),
    )
  addPastOptions(command)
}

async function blame(prefix: string | undefined, options: BlameOptions): Promise<void> {
  refuseLoneReplica(options)
  await withPast(options, async source => {
    const at = await source.resolve(timeOf(options.at, '--at'), '--at')
    const printer = pastList<LogLine>(options.output, { at }, FORM)
    for await (const line of source.blame(at, rangeOf(prefix))) await printer.add(line)
    await printer.end()
    if (options.output === 'table') noteMoments(momentText(at))
    noteMissing(source)
  })
}

const FORM: ListForm<LogLine> = {
  name: 'entries',
  columns: [
    { name: 'key', flexible: 'last' },
    { name: 'value', flexible: true },
    { name: 'by', flexible: true },
    { name: 'time' },
    { name: 'entry' },
    { name: 'request' },
  ],
  toObject: lineObject,
  toCells: line => [
    printable(line.key),
    valueCell(line),
    actorCell(line),
    wallTime(line.wallMs),
    placeCell(line),
    requestCell(line),
  ],
}
