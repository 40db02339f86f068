/** `varve plot` as it is typed. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { Command } from 'commander'
import { addPlot, plotArguments } from '../../tools/commands/plot.js'
import { CommandError } from '../../tools/exit-codes.js'
import type { RecordedExperiment } from '../../tools/experiment/record/recorded-experiment.js'
import { writeRecorded } from '../experiment/support/recorded-folder.js'
import { tempFolder } from '../tools/temp-folder.js'
import { failoverChain, weakAgainstStrong } from './support/made-experiments.js'
import { operation, smallRun } from './support/small-run.js'

/** Runs the command; the program's own options stand beside it as in `varve`. */
async function plot(args: readonly string[]): Promise<void> {
  const program = new Command('varve').exitOverride().configureOutput({ writeErr: () => {} })
  program.option('-o, --output <format>', 'form of the answer')
  addPlot(program)
  await program.parseAsync(plotArguments(['node', 'varve', 'plot', ...args]))
}

async function folderOf(
  t: Parameters<typeof tempFolder>[0],
  experiment: RecordedExperiment,
): Promise<string> {
  const folder = join(tempFolder(t), 'made')
  await writeRecorded(folder, experiment)
  return folder
}

test('a figure is written in the form that its name asks for, and -o is the file', async t => {
  const folder = await folderOf(t, failoverChain())
  const starts = { svg: '<svg', png: '\x89PNG', html: '<!doctype html>' }
  for (const [format, start] of Object.entries(starts)) {
    const file = join(folder, `m.${format}`)
    await plot(['membership', folder, '-o', file])
    t.true(readFileSync(file, 'latin1').startsWith(start), format)
  }
})

test('a page shows a figure of one run once for every run, with no name twice', async t => {
  const folder = await folderOf(t, weakAgainstStrong())
  const file = join(folder, 'lag.html')
  await plot(['lag', folder, '--out', file])
  const text = readFileSync(file, 'utf8')
  t.is(text.match(/<svg /g)!.length, 2)
  const ids = [...text.matchAll(/ id="([^"]+)"/g)].map(([, id]) => id)
  t.true(ids.length > 0)
  t.is(new Set(ids).size, ids.length)
})

/** Two runs without much in them: what is refused is refused before anything is drawn. */
const small: RecordedExperiment = {
  name: 'small',
  runs: ['strong', 'weak'].map(name => {
    const operations = [operation({ consistency: 'strong' })]
    return { ...smallRun({ operations }), name, about: { ...smallRun().about, run: name } }
  }),
}

const refused: [what: string, args: (folder: string) => string[], code: 1 | 2, message: RegExp][] = [
  [
    'an unknown figure',
    f => ['pie', f, '-o', 'x.svg'],
    2,
    /^pie: there is no such figure: give one of operations, .*scaling$/,
  ],
  [
    'an unknown form',
    f => ['lag', f, '-o', 'x.pdf'],
    2,
    /x\.pdf given, expected a name that ends with \.svg, \.png, \.html/,
  ],
  [
    'a folder that is not there',
    () => ['lag', '/no/such', '-o', 'x.svg'],
    2,
    /^\/no\/such given, there is no such folder/,
  ],
  [
    'a file for a folder',
    () => ['lag', 'package.json', '-o', 'x.svg'],
    2,
    /^package\.json is a file, expected the folder/,
  ],
  [
    'no choice of several runs',
    f => ['lag', f, '-o', 'x.svg'],
    2,
    /^lag shows one run of strong, weak: say which with --run/,
  ],
  [
    'an unknown run',
    f => ['lag', f, '-o', 'x.svg', '--run', 'r'],
    2,
    /--run: r given, there is no such run: give one of strong, weak/,
  ],
  [
    'a figure that the run has nothing for',
    f => ['staleness', f, '-o', 'x.svg', '--run', 'strong'],
    1,
    /nothing to draw of strong: it holds no weak reads/,
  ],
  [
    'a place that cannot be written',
    f => ['operations', f, '-o', '/no/such/x.svg'],
    2,
    /x\.svg cannot be written, there is no folder \/no\/such/,
  ],
]

for (const [what, args, code, message] of refused) {
  test(`${what} is refused in one line that says what to do`, async t => {
    const folder = await folderOf(t, small)
    const error = await t.throwsAsync(plot(args(folder)), { instanceOf: CommandError })
    t.regex(error!.message, message)
    t.is(error!.exitCode, code)
  })
}
