/** `varve diff --from T1 [--to T2] [PREFIX]`: which keys held something else, and who made it so. */

import type { Command } from 'commander'
import type { Style } from '../column-printer.js'
import { badUsage } from '../exit-codes.js'
import { type LogLine, lineObject } from '../log-line.js'
import { print, printObject, tableOf } from '../output.js'
import { actorCell, placeCell, valueCell } from '../past/line-cells.js'
import { momentText, noteMissing, noteMoments } from '../past/moment-text.js'
import { type ListForm, pastList } from '../past/past-list.js'
import { addDataOptions, refuseLoneReplica, TIME_HELP, timeOf } from '../past/past-options.js'
import {
  type PastDifference,
  type PastMoment,
  type PastOptions,
  rangeOf,
  withPast,
} from '../past/past-source.js'
import { count, jsonBytes, plural, printable, wallTime } from '../text.js'

interface DiffOptions extends PastOptions {
  readonly from: string
  readonly to?: string
  readonly stat?: boolean
}

export type Change = 'added' | 'changed' | 'removed'

/** How many keys came to differ, and how. */
export type Changes = Record<Change, number>

export function addDiff(program: Command): void {
  const command = program
    .command('diff')
    .description('show which keys held something else at two moments, old and new value, and who changed it')
    .argument('[prefix]', 'only keys that begin so')
    .requiredOption('--from <time>', `the earlier moment: ${TIME_HELP}, or start`)
    .option('--to <time>', 'the later one (default: now)')
    .option('--stat', 'only how many')
    .action((prefix: string | undefined, _options, command: Command) =>
      diff(prefix, command.optsWithGlobals<DiffOptions>()),
    )
  addDataOptions(command)
}

async function diff(prefix: string | undefined, options: DiffOptions): Promise<void> {
  refuseLoneReplica(options)
  await withPast(options, async source => {
    const from = await source.resolve(timeOf(options.from, '--from'), '--from')
    const to = await source.resolve(timeOf(options.to, '--to'), '--to')
    refuseBackwards(from, to, options)
    const differences = source.diff(from, to, rangeOf(prefix))
    if (options.stat) await printStat(differences, from, to, options)
    else await printDifferences(differences, { from, to }, options)
    if (options.output === 'table') noteMoments(momentText(from, 'from'), momentText(to, 'to  '))
    noteMissing(source)
  })
}

/** From one moment back to an earlier one nothing is to be told: what is removed then was added. */
function refuseBackwards(from: PastMoment, to: PastMoment, options: DiffOptions): void {
  const isLater = Object.entries(from.cuts).some(([shard, { index }]) => index > to.cuts[shard]!.index)
  if (!isLater) return
  const given = `--from ${options.from} and --to ${options.to ?? 'now'}`
  throw badUsage(`${given} given, the first is later: give the earlier moment as --from`)
}

async function printDifferences(
  differences: AsyncIterable<PastDifference>,
  header: object,
  options: DiffOptions,
): Promise<void> {
  const printer = pastList<PastDifference>(options.output, header, DIFFERENCE_FORM)
  const changes = noChanges()
  for await (const difference of differences) {
    changes[changeOf(difference)] += 1
    await printer.add(difference)
  }
  await printer.end()
  if (options.output === 'table') noteMoments(changesText(changes))
}

async function printStat(
  differences: AsyncIterable<PastDifference>,
  from: PastMoment,
  to: PastMoment,
  options: DiffOptions,
): Promise<void> {
  const all = noChanges()
  const shards = new Map(Object.keys(from.cuts).map(shard => [shard, noChanges()]))
  for await (const difference of differences) {
    const change = changeOf(difference)
    all[change] += 1
    shards.get((difference.after ?? difference.before)!.shard)![change] += 1
  }
  const object = { from, to, ...all, shards: Object.fromEntries(shards) }
  if (options.output !== 'table') return await printObject(options.output, object, () => '')
  const rows = [...shards, ['all', all] as const].map(([name, changes]) => [name, ...cellsOf(changes)])
  await print(`${await tableOf(['shard', ...CHANGES], rows, CHANGES)}\n`)
}

const CHANGES: readonly Change[] = ['added', 'changed', 'removed']

export function noChanges(): Changes {
  return { added: 0, changed: 0, removed: 0 }
}

export function changeOf({ before, after }: PastDifference): Change {
  if (before === undefined) return 'added'
  return after?.operation === 'set' ? 'changed' : 'removed'
}

/** `3 keys: 1 added, 2 changed`. */
export function changesText(changes: Changes): string {
  const parts = CHANGES.filter(change => changes[change] > 0).map(
    change => `${count(changes[change])} ${change}`,
  )
  const all = CHANGES.reduce((sum, change) => sum + changes[change], 0)
  return all === 0 ? 'no differences' : `${plural(all, 'key')}: ${parts.join(', ')}`
}

function cellsOf(changes: Changes): string[] {
  return CHANGES.map(change => count(changes[change]))
}

const SIGNS: Readonly<Record<Change, string>> = { added: '+', changed: '~', removed: '-' }
const STYLES: Readonly<Record<Change, Style>> = { added: 'green', changed: 'yellow', removed: 'red' }

const DIFFERENCE_FORM: ListForm<PastDifference> = {
  name: 'differences',
  columns: [
    { name: '' },
    { name: 'key', flexible: 'last' },
    { name: 'old', flexible: true },
    { name: 'new', flexible: true },
    { name: 'by', flexible: true },
    { name: 'time' },
    { name: 'entry' },
  ],
  toObject: difference => {
    const { key, before, after } = difference
    const shard = (after ?? before)!.shard
    const change = changeOf(difference)
    return { change, ...jsonBytes('key', key), shard, before: sideObject(before), after: sideObject(after) }
  },
  toCells: difference => {
    const { key, before, after } = difference
    const who =
      after === undefined ? ['', '', ''] : [actorCell(after), wallTime(after.wallMs), placeCell(after)]
    return [SIGNS[changeOf(difference)], printable(key), valueCell(before), valueCell(after), ...who]
  },
  style: difference => STYLES[changeOf(difference)],
}

/** An entry of a difference, without what the difference says itself. */
function sideObject(line: LogLine | undefined): object | null {
  if (line === undefined) return null
  const { shard: _, key: __, keyBase64: ___, ...rest } = lineObject(line) as Record<string, unknown>
  return rest
}
