/** `varve replay [--at T]`: rebuilds the state of a moment from the logs alone, writes it, checks it, or goes step by step. */

import { type Command, Option } from 'commander'
import { replaySource } from '../../src/projection/replay-source.js'
import { badUsage, ExitCode } from '../exit-codes.js'
import { type LogOptions, openLogSource } from '../log-source.js'
import { note, print, printObject } from '../output.js'
import { TIME_HELP } from '../past/past-options.js'
import { showProgress } from '../progress.js'
import type { Comparison, ReplayedTarget } from '../replay/check.js'
import { DamageNotes, findTargets, type ReplayTargets } from '../replay/replay-logs.js'
import { differenceLines, summaryLines, summaryObject } from '../replay/replay-summary.js'
import { writeState } from '../replay/state-file.js'
import { plural } from '../text.js'
import { addSourceOptions } from './log-options.js'

export interface ReplayCommandOptions extends LogOptions {
  readonly at?: string
  readonly out?: string
  readonly check?: boolean
  readonly step?: boolean
}

/** What was done, for the summary. */
export interface ReplayOutcome {
  readonly found: ReplayTargets
  readonly replayed: readonly ReplayedTarget[]
  /** Of the replay itself, without writing. */
  readonly tookMs: number
  readonly comparisons: readonly Comparison[] | undefined
  /** Keys that were written; undefined where nothing was. */
  readonly written: number | undefined
  readonly damages: number
}

const EXAMPLES = `
Examples:
  varve replay --at '10m ago' > state.ndjson
  varve replay --data ./data --at before-deploy --out state.ndjson
  varve replay --check
  varve replay --step --shard shard_0 --at index:shard_0/512
Exit code 1: the replayed state differs from what it was compared with, or entries were missing.`

export function addReplay(program: Command): void {
  const command = program
    .command('replay')
    .description('rebuild the state of a moment from the log alone; write it, check it, or walk through it')
    .option('--at <time>', `the moment: ${TIME_HELP} (default: now; with --step: start)`)
    .option('--shard <name>', 'only this shard')
    .addOption(new Option('--out <file>', 'write the keys there as ndjson (default: to stdout)'))
    .option(
      '--check',
      'compare with the projection and the newest checkpoint, and write nothing without --out',
    )
    .addOption(
      new Option('--step', 'go through the log entry by entry: h explains').conflicts(['out', 'check']),
    )
    .addHelpText('after', EXAMPLES)
    .action((_options, command: Command) => replay(command.optsWithGlobals<ReplayCommandOptions>()))
  addSourceOptions(command)
}

async function replay(options: ReplayCommandOptions): Promise<void> {
  if (options.skipDamaged && (options.check || options.step)) {
    const option = options.check ? '--check' : '--step'
    throw badUsage(`${option} with --skip-damaged: of a damaged folder nobody can say what its keys held`)
  }
  if (options.step) {
    const { stepThrough } = await import('../replay/step-terminal.js')
    return await stepThrough(options)
  }
  const damages = new DamageNotes(note)
  const logs = await openLogSource(options, damages.note)
  try {
    const found = await findTargets(logs, options)
    const startedAt = performance.now()
    const replayed = await replayTargets(found, options)
    const tookMs = performance.now() - startedAt
    const comparisons = options.check ? await compare(found, replayed, options) : undefined
    const written = options.check && options.out === undefined ? undefined : await write(replayed, options)
    const isWhole = replayed.every(
      ({ state, toIndex }) => state.missing.length === 0 && state.index === toIndex,
    )
    if (!isWhole || comparisons?.some(({ same }) => !same)) process.exitCode = ExitCode.NO
    await tell({ found, replayed, tookMs, comparisons, written, damages: damages.count }, options)
  } finally {
    await logs.close()
  }
}

async function replayTargets(
  { targets }: ReplayTargets,
  options: ReplayCommandOptions,
): Promise<ReplayedTarget[]> {
  const replayed: ReplayedTarget[] = []
  const total = targets.reduce((sum, { toIndex }) => sum + toIndex, 0)
  const progress = await showProgress(`replaying ${plural(targets.length, 'shard')}`, total)
  try {
    let before = 0
    for (const target of targets) {
      const { toIndex } = target
      const onProgress = (index: number) => progress.update(before + index)
      const skipMissing = options.skipDamaged === true
      const state = await replaySource(target.source, { toIndex, onProgress, skipMissing })
      replayed.push({ ...target, state })
      before += toIndex
    }
    return replayed
  } finally {
    progress.stop()
  }
}

async function compare(
  { moment }: ReplayTargets,
  replayed: readonly ReplayedTarget[],
  options: LogOptions,
): Promise<Comparison[]> {
  const { checkReplay } = await import('../replay/check.js')
  return await checkReplay(replayed, moment!, options)
}

async function write(replayed: readonly ReplayedTarget[], options: ReplayCommandOptions): Promise<number> {
  const total = replayed.reduce((sum, { toIndex }) => sum + toIndex, 0)
  const progress = await showProgress('reading values', total)
  try {
    return await writeState(replayed, options.out, index => progress.update(index))
  } finally {
    progress.stop()
  }
}

/** The state goes to stdout where no file is named: then nothing else does. */
async function tell(outcome: ReplayOutcome, options: ReplayCommandOptions): Promise<void> {
  const isStateOnStdout = outcome.written !== undefined && options.out === undefined
  if (isStateOnStdout) return note(summaryLines(outcome, options).join('\n'))
  const lines = [...summaryLines(outcome, options), ...differenceLines(outcome)]
  if (options.output === 'table') return await print(`${lines.join('\n')}\n`)
  await printObject(options.output, summaryObject(outcome, options), () => '')
}
