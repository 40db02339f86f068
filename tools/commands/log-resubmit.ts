/** `varve log resubmit`: writes lost orphans anew. Without `--yes` it only shows what it would write. */

import type { Command } from 'commander'
import type { Inspector } from '../../src/client/inspector.js'
import type { ShardMap } from '../../src/generated/varve/v1/cluster.js'
import { findShardMap, withInspector } from '../connect.js'
import { ExitCode } from '../exit-codes.js'
import {
  addOrphanOptions,
  noteSilent,
  ORPHAN_HEADER,
  type OrphanOptions,
  orphanObject,
  orphanRow,
  selectOrphans,
} from '../orphan-options.js'
import { findFates, gatherOrphans } from '../orphan-source.js'
import { unitsOf } from '../orphan-units.js'
import { listPrinter, note, print, tableOf } from '../output.js'
import { type Outcome, resubmitAll } from '../resubmit-calls.js'
import { checkWhole, type Intent, type PlannedUnit, planOf } from '../resubmit-plan.js'
import { plural } from '../text.js'

interface ResubmitOptions extends OrphanOptions {
  readonly yes?: boolean
  readonly overwrite?: boolean
}

const INTENT_TEXTS: Readonly<Record<Intent, string>> = {
  write: 'to be written',
  overwrites: 'left out: key written since',
  'in the log': 'in the log',
  resubmitted: 'already resubmitted',
}

export function addLogResubmit(log: Command): void {
  const command = log
    .command('resubmit')
    .description('write lost orphans anew, each once; without --yes, show what would be written')
    .option('--overwrite', 'also those whose key was written since: the old value then comes back')
    .option('--yes', 'do it')
    .action((_options, command: Command) => resubmit(command.optsWithGlobals<ResubmitOptions>()))
  addOrphanOptions(command)
}

async function resubmit(options: ResubmitOptions): Promise<void> {
  await withInspector(options, async inspector => {
    const map = await findShardMap(inspector, options.endpoints)
    const planned = await plan(inspector, map, options)
    if (options.yes) await carryOut(inspector, options, planned)
    else await showPlan(options, planned)
  })
}

/** What is to be done with each orphan that was asked for; with `--overwrite`, all that is not in the log is written. */
async function plan(inspector: Inspector, map: ShardMap, options: ResubmitOptions): Promise<PlannedUnit[]> {
  const names = map.shards.map(({ name }) => name)
  // By index they are chosen later: a batch is only seen as a whole if all of it was read.
  const { index: _, ...rest } = options
  const { shards, silent } = await gatherOrphans(inspector, map, selectOrphans(rest, names))
  const planned: PlannedUnit[] = []
  for (const { shard: name, orphans, cutFrom } of shards) {
    const shard = map.shards.find(each => each.name === name)!
    const units = checkWhole(unitsOf(orphans.map(({ line }) => line)), options.index)
    planned.push(...planOf(name, units, await findFates(inspector, shard, units, cutFrom)))
  }
  noteSilent(silent)
  if (!options.overwrite) return planned
  return planned.map(unit => (unit.intent === 'overwrites' ? { ...unit, intent: 'write' } : unit))
}

async function showPlan(options: ResubmitOptions, planned: readonly PlannedUnit[]): Promise<void> {
  const items = planned.flatMap(({ lines, intent, index }) => lines.map(line => ({ line, intent, index })))
  if (options.output !== 'table') {
    const toObject = ({ line, intent, index }: (typeof items)[number]) => ({
      ...orphanObject(line, undefined),
      plan: intent === 'overwrites' ? 'left out' : intent,
      ...(intent === 'overwrites' ? { keyIndex: index } : {}),
    })
    const printer = listPrinter<(typeof items)[number]>(options.output, toObject, () => '')
    for (const item of items) await printer.add(item)
    return await printer.end()
  }
  if (items.length === 0) return await print('no orphans\n')
  const rows = items.map(({ line, intent, index }) => {
    const where = intent === 'write' || index === 0 ? '' : `, ${index}`
    return [...orphanRow(line), INTENT_TEXTS[intent] + where]
  })
  const table = await tableOf([...ORPHAN_HEADER, 'plan'], rows, ['epoch', 'index'])
  await print(`${table}\n${planSummary(items.map(({ intent }) => intent))}\n`)
}

function planSummary(intents: readonly Intent[]): string {
  const number = (intent: Intent) => intents.filter(each => each === intent).length
  const left = number('overwrites')
  const remedy = left === 0 ? '' : `; ${plural(left, 'orphan')} left out: --overwrite writes them too`
  const writes = number('write')
  if (writes === 0) return `nothing to write${remedy}`
  return `nothing was written: --yes writes ${plural(writes, 'orphan')}${remedy}`
}

async function carryOut(
  inspector: Inspector,
  options: ResubmitOptions,
  planned: readonly PlannedUnit[],
): Promise<void> {
  const toLine = ({ line, outcome, index }: Outcome) => {
    const [shard, epoch, at, , operation, key] = orphanRow(line)
    return `${shard}/${at} of epoch ${epoch}  ${operation} ${key}: ${outcome}${index === 0 ? '' : `, ${index}`}`
  }
  const toObject = ({ line, outcome, index }: Outcome) => ({
    ...orphanObject(line, undefined),
    outcome,
    logIndex: index === 0 ? null : index,
  })
  const printer = listPrinter<Outcome>(options.output, toObject, toLine)
  const counts = new Map<string, number>()
  const tell = async (outcomes: readonly Outcome[]) => {
    for (const outcome of outcomes) {
      counts.set(outcome.outcome, (counts.get(outcome.outcome) ?? 0) + 1)
      await printer.add(outcome)
    }
  }
  const headOf = async (shard: string) => {
    const map = await findShardMap(inspector, options.endpoints)
    return map.shards.find(({ name }) => name === shard)?.head ?? ''
  }
  const asked = planned.filter(({ intent }) => intent === 'write')
  try {
    for (const shard of new Set(asked.map(unit => unit.shard))) {
      const units = asked.filter(unit => unit.shard === shard)
      await resubmitAll(inspector, units, { headOf, timeoutMs: options.timeout }, tell)
    }
    for (const { lines, intent, index } of planned) {
      if (intent !== 'write') await tell(lines.map(line => ({ line, outcome: INTENT_TEXTS[intent], index })))
    }
  } finally {
    await printer.end()
    note(summary(counts))
  }
  if (counts.has(INTENT_TEXTS.overwrites) || counts.has('expired')) process.exitCode = ExitCode.NO
}

function summary(counts: ReadonlyMap<string, number>): string {
  if (counts.size === 0) return 'no orphans'
  const parts = [...counts].map(([outcome, number]) => `${number} ${outcome}`)
  const isExpired = counts.has('expired')
  const remedy = isExpired
    ? '; expired: the shard cannot tell any more whether they were written: compare and set them by hand'
    : ''
  return `${parts.join('; ')}${remedy}`
}
