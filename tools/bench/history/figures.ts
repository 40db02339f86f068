/** What is measured of the past, and what is to be reached. */

import { median } from '../latency.js'

export type FigureName = keyof typeof FIGURES

interface FigureKind {
  /** For people. */
  readonly title: string
  readonly unit: 'entries/s' | 'MB/s' | 'ms'
  /** At least, or of milliseconds less than; undefined where nothing was promised. */
  readonly target?: number
}

/** In the order in which they are printed. The targets are those at 10,000,000 entries. */
export const FIGURES = {
  replay: { title: 'replay from the log alone', unit: 'entries/s', target: 1_500_000 },
  verify: { title: 'log verify, the process from start to end', unit: 'MB/s', target: 300 },
  getP50: { title: 'get at a random moment, p50', unit: 'ms' },
  getP99: { title: 'get at a random moment, p99', unit: 'ms', target: 10 },
  history: { title: 'history of the key that was written most', unit: 'ms', target: 50 },
  diff: { title: 'diff of two moments a minute apart', unit: 'ms', target: 1_000 },
  scanFirst: { title: 'scan at a moment nobody asked for before, first page', unit: 'ms' },
  scanAgain: { title: 'scan at that moment again, first page', unit: 'ms' },
  nodeStart: { title: 'start of the cluster on it', unit: 'ms' },
  logCat: { title: 'varve log cat --data, first output', unit: 'ms', target: 1_000 },
  offlineGet: { title: 'varve get --at --data, first output', unit: 'ms', target: 1_000 },
  offlineHistory: { title: 'varve history --data, first output', unit: 'ms', target: 1_000 },
  offlineDiff: { title: 'varve diff --data over a minute, first output', unit: 'ms' },
  logStat: { title: 'varve log stat --data, from start to end', unit: 'ms' },
} as const satisfies Record<string, FigureKind>

/** What came out, round by round. */
export interface Figure {
  readonly name: FigureName
  readonly title: string
  readonly unit: FigureKind['unit']
  readonly target?: number
  readonly median: number
  readonly isMet?: boolean
  readonly rounds: readonly number[]
}

/** The figure with that name, judged by the median of its rounds. */
export function figureOf(name: FigureName, rounds: readonly number[]): Figure {
  const { title, unit, target }: FigureKind = FIGURES[name]
  const middle = median(rounds)
  const figure = { name, title, unit, median: middle, rounds }
  if (target === undefined) return figure
  return { ...figure, target, isMet: unit === 'ms' ? middle < target : middle >= target }
}
