/** `varve tag add NAME [T]`, `tag list`, `tag remove NAME`: names for moments, kept in the logs. */

import type { Command } from 'commander'
import type { Tag } from '../../src/client/tag-calls.js'
import { type Column, ColumnPrinter } from '../column-printer.js'
import { type GlobalOptions, withClient } from '../connect.js'
import { CommandError, ExitCode } from '../exit-codes.js'
import { listPrinter, note, printObject } from '../output.js'
import { actorCell } from '../past/line-cells.js'
import { momentName, momentText, noteMoments } from '../past/moment-text.js'
import { resolveOnline } from '../past/online-moment.js'
import { addDataOptions, refuseLoneReplica, TIME_HELP, timeOf } from '../past/past-options.js'
import { type PastOptions, type PastTag, withPast } from '../past/past-source.js'
import { wallTime } from '../text.js'

export function addTagAdd(tag: Command): void {
  tag
    .command('add')
    .description('name a moment: the name is a time from then on, and retention keeps what it names')
    .argument('<name>', 'a letter, then up to 127 more characters without "/" and spaces')
    .argument('[time]', `${TIME_HELP} (default: now)`)
    .action((name: string, time: string | undefined, _options, command: Command) =>
      add(name, time, command.optsWithGlobals<GlobalOptions>()),
    )
}

export function addTagList(tag: Command): void {
  const command = tag
    .command('list')
    .description('list the moments that have names')
    .action((_options, command: Command) => list(command.optsWithGlobals<PastOptions>()))
  addDataOptions(command)
}

export function addTagRemove(tag: Command): void {
  tag
    .command('remove')
    .alias('rm')
    .description('take a name away; the log keeps that it was there')
    .argument('<name>', 'the name')
    .action((name: string, _options, command: Command) =>
      remove(name, command.optsWithGlobals<GlobalOptions>()),
    )
}

async function add(name: string, time: string | undefined, options: GlobalOptions): Promise<void> {
  await withClient(options, async client => {
    const at = await resolveOnline(client, timeOf(time, 'the time'), 'the time')
    const tag = await client.tag(name, at)
    const object = { op: 'tag', ...tagObject(tag), at }
    await printObject(options.output, object, () => `${tag.name} names ${momentName(tag)}`)
    if (options.output === 'table') noteMoments(momentText(at))
  })
}

async function list(options: PastOptions): Promise<void> {
  refuseLoneReplica(options)
  await withPast(options, async source => {
    const tags = await source.tags()
    if (options.output === 'table') {
      if (tags.length === 0) return note('no tags: `varve tag add NAME` names the present moment')
      const printer = new ColumnPrinter(COLUMNS)
      for (const tag of tags)
        await printer.add([tag.name, momentName(tag), wallTime(tag.wallMs), actorCell(tag)])
      return await printer.end()
    }
    const printer = listPrinter<PastTag>(options.output, tagObject, () => '')
    for (const tag of tags) await printer.add(tag)
    await printer.end()
  })
}

async function remove(name: string, options: GlobalOptions): Promise<void> {
  await withClient(options, async client => {
    const removed = await client.untag(name)
    if (!removed && options.output === 'table')
      throw new CommandError(ExitCode.NO, `no tag is called ${name}`)
    await printObject(options.output, { op: 'untag', name, removed }, () => `${name} removed`)
    if (!removed) process.exitCode = ExitCode.NO
  })
}

const COLUMNS: readonly Column[] = [
  { name: 'tag', flexible: 'last' },
  { name: 'moment' },
  { name: 'tagged' },
  { name: 'by', flexible: true },
]

function tagObject({ name, moment, lamport, wallMs, actor }: PastTag | Tag): object {
  return { name, moment, lamport, wallMs, ...(actor === '' ? {} : { actor }) }
}
