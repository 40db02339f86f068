/** `varve experiment`: runs an experiment and leaves a folder with what was seen. */

import { type Command, Option } from 'commander'
import type { ClusterConfig } from '../../src/node/cluster-config.js'
import { wholeNumber } from '../arguments.js'
import type { GlobalOptions } from '../connect.js'
import { badUsage, CommandError, ExitCode } from '../exit-codes.js'
import type { Builtin } from '../experiment/builtin/builtin.js'
import type { Experiment, PlannedRun } from '../experiment/description/variants.js'
import type { ExperimentFolder } from '../experiment/record/experiment-folder.js'
import type { Conclude, ExperimentResult } from '../experiment/run-experiment.js'
import { note, print, printObject } from '../output.js'

interface ExperimentOptions extends GlobalOptions {
  readonly out?: string
  readonly seed?: number
  readonly repetitions?: number
  readonly runFile?: string
  readonly basePort?: number
  readonly running?: boolean
  readonly list?: boolean
  readonly show?: boolean
}

export function addExperiment(program: Command): Command {
  return program
    .command('experiment')
    .description('run an experiment: a built-in one by its name, or one that a file describes')
    .argument('[experiment]', 'a name (--list shows them) or a file in JSON or YAML (docs/experiments.md)')
    .option('--out <folder>', 'where results are left (default: ./varve-experiments/NAME-TIME)')
    .option(
      '--seed <n>',
      'decides every operation (default: 1, or what the file says)',
      wholeNumber(0, 4_294_967_295),
    )
    .option('--repetitions <n>', 'how often each variant is run', wholeNumber(1, 100))
    .option(
      '--run-file <file>',
      'a file of operations instead of the described load, as `varve run` takes it',
    )
    .option('--base-port <n>', "the coordinator's port; nodes take the next ones", wholeNumber(1, 65_000))
    .option('--running', 'use the cluster at --endpoints instead of starting one')
    .option('--list', 'show the built-in experiments')
    .addOption(
      new Option('--show', 'print the description instead of running it, to be changed and run as a file'),
    )
    .addHelpText('after', '\nExit code 1: a promise was broken, or the experiment was interrupted.')
    .action((name: string | undefined, _options, command: Command) =>
      experiment(name, command.optsWithGlobals<ExperimentOptions>()),
    )
}

async function experiment(name: string | undefined, options: ExperimentOptions): Promise<void> {
  if (options.list) return list(options)
  if (name === undefined)
    throw badUsage('no experiment given: name one of `varve experiment --list`, or a file')
  const { builtinNamed } = await import('../experiment/builtin/builtin.js')
  const builtin = builtinNamed(name)
  const given = await descriptionOf(name, builtin)
  const { readExperimentValue } = await import('../experiment/description/variants.js')
  const { withOptions } = await import('../experiment/description/overrides.js')
  const described = withOptions(given, options)
  const experiment = readExperimentValue(described, name)
  if (options.show) return print(`${JSON.stringify(described, null, 2)}\n`)
  const { withRunFiles } = await import('../experiment/description/run-files.js')
  const read = await withRunFiles(experiment)
  await run({ described, read, builtin, where: name }, options)
}

async function list({ output }: ExperimentOptions): Promise<void> {
  const { BUILTINS } = await import('../experiment/builtin/builtin.js')
  const found = BUILTINS.map(({ description: { name, title, about } }) => ({ name, title, about }))
  const lines = () => found.map(({ name, title }) => `${name.padEnd(16)} ${title}`).join('\n')
  await printObject(output, found, lines)
}

async function descriptionOf(name: string, builtin: Builtin | undefined): Promise<unknown> {
  if (builtin !== undefined) return builtin.description
  const isFile = /[./\\]/.test(name)
  if (!isFile) {
    const { BUILTINS } = await import('../experiment/builtin/builtin.js')
    const names = BUILTINS.map(({ description }) => description.name).join(', ')
    throw badUsage(`no experiment is called "${name}": expected ${names}, or a file such as ./${name}.yaml`)
  }
  const { readDescriptionFile } = await import('../experiment/description/read-experiment-file.js')
  return readDescriptionFile(name)
}

/** An experiment that can be run. */
interface Runnable {
  /** As it was written, with the options of the command line. */
  readonly described: unknown
  readonly read: Experiment
  readonly builtin: Builtin | undefined
  /** What it is called in messages. */
  readonly where: string
}

async function run({ described, read, builtin, where }: Runnable, options: ExperimentOptions): Promise<void> {
  const { ExperimentFolder } = await import('../experiment/record/experiment-folder.js')
  const { checkMachine, planClusters } = await import('../experiment/description/cluster-plan.js')
  const { runExperiment } = await import('../experiment/run-experiment.js')
  const { conclude: always } = await import('../experiment/builtin/conclude.js')
  const { Interruption } = await import('../experiment/interruption.js')
  const { runProgress } = await import('../experiment/run-progress.js')
  const folder = new ExperimentFolder(options.out ?? defaultFolder(read.name))
  folder.checkNew()
  const configs = await planClusters(read, where, options.basePort)
  await checkMachine([...configs.values()])
  const interruption = new Interruption()
  const conclude: Conclude = builtin?.conclude ?? always
  try {
    const result = await runExperiment({
      experiment: read,
      described,
      configOf: (planned: PlannedRun): ClusterConfig | undefined => configs.get(planned.variant),
      conclude,
      folder,
      hooks: interruption,
      signal: interruption.signal,
      command: commandLine(),
      progressOf: await runProgress(),
    })
    await report(result, folder, options)
  } finally {
    interruption.dispose()
  }
}

/** Writes the report and tells how it ended: the exit code says whether every promise was kept. */
async function report(
  { summary, runs, failure }: ExperimentResult,
  folder: ExperimentFolder,
  { output }: ExperimentOptions,
): Promise<void> {
  const { isGreen } = await import('../experiment/summary/experiment-summary.js')
  const { summaryText } = await import('../experiment/summary/summary-text.js')
  const { writeReport } = await import('../experiment/report/report.js')
  writeReport(folder, summary, runs)
  const text = await summaryText(summary)
  await printObject(output, summary, () => `${text}\n\n${folder.given}/report.html`)
  if (failure !== undefined) throw failure
  if (summary.unfinished.length > 0) {
    throw new CommandError(ExitCode.NO, `interrupted: what was recorded is in ${folder.given}`)
  }
  if (!isGreen(summary)) {
    note(`a promise was broken: see ${folder.given}/report.html`)
    process.exitCode = ExitCode.NO
  }
}

function defaultFolder(name: string): string {
  const time = new Date().toISOString().replace(/[-:]/g, '').replace('T', '-').slice(0, 15)
  return `./varve-experiments/${name}-${time}`
}

/** What was typed, as far as it can be typed again. */
function commandLine(): string {
  return ['varve', ...process.argv.slice(2)]
    .map(part => (/^[\w./:=@,-]+$/.test(part) ? part : `'${part}'`))
    .join(' ')
}
