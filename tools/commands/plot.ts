/** `varve plot NAME FOLDER -o FILE`: a figure of an experiment's folder as SVG, PNG or HTML. */

import { writeFile } from 'node:fs/promises'
import { basename, dirname, extname } from 'node:path'
import type { Command } from 'commander'
import { wholeNumber } from '../arguments.js'
import { badUsage, CommandError, codeOf, ExitCode } from '../exit-codes.js'
import type { RecordedExperiment } from '../experiment/record/recorded-experiment.js'
import type { RecordedRun } from '../experiment/record/recorded-run.js'
import type { Figure } from '../figures/figure.js'
import { note } from '../output.js'
import { byteSize } from '../text.js'

/** Below that labels would meet, above it a line is too long to be followed. */
const WIDTH_PX_LEAST = 640
const WIDTH_PX_MOST = 2_400
const FORMATS = ['.svg', '.png', '.html'] as const
type Format = (typeof FORMATS)[number]

interface PlotOptions {
  readonly out: string
  readonly run?: string
  readonly dark?: boolean
  readonly ownScales?: boolean
  readonly width: number
}

export function addPlot(program: Command): void {
  program
    .command('plot')
    .description('draw a figure of an experiment')
    .argument('<name>', 'which figure; an unknown name lists them')
    .argument('<folder>', 'what `varve experiment` left')
    .requiredOption('--out <file>', 'where to: FILE.svg, FILE.png or FILE.html; -o for short')
    .option(
      '--run <name>',
      'only that run; needed for a figure of one run where there are several, except in HTML',
    )
    .option('--dark', 'for dark ground only; without it SVG and HTML follow what the reader prefers')
    .option('--own-scales', 'scales of what is drawn, not those that all runs of the experiment share')
    .option('--width <pixels>', 'how wide', wholeNumber(WIDTH_PX_LEAST, WIDTH_PX_MOST), 800)
    .action((name: string, folder: string, options: PlotOptions) => plot(name, folder, options))
}

/** The arguments of a command line with `-o` as plot means it: elsewhere that is the form of the answer. */
export function plotArguments(argv: readonly string[]): readonly string[] {
  return argv[2] === 'plot' ? argv.map(each => (each === '-o' ? '--out' : each)) : argv
}

async function plot(name: string, folder: string, options: PlotOptions): Promise<void> {
  const format = formatOf(options.out)
  const { FIGURES } = await import('../figures/figures.js')
  const figure = FIGURES.find(each => each.name === name)
  if (figure === undefined) {
    throw badUsage(
      `${name}: there is no such figure: give one of ${FIGURES.map(each => each.name).join(', ')}`,
    )
  }
  const experiment = await readFolder(folder)
  const shown = shownRuns(experiment, options.run)
  const content = await drawn(figure, experiment, shown, options, format)
  await write(options.out, content)
  note(`${options.out} written (${byteSize(content.length)})`)
}

function formatOf(file: string): Format {
  const format = FORMATS.find(each => each === extname(file).toLowerCase())
  if (format !== undefined) return format
  throw badUsage(`--out: ${file} given, expected a name that ends with ${FORMATS.join(', ')}`)
}

async function readFolder(folder: string): Promise<RecordedExperiment> {
  const { readExperiment } = await import('../experiment/record/read-experiment.js')
  const experiment = await readExperiment(folder)
  if (experiment.runs.length === 0)
    throw new CommandError(ExitCode.NO, `${folder} holds no run that came to its end`)
  return experiment
}

function shownRuns({ runs }: RecordedExperiment, name: string | undefined): readonly RecordedRun[] {
  if (name === undefined) return runs
  const run = runs.find(each => each.name === name)
  if (run !== undefined) return [run]
  throw badUsage(`--run: ${name} given, there is no such run: give one of ${namesOf(runs)}`)
}

async function drawn(
  figure: Figure,
  experiment: RecordedExperiment,
  shown: readonly RecordedRun[],
  { dark = false, ownScales = false, width }: PlotOptions,
  format: Format,
): Promise<Buffer> {
  if (figure.of === 'run' && shown.length > 1 && format !== '.html') {
    throw badUsage(
      `${figure.name} shows one run of ${namesOf(shown)}: say which with --run, or plot all to an .html`,
    )
  }
  const { plotSvg } = await import('../figures/plot.js')
  const options = { dark, widthPx: width, comparedWith: ownScales ? shown : experiment.runs }
  const groups = figure.of === 'run' ? shown.map(run => [run]) : [shown]
  const svgs = await Promise.all(
    groups.map(runs => svgOf(figure, runs, () => plotSvg(figure, runs, options))),
  )
  if (format === '.svg') return Buffer.from(svgs[0]!)
  if (format === '.png') return (await import('../figures/render-png.js')).renderPng(svgs[0]!)
  const { page } = await import('../figures/page.js')
  const parts = svgs.map(svg => ({ kind: 'figure', svg }) as const)
  return Buffer.from(page(`${experiment.name}: ${figure.name}`, [{ parts }]))
}

async function svgOf(figure: Figure, runs: readonly RecordedRun[], draw: () => string): Promise<string> {
  const { NothingToDraw } = await import('../figures/figure.js')
  try {
    return draw()
  } catch (error) {
    if (!(error instanceof NothingToDraw)) throw error
    throw new CommandError(
      ExitCode.NO,
      `${figure.name}: nothing to draw of ${namesOf(runs)}: ${error.message}`,
    )
  }
}

async function write(file: string, content: Buffer): Promise<void> {
  try {
    await writeFile(file, content)
  } catch (error) {
    const reason =
      codeOf(error) === 'ENOENT' ? `there is no folder ${dirname(file)}` : (error as Error).message
    throw badUsage(`--out: ${basename(file)} cannot be written, ${reason}: give another place`)
  }
}

function namesOf(runs: readonly RecordedRun[]): string {
  return runs.map(({ name }) => name).join(', ')
}
