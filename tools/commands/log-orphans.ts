/** `varve log orphans`: entries that were cut off a log, on the disks that hold them, and what became of them. */

import { type Command, Option } from 'commander'
import { findShardMap, withInspector } from '../connect.js'
import {
  addOrphanOptions,
  fateText,
  noteSilent,
  ORPHAN_HEADER,
  type OrphanOptions,
  orphanObject,
  orphanRow,
  selectOrphans,
} from '../orphan-options.js'
import { findFates, gatherOrphans } from '../orphan-source.js'
import { type Fate, type NodeOrphan, unitsOf } from '../orphan-units.js'
import { listPrinter, note, print, tableOf } from '../output.js'
import { plural } from '../text.js'

interface OrphansOptions extends OrphanOptions {
  readonly data?: string
}

/** An orphan, and what became of it where that could be asked. */
interface ShownOrphan extends NodeOrphan {
  readonly fate: Fate | undefined
}

export function addLogOrphans(log: Command): void {
  const command = log
    .command('orphans')
    .description(
      'list entries that were cut off a log in a failover, and whether the log holds them after all',
    )
    .addOption(
      new Option(
        '--data <folder>',
        'read the folder of a stopped cluster or node instead of asking a cluster',
      ),
    )
    .action((_options, command: Command) => orphans(command.optsWithGlobals<OrphansOptions>()))
  addOrphanOptions(command)
}

async function orphans(options: OrphansOptions): Promise<void> {
  if (options.data === undefined) return await ofRunning(options)
  const { gatherOfflineOrphans } = await import('../offline-orphans.js')
  const shards = await gatherOfflineOrphans(options.data, known => selectOrphans(options, known))
  const shown = shards.flatMap(each => each.orphans.map(orphan => ({ ...orphan, fate: undefined })))
  await printAll(options, shown)
}

async function ofRunning(options: OrphansOptions): Promise<void> {
  await withInspector(options, async inspector => {
    const map = await findShardMap(inspector, options.endpoints)
    const names = map.shards.map(({ name }) => name)
    const { shards, silent } = await gatherOrphans(inspector, map, selectOrphans(options, names))
    const shown: ShownOrphan[] = []
    for (const each of shards) {
      const shard = map.shards.find(({ name }) => name === each.shard)!
      const units = unitsOf(each.orphans.map(({ line }) => line))
      // Listing them is worth something without the head, too.
      const finder = await findFates(inspector, shard, units, each.cutFrom).catch(error => {
        note(`varve: what became of the orphans of ${each.shard} is unknown: ${(error as Error).message}`)
      })
      for (const orphan of each.orphans) {
        const unknown: Fate = { name: 'unknown', index: 0, keyIndex: 0 }
        shown.push({ ...orphan, fate: finder === undefined ? unknown : finder.fateOf(orphan.line) })
      }
    }
    await printAll(options, shown)
    noteSilent(silent)
  })
}

async function printAll(options: OrphansOptions, shown: readonly ShownOrphan[]): Promise<void> {
  if (options.output === 'table') return await print(`${await tableText(shown)}\n`)
  const toObject = ({ node, line, fate }: ShownOrphan) => ({ node, ...orphanObject(line, fate) })
  const printer = listPrinter<ShownOrphan>(options.output, toObject, () => '')
  for (const each of shown) await printer.add(each)
  await printer.end()
}

async function tableText(shown: readonly ShownOrphan[]): Promise<string> {
  if (shown.length === 0) return 'no orphans'
  const isKnown = shown[0]!.fate !== undefined
  const rows = shown.map(({ node, line, fate }) => {
    const isData = line.operation === 'set' || line.operation === 'delete'
    const became = fate === undefined ? [] : [isData ? fateText(fate) : '']
    return [node, ...orphanRow(line), ...became]
  })
  const header = ['node', ...ORPHAN_HEADER, ...(isKnown ? ['now'] : [])]
  const table = await tableOf(header, rows, ['epoch', 'index'])
  return `${table}\n${summary(shown)}`
}

function summary(shown: readonly ShownOrphan[]): string {
  const nodes = new Set(shown.map(({ node }) => node)).size
  const all = `${plural(shown.length, 'orphan')} on ${plural(nodes, 'node')}`
  const lost = new Set<string>()
  for (const { line, fate } of shown) {
    const isData = line.operation === 'set' || line.operation === 'delete'
    if (isData && fate?.name === 'lost') lost.add(`${line.shard}/${line.epoch}/${line.index}`)
  }
  if (shown[0]!.fate === undefined) return all
  if (lost.size === 0) return `${all}; no write among them is lost`
  return `${all}; ${plural(lost.size, 'write')} lost: \`varve log resubmit\` shows what it would write anew`
}
