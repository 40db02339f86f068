/** What the benchmark prints in the end: tables for people, one object for programs. */

import type { Machine } from '../machine.js'
import { machineLine } from '../machine.js'
import { tableOf } from '../output.js'
import { count, duration } from '../text.js'
import { LIMIT_RECORD_ENTRIES, type Limit } from './limit.js'
import type { Measurement } from './measure.js'
import type { BenchOptions } from './options.js'
import { type Row, rowName } from './rows.js'

/** A row with the median of its rounds. */
export interface MeasuredRow {
  readonly row: Row
  readonly median: Measurement
  readonly rounds: readonly Measurement[]
}

export interface TableReport {
  readonly machine: Machine
  readonly options: BenchOptions
  /** Medians; undefined where no write of Varve was measured. */
  readonly limit: Limit | undefined
  readonly rows: readonly MeasuredRow[]
  /** What else is to be known: what was left out, and why. */
  readonly notes: readonly string[]
}

/** The share of the limit that a row reached; undefined for what is not a write of Varve. */
export function shareOfLimit(
  report: Pick<TableReport, 'limit'>,
  { row, median }: MeasuredRow,
): number | undefined {
  if (report.limit === undefined || row.operation !== 'write' || row.system !== 'varve') return undefined
  return median.opsPerSecond / report.limit.entriesPerSecond
}

/** Everything as one object. */
export function reportObject(report: TableReport): object {
  const { machine, options, limit, notes } = report
  return {
    machine,
    options,
    limit: limit ?? null,
    rows: report.rows.map(measured => ({
      name: rowName(measured.row),
      ...measured.row,
      ...measured.median,
      shareOfLimit: shareOfLimit(report, measured) ?? null,
      rounds: measured.rounds,
    })),
    notes,
  }
}

/** Everything as text. */
export async function reportText(report: TableReport): Promise<string> {
  const { machine, options, rows } = report
  const { keys, valueSizeBytes, shards, replicas, rounds, windowMs } = options
  const load = `16 B keys out of ${count(keys)}, ${valueSizeBytes} B values, ${shards} shard${shards === 1 ? '' : 's'}`
  const times = `${replicas} replicas, medians of ${rounds} x ${windowMs / 1_000} s`
  const parts = [
    `${machineLine(machine)}\n${load}, ${times}`,
    await figuresTable(report),
    await resourcesTable(rows),
  ]
  const said = [...limitLines(report), ...report.notes]
  if (said.length > 0) parts.push(said.join('\n'))
  return `${parts.join('\n\n')}\n`
}

async function figuresTable(report: TableReport): Promise<string> {
  const header = ['operation', 'level', 'shape', 'outstanding', 'ops/s', 'p50', 'p99', 'of limit']
  const lines = report.rows.map(measured => {
    const { row, median } = measured
    const share = shareOfLimit(report, measured)
    return [
      row.operation,
      row.level,
      shapeOf(row),
      String(row.outstanding),
      count(median.opsPerSecond),
      duration(median.p50Us / 1_000),
      duration(median.p99Us / 1_000),
      share === undefined ? '' : share.toFixed(3),
    ]
  })
  return tableOf(header, lines, ['outstanding', 'ops/s', 'p50', 'p99', 'of limit'])
}

async function resourcesTable(rows: readonly MeasuredRow[]): Promise<string> {
  const header = [
    'operation',
    'level',
    'shape',
    'outstanding',
    'CPU us/op',
    'CPU s and RSS MB of each process',
  ]
  const lines = rows.map(({ row, median }) => {
    const cpuSeconds = median.processes.reduce((sum, { cpuSeconds: each }) => sum + each, 0)
    const windowOps = median.opsPerSecond * median.windowSeconds
    const processes = median.processes.map(
      ({ name, cpuSeconds: each, rssBytes }) => `${name} ${each.toFixed(2)} ${Math.round(rssBytes / 1e6)}`,
    )
    const perOp = windowOps === 0 ? '' : ((cpuSeconds * 1e6) / windowOps).toFixed(1)
    return [row.operation, row.level, shapeOf(row), String(row.outstanding), perOp, processes.join(', ')]
  })
  return tableOf(header, lines, ['outstanding', 'CPU us/op'])
}

function shapeOf(row: Row): string {
  return row.system === 'varve' ? row.topology : row.system
}

function limitLines(report: TableReport): string[] {
  const { limit } = report
  if (limit === undefined) return []
  const lines = [
    `limit: one process appends ${count(limit.entriesPerSecond)} entries/s as synced records of ` +
      `${LIMIT_RECORD_ENTRIES} (p50 ${duration(limit.recordP50Us / 1_000)} each, ` +
      `${limit.cpuUsPerEntry.toFixed(2)} us CPU an entry)`,
    `one synced append: p50 ${duration(limit.syncP50Us / 1_000)}; three in a chain: ${duration(limit.threeSyncsP50Us / 1_000)}`,
  ]
  for (const { row, median } of report.rows) {
    if (row.system !== 'varve' || row.operation !== 'write' || row.outstanding !== 1) continue
    const ratio = median.p50Us / limit.threeSyncsP50Us
    lines.push(`${rowName(row)}: p50 is ${ratio.toFixed(2)}x three chained appends`)
  }
  return lines
}
