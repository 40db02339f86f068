/** The figures of logs for people. */

import type { LogFigures, RateFigures } from './log-figures.js'
import { tableOf } from './output.js'
import { byteSize, count, duration, plural, wallTime } from './text.js'

const HEADER = [
  'shard',
  'entries',
  'records',
  'bytes',
  'a record',
  'keys',
  'set',
  'delete',
  'noop',
  'clients',
  'actors',
  'orphans',
  'base',
] as const
const BARS = '▁▂▃▄▅▆▇█'

/** Three tables: what there is, who led when, and how it came to be over time. */
export async function figuresText(figures: readonly LogFigures[]): Promise<string> {
  const numbers = HEADER.filter(name => name !== 'shard')
  const tables = [await tableOf(HEADER, figures.map(rowOf), numbers), await epochsText(figures)]
  const rates = figures.filter(({ entries }) => entries > 0).map(rateText)
  if (rates.length > 0) tables.push(rates.join('\n'))
  return tables.filter(text => text !== '').join('\n\n')
}

function rowOf(figures: LogFigures): string[] {
  const { set, delete: deleted, noop } = figures.operations
  const { mean, p50, max } = figures.perRecord
  return [
    figures.shard,
    count(figures.entries),
    count(figures.records),
    byteSize(figures.bytes),
    `${mean} (p50 ${count(p50)}, max ${count(max)})`,
    count(figures.keys),
    count(set),
    count(deleted),
    count(noop),
    count(figures.clients),
    count(figures.actors),
    count(figures.orphans),
    figures.baseIndex === 0 ? '-' : `to ${count(figures.baseIndex)}, ${byteSize(figures.baseSizeBytes)}`,
  ]
}

function epochsText(figures: readonly LogFigures[]): Promise<string> {
  const rows = figures.flatMap(({ shard, epochs }) =>
    epochs.map(({ epoch, firstIndex, lastIndex, entries, sinceMs, head, members }) => [
      shard,
      String(epoch),
      count(firstIndex),
      count(lastIndex),
      count(entries),
      wallTime(sinceMs),
      head || 'not told',
      head === '' ? '' : members.join(', '),
    ]),
  )
  if (rows.length === 0) return Promise.resolve('')
  const header = ['shard', 'epoch', 'from index', 'to', 'entries', 'since', 'head', 'members']
  return tableOf(header, rows, ['epoch', 'from index', 'to', 'entries'])
}

function rateText({ shard, entries, rate, first, last }: LogFigures): string {
  const seconds = ((last?.wallMs ?? 0) - (first?.wallMs ?? 0)) / 1_000
  const mean = seconds > 0 ? `, ${perSecond(entries / seconds)} on average` : ''
  const peak = `peak ${perSecond((Math.max(...rate.counts) * 1_000) / rate.bucketMs)}`
  const span = `${wallTime(first?.wallMs ?? 0)} to ${wallTime(last?.wallMs ?? 0)}`
  return `${shard}  ${span}${mean}, ${peak}\n${sparkline(rate)}  ${plural(rate.counts.length, 'column')} of ${width(rate)}`
}

function sparkline({ counts }: RateFigures): string {
  const most = Math.max(...counts, 1)
  // A column with anything in it is never like one with nothing.
  const bar = (entries: number) => (entries === 0 ? ' ' : BARS[Math.ceil((entries / most) * BARS.length) - 1])
  return `|${counts.map(bar).join('')}|`
}

function width({ bucketMs }: RateFigures): string {
  return duration(bucketMs)
    .replace('.00', '')
    .replace('.0 ', ' ')
    .replace(/ 0[smh]$/, '')
}

function perSecond(rate: number): string {
  return `${rate >= 10 ? count(rate) : Number(rate.toPrecision(2))} entries/s`
}
