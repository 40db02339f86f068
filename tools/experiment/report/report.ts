/** The report of an experiment: one page with its verdicts, tables and figures, which needs nothing else to be read. */

import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Part, page, type Section } from '../../figures/page.js'
import type { Verdict } from '../../history/verdict.js'
import { machineLine } from '../../machine.js'
import { duration, plural, wallTime } from '../../text.js'
import type { ExperimentFolder } from '../record/experiment-folder.js'
import { fileNameOf } from '../record/file-name.js'
import type { RecordedRun } from '../record/recorded-run.js'
import { type ExperimentSummary, isGreen } from '../summary/experiment-summary.js'
import { PROMISE_COLUMNS, promiseRows, RUN_COLUMNS, runRows } from '../summary/summary-text.js'
import { type ReportFigure, reportFigures } from './report-figures.js'

/** Draws the figures, and writes them and `report.html` into the folder. */
export function writeReport(
  folder: ExperimentFolder,
  summary: ExperimentSummary,
  runs: readonly RecordedRun[],
): void {
  const figures = reportFigures(runs)
  mkdirSync(folder.figuresDir, { recursive: true })
  for (const { figure, runs: shown, svg } of figures) {
    const own = figure.of === 'runs' ? '' : `-${fileNameOf(shown[0]!)}`
    const name = `${figure.name}${own}`
    writeFileSync(join(folder.figuresDir, `${name}.svg`), svg)
  }
  writeFileSync(folder.reportFile, reportPage(summary, figures))
}

/** The page. Pure. */
export function reportPage(summary: ExperimentSummary, figures: readonly ReportFigure[]): string {
  const { title, runs } = summary
  return page(title, [
    { parts: introduction(summary) },
    { heading: 'What was found', parts: conclusions(summary) },
    {
      heading: 'Runs',
      parts: [
        { kind: 'table', head: RUN_COLUMNS, rows: runRows(runs) },
        { kind: 'text', text: RUNS_TEXT },
      ],
    },
    { heading: 'Promises', parts: promises(summary) },
    ...figureSections(figures),
    { heading: 'How it was made', parts: making(summary) },
  ])
}

/** A page has no room for the promises of more runs side by side. */
const COLUMNS_MAX = 4

const RUNS_TEXT =
  'ready: from the first start of a process until every shard served. Latencies count from when an operation was to be ' +
  'sent. fresh: weak and session reads that missed no write that had been acknowledged before they began. memory: of the ' +
  'largest process.'

function introduction({ about, startedMs, tookMs, unfinished }: ExperimentSummary): Part[] {
  const when = `${wallTime(startedMs).slice(0, 19).replace('T', ' ')} UTC, ${duration(tookMs)}.`
  const left = unfinished.length === 0 ? '' : ` It ended early; not finished: ${unfinished.join(', ')}.`
  return [
    { kind: 'text', text: about },
    { kind: 'text', text: `${when}${left}` },
  ]
}

function conclusions(summary: ExperimentSummary): Part[] {
  const promises = summary.runs.flatMap(({ verdicts }) => verdicts)
  const broken = promises.filter(({ ok }) => !ok).length
  const runs = plural(summary.runs.length, 'run')
  const kept = isGreen(summary)
    ? `All ${promises.length} promises that ${runs} could break were kept.`
    : `${broken} of ${promises.length} promises were broken in ${runs}.`
  const rows = summary.conclusions.map(({ what, ok, found }) => [ok ? what : `${what} (not so)`, found])
  const table: Part[] = rows.length === 0 ? [] : [{ kind: 'table', head: ['', 'found'], rows }]
  return [{ kind: 'text', text: kept }, ...table]
}

/** One row a promise, one column a run; of many runs one for all. */
function promises({ runs }: ExperimentSummary): Part[] {
  const names = [...new Set(runs.flatMap(({ verdicts }) => verdicts.map(({ what }) => what)))]
  if (names.length === 0) return [{ kind: 'text', text: 'No run came to its end: nothing was judged.' }]
  if (runs.length > COLUMNS_MAX) return [{ kind: 'table', head: PROMISE_COLUMNS, rows: promiseRows(runs) }]
  const cell = (verdict: Verdict | undefined) =>
    verdict === undefined ? '' : `${verdict.ok ? 'kept' : 'BROKEN'}: ${verdict.found}`
  const rows = names.map(name => [
    name,
    ...runs.map(({ verdicts }) => cell(verdicts.find(({ what }) => what === name))),
  ])
  return [{ kind: 'table', head: ['promise', ...runs.map(({ name }) => name)], rows }]
}

function figureSections(figures: readonly ReportFigure[]): Section[] {
  const names = [...new Set(figures.map(({ figure }) => figure))]
  return names.map(figure => ({
    heading: `${figure.name.charAt(0).toUpperCase()}${figure.name.slice(1).replaceAll('-', ' ')}`,
    parts: [
      { kind: 'text', text: `${figure.about}.`.replace(/^./, first => first.toUpperCase()) },
      ...figures
        .filter(each => each.figure === figure)
        .map(({ svg, runs }): Part => ({ kind: 'figure', svg, caption: runs.join(', ') })),
    ],
  }))
}

function making({ command, machine, runs }: ExperimentSummary): Part[] {
  const memory = machine.dataInMemory ? ' Its data was in memory: syncs cost nothing there.' : ''
  const seeds = [...new Set(runs.map(({ seed }) => seed))].join(', ')
  return [
    { kind: 'text', text: `Command: ${command}` },
    { kind: 'text', text: `Seed: ${seeds}. Machine: ${machineLine(machine)}.${memory}` },
  ]
}
