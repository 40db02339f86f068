/** `varve restore KEY|PREFIX --to T`: gives keys what they held at a moment, by ordinary writes. */

import { type Command, Option } from 'commander'
import type {
  RestoreChange,
  RestoreMoments,
  RestoreOptions,
  RestoreResult,
} from '../../src/client/restore.js'
import { shardOfKey } from '../../src/client/shard-of-key.js'
import type { Style } from '../column-printer.js'
import { type BytesClient, type GlobalOptions, withClient } from '../connect.js'
import { ExitCode } from '../exit-codes.js'
import { lineObject } from '../log-line.js'
import { note, printObject } from '../output.js'
import { actorCell, placeCell, valueCell } from '../past/line-cells.js'
import { momentName, momentText, noteMoments } from '../past/moment-text.js'
import { lineOf, resolveOnline } from '../past/online-moment.js'
import { type ListForm, pastList } from '../past/past-list.js'
import { TIME_HELP, timeOf } from '../past/past-options.js'
import { count, jsonBytes, plural, printable, wallTime } from '../text.js'
import { consistencyOption } from './request-options.js'
import { keyBytes } from './write.js'

interface RestoreCommandOptions extends GlobalOptions {
  readonly to: string
  readonly prefix?: boolean
  readonly yes?: boolean
  readonly consistency?: 'strong' | 'weak'
}

type Change = RestoreChange<Buffer, Buffer>

export function addRestore(program: Command): void {
  program
    .command('restore')
    .description('write again what a key, or all with a prefix, held at a moment; shows it first')
    .argument('<key>', 'the key; with --prefix, what the keys begin with')
    .requiredOption('--to <time>', `the moment: ${TIME_HELP}`)
    .option('--prefix', 'all keys that begin so; those that did not exist then are deleted')
    .addOption(new Option('--yes', 'do it: without this, what would be written is shown'))
    .addOption(consistencyOption(['strong', 'weak']))
    .action((key: string, _options, command: Command) =>
      restore(key, command.optsWithGlobals<RestoreCommandOptions>()),
    )
}

async function restore(key: string, options: RestoreCommandOptions): Promise<void> {
  const what = options.prefix ? { prefix: Buffer.from(key, 'utf8') } : { key: keyBytes(key) }
  await withClient(options, async client => {
    const shards = 'key' in what ? [shardOf(client, what.key)] : undefined
    const to = await resolveOnline(client, timeOf(options.to, '--to'), '--to', shards)
    const asOf = await client.resolve(undefined, { shards })
    const request = { ...what, to, asOf }
    if (options.yes) await carryOut(client, key, request, options)
    else await showPlan(client, key, request, options)
  })
}

function shardOf(client: BytesClient, key: Buffer): string {
  const { shards } = client.shardMap()
  return shards[shardOfKey(key, shards.length)]!.name
}

async function showPlan(
  client: BytesClient,
  key: string,
  request: RestoreOptions<Buffer> & RestoreMoments,
  options: RestoreCommandOptions,
): Promise<void> {
  const { to, asOf } = request
  const header = { op: 'restore', key, dryRun: true, to, asOf }
  const printer = pastList<Change>(options.output, header, CHANGE_FORM)
  let changes = 0
  for await (const change of client.restorePlan(request)) {
    changes += 1
    await printer.add(change)
  }
  await printer.end()
  if (options.output !== 'table') return
  const would = `${plural(changes, 'key')} would be written`
  noteMoments(momentText(to, 'to '), momentText(asOf, 'now'))
  note(changes === 0 ? 'nothing to restore: it is as it was' : `${would}; nothing was: --yes does it`)
}

async function carryOut(
  client: BytesClient,
  key: string,
  request: RestoreOptions<Buffer> & RestoreMoments,
  options: RestoreCommandOptions,
): Promise<void> {
  const { consistency } = options
  const result = await client.restore({ ...request, ...(consistency === undefined ? {} : { consistency }) })
  const skipped = result.skipped === 0 ? [] : await stillDifferent(client, request)
  const undo = undoCommand(key, options, result)
  const { changes, written, to, asOf } = result
  const object = { op: 'restore', key, dryRun: false, to, asOf, changes, written, skipped: result.skipped }
  const keys = skipped.map(each => jsonBytes('key', each))
  await printObject(options.output, { ...object, skippedKeys: keys, undo }, () =>
    [
      `${plural(written, 'key')} written`,
      ...(result.skipped === 0 ? [] : [`${count(result.skipped)} skipped, changed by others meanwhile:`]),
      ...skipped.map(each => `  ${printable(each)}`),
    ].join('\n'),
  )
  if (result.skipped > 0) process.exitCode = ExitCode.NO
  if (options.output !== 'table') return
  noteMoments(momentText(to, 'to    '), momentText(asOf, 'before'))
  if (written > 0) note(`to undo it: ${undo}`)
}

/** The keys that somebody has written since the plan was made, and that are not as they were to be. */
async function stillDifferent(
  client: BytesClient,
  { key, prefix, to, asOf }: RestoreOptions<Buffer> & RestoreMoments,
): Promise<Buffer[]> {
  if (key !== undefined) return [key]
  const keys: Buffer[] = []
  for await (const change of client.restorePlan({ prefix, to })) {
    const cut = asOf.cuts[change.shard]
    if ((change.current?.index ?? 0) > (cut?.index ?? 0)) keys.push(change.key)
  }
  return keys
}

function undoCommand(key: string, options: RestoreCommandOptions, { asOf }: RestoreResult): string {
  return [
    'varve restore',
    quoted(key),
    ...(options.prefix ? ['--prefix'] : []),
    '--to',
    momentName(asOf),
  ].join(' ')
}

/** As a shell takes it. */
function quoted(text: string): string {
  return /^[\w./:@%+=-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`
}

type Sign = '+' | '~' | '-'
const STYLES: Readonly<Record<Sign, Style>> = { '+': 'green', '~': 'yellow', '-': 'red' }

const CHANGE_FORM: ListForm<Change> = {
  name: 'changes',
  columns: [
    { name: '' },
    { name: 'key', flexible: 'last' },
    { name: 'now', flexible: true },
    { name: 'then', flexible: true },
    { name: 'by', flexible: true },
    { name: 'time' },
    { name: 'entry' },
  ],
  toObject: ({ key, shard, operation, old, current }) => ({
    operation,
    ...jsonBytes('key', key),
    shard,
    ...(old?.value === undefined ? {} : jsonBytes('value', old.value)),
    old: old === undefined ? null : lineObject(lineOf(old)),
    current: current === undefined ? null : lineObject(lineOf(current)),
  }),
  toCells: change => {
    const { key, old, current } = change
    const line = current === undefined ? undefined : lineOf(current)
    const who = line === undefined ? ['', '', ''] : [actorCell(line), wallTime(line.wallMs), placeCell(line)]
    const then = old === undefined ? '' : valueCell(lineOf(old))
    return [signOf(change), printable(key), valueCell(line), then, ...who]
  },
  style: change => STYLES[signOf(change)],
}

function signOf({ operation, current }: Change): Sign {
  if (operation === 'delete') return '-'
  return current?.operation === 'set' ? '~' : '+'
}
