/** `varve experiment compare A B`: what two experiments left, side by side. */

import { writeFileSync } from 'node:fs'
import type { Command } from 'commander'
import type { GlobalOptions } from '../connect.js'
import { badUsage, codeOf } from '../exit-codes.js'
import type { ExperimentSummary } from '../experiment/summary/experiment-summary.js'
import { note, print, printObject, tableOf } from '../output.js'

interface CompareOptions extends GlobalOptions {
  readonly html?: string
}

export function addExperimentCompare(experiment: Command): void {
  experiment
    .command('compare')
    .description('put the figures of two experiments side by side')
    .argument('<a>', 'the folder of one')
    .argument('<b>', 'the folder of the other')
    // The options of the command above it are not its own.
    .configureHelp({ visibleGlobalOptions: () => [...(experiment.parent?.options ?? [])] })
    .option('--html <file>', 'also write a page with the figures of both, on the same scales')
    .action((a: string, b: string, _options, command: Command) =>
      compare(a, b, command.optsWithGlobals<CompareOptions>()),
    )
}

async function compare(a: string, b: string, options: CompareOptions): Promise<void> {
  const { compareSummaries, comparisonRows } = await import('../experiment/summary/compare.js')
  const [one, other] = [await summaryOf(a), await summaryOf(b)]
  const figures = compareSummaries(one, other)
  const rows = comparisonRows(figures)
  if (options.html !== undefined) await writePage(options.html, [a, b], [one, other], rows)
  if (options.output !== 'table') return printObject(options.output, figures, () => '')
  const head = ['run', 'figure', a, b, 'b / a']
  await print(`${await tableOf(head, rows, [a, b, 'b / a'])}\n`)
}

async function summaryOf(path: string): Promise<ExperimentSummary> {
  const { ExperimentFolder } = await import('../experiment/record/experiment-folder.js')
  const { readSummary } = await import('../experiment/summary/experiment-summary.js')
  const folder = new ExperimentFolder(path)
  folder.checkExperiment()
  return readSummary(folder)
}

async function writePage(
  file: string,
  paths: readonly [string, string],
  summaries: readonly [ExperimentSummary, ExperimentSummary],
  rows: string[][],
): Promise<void> {
  const { readExperiment } = await import('../experiment/record/read-experiment.js')
  const { comparisonPage } = await import('../experiment/report/comparison-page.js')
  const [a, b] = [await readExperiment(paths[0]), await readExperiment(paths[1])]
  const html = comparisonPage(
    { path: paths[0], summary: summaries[0], runs: a.runs },
    { path: paths[1], summary: summaries[1], runs: b.runs },
    rows,
  )
  try {
    writeFileSync(file, html)
  } catch (error) {
    throw badUsage(`--html: ${file} cannot be written (${codeOf(error)}): give another place`)
  }
  note(`${file} written`)
}
