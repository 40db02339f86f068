/** `varve log stat`: what the logs consist of. */

import type { Command } from 'commander'
import { FIGURES_HEADER, figuresObject, figuresRow, type LogFigures, type LogLine } from '../log-line.js'
import { type LogSelection, selectLog } from '../log-selection.js'
import { type LogOptions, type LogSource, openLogSource } from '../log-source.js'
import { printObject, tableOf } from '../output.js'
import { addLogOptions } from './log-options.js'

export function addLogStat(log: Command): void {
  const command = log
    .command('stat')
    .description('count entries, records, keys and operations of the logs')
    .action((_options, command: Command) => stat(command.optsWithGlobals<LogOptions>()))
  addLogOptions(command)
}

async function stat(options: LogOptions): Promise<void> {
  const source = await openLogSource(options)
  try {
    const selection = selectLog(options, source.shards, Date.now())
    const figures: LogFigures[] = []
    for (const shard of selection.shards) figures.push(await count(source, shard, selection))
    const text = options.output === 'table' ? await figuresText(figures) : ''
    await printObject(options.output, { shards: figures.map(figuresObject) }, () => text)
  } finally {
    await source.close()
  }
}

async function count(source: LogSource, shard: string, selection: LogSelection): Promise<LogFigures> {
  const { KeyIndex } = await import('../../src/projection/key-index.js')
  const keys = new KeyIndex()
  const operations = { set: 0, delete: 0, epoch: 0, noop: 0, unknown: 0 }
  const figures: LogFigures = {
    shard,
    entries: 0,
    records: 0,
    bytes: 0,
    keys: 0,
    operations,
    epochs: new Set(),
    first: undefined,
    last: undefined,
    commitIndex: 0,
  }
  let record = 0
  for await (const part of source.read(shard, selection.fromIndex, selection.toIndex)) {
    const lines = part.lines.filter(line => selection.place(line) === 'in')
    if (lines.length > 0 && lines[0]!.record !== record) {
      record = lines[0]!.record
      figures.records++
      figures.bytes += part.recordBytes
    }
    for (const line of lines) {
      addLine(figures, line)
      if (line.operation !== 'set' && line.operation !== 'delete') continue
      if (keys.find(line.key, 0, line.key.length) !== -1) continue
      keys.findOrAdd(line.key, 0, line.key.length)
      figures.keys++
    }
    // Stamps and indexes only grow: what follows is after the end as well.
    if (part.lines.some(line => selection.place(line) === 'after')) break
  }
  return figures
}

function addLine(figures: LogFigures, line: LogLine): void {
  figures.entries++
  figures.operations[line.operation]++
  figures.epochs.add(line.epoch)
  figures.first ??= line
  figures.last = line
  if (line.committed) figures.commitIndex = line.index
}

function figuresText(figures: readonly LogFigures[]): Promise<string> {
  const numbers = FIGURES_HEADER.filter(name => !['shard', 'first', 'last'].includes(name))
  return tableOf(FIGURES_HEADER, figures.map(figuresRow), numbers)
}
