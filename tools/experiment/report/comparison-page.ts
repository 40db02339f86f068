/** Two experiments on one page: their figures one below the other, on the same scales. */

import { type Part, page, type Section } from '../../figures/page.js'
import { machineLine } from '../../machine.js'
import { wallTime } from '../../text.js'
import type { RecordedRun } from '../record/recorded-run.js'
import type { ExperimentSummary } from '../summary/experiment-summary.js'
import { reportFigures } from './report-figures.js'

export interface Side {
  /** Of its folder, as it was given. */
  readonly path: string
  readonly summary: ExperimentSummary
  readonly runs: readonly RecordedRun[]
}

/** The page. `rows` are those of `comparisonRows`. Pure. */
export function comparisonPage(a: Side, b: Side, rows: string[][]): string {
  // Runs of the same name are of different experiments: figures need names that tell them apart.
  const [own, other] = [renamed(a, 'A'), renamed(b, 'B')]
  const all = [...own, ...other]
  const figures = [...reportFigures(own, all), ...reportFigures(other, all)]
  const names = [...new Set(figures.map(({ figure }) => figure))]
  const sections = names.map((figure): Section => {
    const parts = figures
      .filter(each => each.figure === figure)
      .map(({ svg, runs }): Part => ({ kind: 'figure', svg, caption: runs.join(', ') }))
    return { heading: figure.name.replaceAll('-', ' '), parts }
  })
  return page(`${a.path} and ${b.path}`, [
    { parts: [sideText('A', a), sideText('B', b)] },
    { heading: 'Figures', parts: [{ kind: 'table', head: ['run', 'figure', 'A', 'B', 'B / A'], rows }] },
    ...sections,
  ])
}

function renamed({ runs }: Side, side: string): RecordedRun[] {
  return runs.map(run => ({ ...run, name: `${side}: ${run.name}` }))
}

function sideText(name: string, { path, summary }: Side): Part {
  const { title, startedMs, command, machine } = summary
  const when = wallTime(startedMs).slice(0, 19).replace('T', ' ')
  return {
    kind: 'text',
    text: `${name} is ${path}: ${title}, ${when} UTC, ${command}, on ${machineLine(machine)}`,
  }
}
