/** `varve fork`: a new cluster that holds what this one held at a moment, to try things on. */

import { resolve } from 'node:path'
import { type Command, InvalidArgumentError, Option } from 'commander'
import type { ForkedShard, ForkFigures } from '../../src/node/fork-folder.js'
import { wholeNumber } from '../arguments.js'
import { type GlobalOptions, parseAddress } from '../connect.js'
import type { LogSource } from '../log-source.js'
import { note, printObject } from '../output.js'
import { momentName } from '../past/moment-text.js'
import { TIME_HELP, timeOf } from '../past/past-options.js'
import { type PastMoment, withPast } from '../past/past-source.js'
import { showProgress } from '../progress.js'
import { byteSize, count, plural } from '../text.js'

interface ForkOptions extends GlobalOptions {
  readonly at?: string
  readonly out: string
  readonly data?: string
  readonly replica?: string
  readonly basePort?: number
}

/** A fork that was made. */
interface Made extends ForkFigures {
  readonly at: PastMoment
  readonly coordinator: string
  readonly node: string
}

export function addFork(program: Command): void {
  program
    .command('fork')
    .description('make a new cluster of one node that holds the logs of this one up to a moment')
    .option('--at <time>', `up to then: ${TIME_HELP} (default: now)`)
    .requiredOption('--out <folder>', 'where the new cluster goes: an empty folder or a new one', nonEmpty)
    .option(
      '--base-port <n>',
      "the new coordinator's port; the node takes the next one",
      wholeNumber(1, 65_534),
    )
    .addOption(
      new Option('--data <folder>', 'read the folder of a stopped cluster instead of asking a cluster'),
    )
    .option('--replica <address>', "read this node's copy of the logs", parseAddress)
    .addHelpText(
      'after',
      '\nThe cluster that is forked is only read. `varve up --data FOLDER` starts the fork.',
    )
    .action((_options, command: Command) => fork(command.optsWithGlobals<ForkOptions>()))
}

function nonEmpty(text: string): string {
  if (text !== '') return text
  throw new InvalidArgumentError('Expected a folder.')
}

async function fork(options: ForkOptions): Promise<void> {
  const { refuseTaken } = await import('../fork/partial-folder.js')
  const path = resolve(options.out)
  refuseTaken(path, '--out')
  const { findOriginal } = await import('../fork/original.js')
  const original = await findOriginal(options)
  const { forkConfig } = await import('../fork/fork-config.js')
  const config = await forkConfig(original, options.basePort)
  const at = await withPast(options, past => past.resolve(timeOf(options.at, '--at'), '--at'))
  const { openLogSource } = await import('../log-source.js')
  const source = await openLogSource(options)
  try {
    if (options.data !== undefined && options.replica === undefined) {
      const { refuseStaleCopies } = await import('../fork/check-copies.js')
      await refuseStaleCopies(options.data, source, at)
    }
    await noteTentative(source, at)
    const { buildFork } = await import('../fork/build-fork.js')
    const entries = Object.values(at.cuts).reduce((sum, { index }) => sum + index, 0)
    const progress = await showProgress('entries', entries)
    const shards = await Promise.all(original.shards.map(name => forkedShard(source, name, at)))
    const figures = await buildFork(path, config, shards, done => progress.update(done)).finally(() =>
      progress.stop(),
    )
    const made = {
      ...figures,
      at,
      coordinator: config.coordinator,
      node: Object.values(config.shards)[0]![0]!,
    }
    const object = {
      ...figures,
      at,
      coordinator: made.coordinator,
      node: made.node,
      out: path,
    }
    await printObject(options.output, object, () => madeText(made, options))
  } finally {
    await source.close()
  }
}

async function forkedShard(source: LogSource, name: string, at: PastMoment): Promise<ForkedShard> {
  const cutIndex = at.cuts[name]?.index ?? 0
  const ordinal = source.ordinal(name)
  const { base } = await source.logInfo(name)
  const chunks = base === undefined ? undefined : await source.baseBlob(name)
  return {
    ordinal,
    cutIndex,
    base: base === undefined || chunks === undefined ? undefined : { ...base, chunks },
    records: source.records(name, 0, cutIndex),
  }
}

/** In a folder nobody says what was committed last: whoever forks the very end of a log is told what that may mean. */
async function noteTentative(source: LogSource, at: PastMoment): Promise<void> {
  for (const [name, { index }] of Object.entries(at.cuts)) {
    const { commitIndex } = await source.logInfo(name)
    if (index <= commitIndex) continue
    note(
      `varve: ${name}: entries above index ${commitIndex} are not known to be committed; the fork has them too`,
    )
  }
}

function madeText(made: Made, options: ForkOptions): string {
  const { at, entries, records, sizeBytes, clusterId, coordinator } = made
  const shards = Object.entries(at.cuts)
  const places = shards.map(([name, { index }]) => `${name} to index ${count(index)}`).join(', ')
  return [
    `Forked at ${momentName(at)}: ${places}`,
    `${plural(entries, 'entry', 'entries')} in ${plural(records, 'record')} (${byteSize(sizeBytes)}) went to ${options.out}`,
    `It is a cluster of its own, ${clusterId}: nothing that is done in it reaches the one that was forked.`,
    '',
    'Start it, and look:',
    `  npx varve up --data ${options.out} --detach`,
    `  npx varve scan -e ${coordinator}`,
    '',
    `\`npx varve down --data ${options.out}\` stops it.`,
  ].join('\n')
}
