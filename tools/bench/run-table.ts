/** The table: all rows, round by round, with the limit measured in every round. */

import { mkdtempSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { badUsage } from '../exit-codes.js'
import { describeMachine } from '../machine.js'
import { note } from '../output.js'
import { mainBeside, WorkerProcess } from '../worker/worker-process.js'
import type { Cleanup } from './cleanup.js'
import { median } from './latency.js'
import type { Limit, LimitRequest } from './limit.js'
import { type Measurement, measureRow, medianOf, progressLine } from './measure.js'
import { profileArguments } from './node-arguments.js'
import type { BenchOptions } from './options.js'
import type { TableReport } from './report.js'
import { rivalRows, startRival } from './rivals/rivals.js'
import { type Row, rowName, selectRows, varveRows } from './rows.js'
import type { Subject } from './subject.js'
import { VarveSubject } from './varve-subject.js'

/** Keys that the limit's process keeps: what they are makes no difference to an append. */
const LIMIT_KEYS_MAX = 100_000
const LIMIT_WINDOW_MS_MAX = 2_000

/** Measures everything that the options name. */
export async function runTable(options: BenchOptions, cleanup: Cleanup): Promise<TableReport> {
  const notes: string[] = []
  const available = await rivalRows(options, notes)
  const rows = selectRows([...varveRows(options), ...available], options.only)
  if (rows.length === 0) throw badUsage(`--only: no row has the words ${options.only.join(' or ')}`)
  const subjects = new Map<string, Subject>()
  try {
    for (const row of rows) {
      const name = subjectName(row)
      if (!subjects.has(name)) subjects.set(name, await startSubject(row, options, cleanup))
    }
    const { limits, measured } = await measureRounds(rows, subjects, options, cleanup)
    const results = rows.map((row, at) => ({ row, median: medianOf(measured[at]!), rounds: measured[at]! }))
    for (const { row, median: figures } of results) {
      if (figures.misses > 0) notes.push(`${rowName(row)}: ${figures.misses} reads found nothing`)
    }
    const machine = describeMachine(cleanup.folder)
    if (machine.dataInMemory) {
      notes.push('the data was kept in memory, where a sync costs nothing: --dir names a folder on a disk')
    }
    return { machine, options, limit: limitOf(limits), rows: results, notes }
  } finally {
    await Promise.all([...subjects.values()].map(subject => subject.stop()))
  }
}

async function measureRounds(
  rows: readonly Row[],
  subjects: ReadonlyMap<string, Subject>,
  options: BenchOptions,
  cleanup: Cleanup,
): Promise<{ limits: Limit[]; measured: Measurement[][] }> {
  const { keys, warmUpMs, windowMs, rounds } = options
  const needsLimit = rows.some(row => row.operation === 'write' && row.system === 'varve')
  const limits: Limit[] = []
  const measured = rows.map((): Measurement[] => [])
  for (let round = 0; round < rounds; round++) {
    note(`round ${round + 1} of ${rounds}`)
    if (needsLimit) limits.push(await measureLimit(options, cleanup))
    for (const [at, row] of rows.entries()) {
      const subject = subjects.get(subjectName(row))!
      const seed = round * rows.length + at
      const result = await measureRow(subject, row, { keys, warmUpMs, windowMs, seed })
      note(`  ${progressLine(row, result)}`)
      measured[at]!.push(result)
    }
  }
  return { limits, measured }
}

/** Varve's clusters by their shape; the others have one each. */
function subjectName(row: Row): string {
  return row.system === 'varve' ? row.topology : row.system
}

async function startSubject(row: Row, options: BenchOptions, cleanup: Cleanup): Promise<Subject> {
  const name = subjectName(row)
  const { keys, valueSizeBytes, shards, replicas, profile } = options
  note(`starting ${row.system === 'varve' ? `a ${name} of ${replicas} nodes` : name}, writing ${keys} keys`)
  if (row.system === 'etcd' || row.system === 'redis') return startRival(row.system, options, cleanup)
  const topology = row.topology === 'star' ? 'star' : 'chain'
  const where = { cleanup, name, topology, shards, replicas } as const
  const subject = await VarveSubject.start(profile === undefined ? where : { ...where, profile }, {
    keys,
    valueSizeBytes,
  })
  try {
    await subject.fill(keys)
    return subject
  } catch (error) {
    await subject.stop()
    throw error
  }
}

/** One measurement of the limit, in a process and folders that exist for it only. */
async function measureLimit(options: BenchOptions, cleanup: Cleanup): Promise<Limit> {
  const folder = mkdtempSync(join(cleanup.folder, 'limit-'))
  const profile = profileArguments(options.profile, 'limit')
  const main = mainBeside(import.meta.url, 'limit-main')
  const worker = new WorkerProcess(main, 'the measurement of the limit', cleanup, profile)
  try {
    const request: LimitRequest = {
      folder,
      valueSizeBytes: options.valueSizeBytes,
      keys: Math.min(options.keys, LIMIT_KEYS_MAX),
      windowMs: Math.min(options.windowMs, LIMIT_WINDOW_MS_MAX),
    }
    const limit = await worker.ask<Limit>(request)
    note(`  limit: ${Math.round(limit.entriesPerSecond).toLocaleString('en-US')} entries/s`)
    return limit
  } finally {
    await worker.stop()
    rmSync(folder, { recursive: true, force: true })
  }
}

function limitOf(limits: readonly Limit[]): Limit | undefined {
  if (limits.length === 0) return undefined
  const of = (pick: (limit: Limit) => number) => median(limits.map(pick))
  return {
    entriesPerSecond: of(limit => limit.entriesPerSecond),
    cpuUsPerEntry: of(limit => limit.cpuUsPerEntry),
    recordP50Us: of(limit => limit.recordP50Us),
    syncP50Us: of(limit => limit.syncP50Us),
    threeSyncsP50Us: of(limit => limit.threeSyncsP50Us),
  }
}
