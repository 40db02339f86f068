/** `varve log stat`: what the logs consist of. */

import type { Command } from 'commander'
import { ExitCode } from '../exit-codes.js'
import { FiguresCounter, type LogFigures } from '../log-figures.js'
import { figuresText } from '../log-figures-text.js'
import { stampOf } from '../log-moment.js'
import { DamageTeller } from '../log-reading.js'
import { type LogRange, selectRanges } from '../log-selection.js'
import { type LogOptions, type LogSource, openLogSource } from '../log-source.js'
import { printObject } from '../output.js'
import { showProgress } from '../progress.js'
import { addLogOptions, momentContext } from './log-options.js'

export function addLogStat(log: Command): void {
  const command = log
    .command('stat')
    .description(
      'count entries, records, keys, operations and epochs of the logs, and show their rate over time',
    )
    .action((_options, command: Command) => stat(command.optsWithGlobals<LogOptions>()))
  addLogOptions(command)
}

async function stat(options: LogOptions): Promise<void> {
  const damages = new DamageTeller()
  const source = await openLogSource(options, damages.tell)
  try {
    const ranges = await selectRanges(options, source, momentContext(options))
    const figures: LogFigures[] = []
    for (const range of ranges) figures.push(await figuresOf(source, range))
    const text = options.output === 'table' ? await figuresText(figures) : ''
    await printObject(options.output, { shards: figures }, () => text)
  } finally {
    await source.close()
  }
  if (!damages.isEmpty) process.exitCode = ExitCode.NO
}

async function figuresOf(source: LogSource, range: LogRange): Promise<LogFigures> {
  const { shard, info, firstIndex, lastIndex } = range
  const first = await stampOf(source, shard, info, firstIndex)
  const last = await stampOf(source, shard, info, lastIndex)
  const counter = new FiguresCounter(range, first?.wallMs ?? 0, last?.wallMs ?? first?.wallMs ?? 0)
  if (lastIndex >= firstIndex) {
    const progress = await showProgress(`${shard} entries`, lastIndex - firstIndex + 1)
    try {
      for await (const record of source.records(shard, firstIndex, lastIndex)) {
        counter.add(record)
        progress.update(record.lastIndex - firstIndex + 1)
      }
    } finally {
      progress.stop()
    }
  }
  let orphans = 0
  for await (const _ of source.orphans(shard)) orphans++
  const commitIndex = await source.commitIndex(shard)
  return counter.result(source, Math.min(commitIndex, info.lastIndex), orphans)
}
