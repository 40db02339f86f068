/** `varve log import`: writes an exported part of a log anew. Without `--yes` it only says what it would write. */

import { existsSync } from 'node:fs'
import type { Command } from 'commander'
import { VarveError } from '../../src/client/errors.js'
import type { Inspector } from '../../src/client/inspector.js'
import type { ShardMap } from '../../src/generated/varve/v1/cluster.js'
import { findShardMap, type GlobalOptions, withInspector } from '../connect.js'
import { badUsage, CommandError, codeOf, ExitCode, unavailable } from '../exit-codes.js'
import { type ImportUnit, isWritten, newIds, UnitGatherer, type UnitOptions } from '../import-plan.js'
import type { ImportFigures, ImportTarget } from '../import-writes.js'
import type { SliceHeader } from '../log-slice.js'
import { isHeader, readSlice } from '../log-slice-reader.js'
import { note, printObject, tableOf } from '../output.js'
import { showProgress } from '../progress.js'
import { count, plural } from '../text.js'

interface ImportOptions extends GlobalOptions {
  readonly yes?: boolean
  readonly splitBatches?: boolean
  readonly anew?: boolean
}

/** What a shard gets. */
interface ShardPlan {
  readonly shard: string
  sets: number
  deletes: number
  batches: number
  readonly keys: Set<string>
}

/** What a file would write. */
interface Plan {
  readonly header: SliceHeader
  readonly entries: number
  readonly leftOut: number
  readonly shards: readonly ShardPlan[]
}

export function addLogImport(log: Command): void {
  log
    .command('import <file>')
    .description(
      'write what `varve log export` wrote anew, each entry once; without --yes, say what would be written',
    )
    .option(
      '--split-batches',
      'write the entries of an atomic batch one by one where its keys fall into several shards',
    )
    .option('--anew', 'also what was imported before: then it is written again')
    .option('--yes', 'do it')
    .action((file: string, _options, command: Command) =>
      importLog(file, command.optsWithGlobals<ImportOptions>()),
    )
}

async function importLog(file: string, options: ImportOptions): Promise<void> {
  if (!existsSync(file))
    throw badUsage(`${file}: there is no such file: expected one of \`varve log export\``)
  await withInspector(options, async inspector => {
    const map = await findShardMap(inspector, options.endpoints)
    // All of the file is read before anything is written: one line that is wrong, and nothing is.
    const plan = await planOf(file, map, options)
    const written = plan.entries - plan.leftOut
    await noteSameLog(inspector, map, plan.header)
    if (!options.yes) {
      const text = await planText(plan, map)
      return await printObject(options.output, { file, ...planObject(plan), written: 0 }, () => text)
    }
    const figures = await carryOut(file, plan, inspector, map, options)
    const object = { file, ...planObject(plan), written: figures.written, known: figures.known }
    await printObject(options.output, object, () => doneText(figures, written))
  })
}

async function planOf(file: string, map: ShardMap, options: ImportOptions): Promise<Plan> {
  const shards = map.shards.map(({ name }): ShardPlan => {
    return { shard: name, sets: 0, deletes: 0, batches: 0, keys: new Set() }
  })
  let header: SliceHeader | undefined
  let entries = 0
  let leftOut = 0
  const onEntry = (isTaken: boolean) => {
    entries += 1
    if (!isTaken) leftOut += 1
  }
  for await (const { unit, header: own } of unitsOf(file, map, options, onEntry)) {
    header = own
    if (unit === undefined) continue
    const plan = shards[unit.shard]!
    if (unit.lines.length > 1) plan.batches += 1
    for (const { operation, key } of unit.lines) {
      plan[operation === 'set' ? 'sets' : 'deletes'] += 1
      plan.keys.add(key.toString('latin1'))
    }
  }
  return { header: header!, entries, leftOut, shards }
}

/** The units of a file, in order; once without a unit, for its header. */
async function* unitsOf(
  file: string,
  map: ShardMap,
  { splitBatches = false }: ImportOptions,
  onEntry: (isTaken: boolean) => void = () => {},
  idOf: UnitOptions['idOf'] = undefined,
): AsyncGenerator<{ header: SliceHeader; unit: ImportUnit | undefined }, void, void> {
  let header: SliceHeader | undefined
  let gatherer: UnitGatherer | undefined
  for await (const item of readSlice(file)) {
    if (isHeader(item)) {
      header = item
      gatherer = new UnitGatherer({ header, shardCount: map.shards.length, splitBatches, idOf })
      yield { header, unit: undefined }
      continue
    }
    onEntry(isWritten(item.line))
    for (const unit of gatherer!.add(item)) yield { header: header!, unit }
  }
  for (const unit of gatherer!.end()) yield { header: header!, unit }
}

async function carryOut(
  file: string,
  plan: Plan,
  inspector: Inspector,
  map: ShardMap,
  options: ImportOptions,
): Promise<ImportFigures> {
  const { NumberedWrites } = await import('../../src/client/numbered-writes.js')
  const { writeUnits } = await import('../import-writes.js')
  const writes = new NumberedWrites({ timeoutMs: options.timeout })
  const figures: ImportFigures = { written: 0, known: 0 }
  const total = plan.entries - plan.leftOut
  const progress = await showProgress('entries', total)
  try {
    const ends = await lastEntries(inspector, map)
    const lastIndexes = ends.map(({ index }) => index)
    const write = writer(inspector, map, options, (address, request) => writes.write(address, request))
    const target = { write, lastIndexes, timeoutMs: options.timeout, actor: options.actor ?? '' }
    const idOf = options.anew ? newIds(Math.max(...ends.map(({ lamport }) => lamport))) : undefined
    const units = onlyUnits(unitsOf(file, map, options, undefined, idOf))
    await writeUnits(units, target, figures, ({ written, known }) => progress.update(written + known))
    return figures
  } catch (error) {
    throw stopped(error, figures, total)
  } finally {
    progress.stop()
    writes.close()
  }
}

async function* onlyUnits(items: ReturnType<typeof unitsOf>): AsyncGenerator<ImportUnit, void, void> {
  for await (const { unit } of items) if (unit !== undefined) yield unit
}

/** Where the shards' logs end now. */
async function lastEntries(
  inspector: Inspector,
  map: ShardMap,
): Promise<{ index: number; lamport: number }[]> {
  return await Promise.all(
    map.shards.map(async ({ name, head }) => {
      if (head === '') throw unavailable(`${name} has no head now: nothing was written, try again`)
      const { replicas } = await inspector.nodeStatus(head)
      const replica = replicas.find(({ shard }) => shard === name)
      return { index: replica?.lastIndex ?? 0, lamport: replica?.lastStamp?.lamport ?? 1 }
    }),
  )
}

/** Writing a log into itself puts old values over newer ones, which a person may want, and should know. */
async function noteSameLog(
  inspector: Inspector,
  map: ShardMap,
  { logId, toIndex }: SliceHeader,
): Promise<void> {
  for (const { name, head } of map.shards) {
    const status = head === '' ? undefined : await inspector.nodeStatus(head).catch(() => undefined)
    const replica = status?.replicas.find(({ shard }) => shard === name)
    if (replica?.logId !== logId) continue
    const what = replica.lastIndex >= toIndex ? 'these very entries' : 'the log that they are of'
    note(`varve: ${name} here holds ${what}: an import writes them once more, over what came since`)
  }
}

type Write = ImportTarget['write']
type Request = Parameters<Write>[1]

/** Sends to the heads; where one does not take it, the map is asked for again before the next try. */
function writer(
  inspector: Inspector,
  map: ShardMap,
  options: ImportOptions,
  send: (address: string, request: Request) => ReturnType<Write>,
): Write {
  let newest = map
  return async (shard, request) => {
    const head = newest.shards[shard]?.head ?? ''
    try {
      if (head === '') throw new VarveError('UNAVAILABLE', `${newest.shards[shard]?.name} has no head now`)
      return await send(head, request)
    } catch (error) {
      newest = await findShardMap(inspector, options.endpoints).catch(() => newest)
      throw error
    }
  }
}

/** What was done before it came to an end. Importing again goes on where this ended. */
function stopped(error: unknown, { written, known }: ImportFigures, total: number): unknown {
  if (!(error instanceof Error)) return error
  const done = `${count(written + known)} of ${plural(total, 'entry', 'entries')} were in the cluster by then`
  if (codeOf(error) !== 'SESSION_EXPIRED') {
    note(
      `varve: the import was not finished: ${done}; import the file again: what was written is not written twice`,
    )
    return error
  }
  const text =
    'an entry of the file is older than the requests that the cluster remembers, so that it cannot be told any more ' +
    `whether it was imported before; ${done}. --anew writes all of the file, whether it was or not`
  return new CommandError(ExitCode.NO, text)
}

function planObject({ header, entries, leftOut, shards }: Plan): object {
  return {
    ...header,
    entries,
    leftOut,
    shards: shards.map(({ keys, ...rest }) => ({ ...rest, keys: keys.size })),
  }
}

async function planText({ header, entries, leftOut, shards }: Plan, map: ShardMap): Promise<string> {
  const rows = shards.map(({ shard, sets, deletes, batches, keys }) => {
    return [shard, ...[sets + deletes, sets, deletes, batches, keys.size].map(count)]
  })
  const numbers = ['writes', 'set', 'delete', 'batches', 'keys']
  const table = await tableOf(['to shard', ...numbers], rows, numbers)
  const total = shards.reduce((sum, { sets, deletes }) => sum + sets + deletes, 0)
  const { shard, fromIndex, toIndex, prefix } = header
  const filter = prefix === '' ? '' : `, keys that begin with ${JSON.stringify(prefix)}`
  const other = leftOut === 0 ? '' : `; ${count(leftOut)} are no writes of keys and are left out`
  return [
    `${plural(entries, 'entry', 'entries')} of ${shard}/${fromIndex} to ${toIndex}${filter}${other}`,
    table,
    total === 0
      ? 'nothing to write'
      : `nothing was written: --yes writes ${plural(total, 'entry', 'entries')} to the cluster of ${map.coordinator}`,
  ].join('\n')
}

function doneText({ written, known }: ImportFigures, total: number): string {
  const before = known === 0 ? '' : `; ${plural(known, 'entry', 'entries')} had been imported before`
  return `${count(written)} of ${plural(total, 'entry', 'entries')} written${before}`
}
