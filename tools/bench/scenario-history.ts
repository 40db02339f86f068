/** `--scenario history`: what reading the past of a long log costs, online and from a stopped node's folder. */

import { join } from 'node:path'
import { describeMachine, type Machine, machineLine } from '../machine.js'
import { note, tableOf } from '../output.js'
import { byteSize, count } from '../text.js'
import { mainBeside, WorkerProcess } from '../worker/worker-process.js'
import type { Cleanup } from './cleanup.js'
import { runCommand } from './history/command-runs.js'
import { FIGURES, type Figure, type FigureName, figureOf } from './history/figures.js'
import { type HistoryFolder, historyFolder } from './history/history-folder.js'
import { type HistoryShape, watchedKey } from './history/history-log.js'
import { type Measured, measureOnline, minuteOf } from './history/online-past.js'
import type { ReplayRequest, ReplayRound } from './history/replay-main.js'
import { profileArguments } from './node-arguments.js'
import type { BenchOptions } from './options.js'

export interface HistoryReport {
  readonly machine: Machine
  readonly data: string
  readonly shape: HistoryShape
  readonly sizeBytes: number
  readonly figures: readonly Figure[]
}

const VERSIONS_MAX = 1_000

/** Makes the log where it is not there yet, and measures everything on it. */
export async function runHistory(options: BenchOptions, cleanup: Cleanup): Promise<HistoryReport> {
  const { entries, valueSizeBytes, rounds, profile } = options
  const versions = Math.min(VERSIONS_MAX, Math.ceil(entries / 10))
  const keys = Math.max(2, Math.min(options.keys, Math.floor(entries / 2)))
  const path = options.data ?? join(options.under, `varve-history-${entries}-${keys}`)
  const folder = await historyFolder(path, { entries, keys, valueSizeBytes, versions })
  const measured: Measured = {}
  note('commands on the stopped folder')
  Object.assign(measured, await measureCommands(folder, rounds, cleanup, profile))
  note('replay')
  measured.replay = await measureReplay(folder, rounds, cleanup, profile)
  note('reads from a client')
  Object.assign(measured, await measureOnline(folder, rounds, cleanup, profile))
  const names = Object.keys(FIGURES) as FigureName[]
  const figures = names.map(name => figureOf(name, measured[name] ?? []))
  const { sizeBytes, shape } = folder
  return { machine: describeMachine(folder.folder.path), data: folder.folder.path, shape, sizeBytes, figures }
}

async function measureCommands(
  folder: HistoryFolder,
  rounds: number,
  cleanup: Cleanup,
  profile: string | undefined,
): Promise<Measured> {
  const data = ['--data', folder.folder.path]
  const middleMs = Math.floor((folder.startMs + folder.endMs) / 2)
  const [at, until] = [middleMs, middleMs + minuteOf(folder)].map(ms => new Date(ms).toISOString()) as [
    string,
    string,
  ]
  const commands: [FigureName, 'first' | 'end', string[]][] = [
    ['logCat', 'first', ['log', 'cat']],
    ['offlineGet', 'first', ['get', watchedKey, '--at', at]],
    ['offlineHistory', 'first', ['history', watchedKey]],
    ['offlineDiff', 'first', ['diff', '--from', at, '--to', until]],
    ['logStat', 'end', ['log', 'stat']],
    ['verify', 'end', ['log', 'verify']],
  ]
  const measured: Measured = {}
  for (let round = 0; round < rounds; round++) {
    for (const [name, until, args] of commands) {
      const profiled = profileArguments(until === 'end' ? profile : undefined, `history-${name}-${round}`)
      const { firstOutputMs, endMs } = await runCommand([...args, ...data], cleanup, until, profiled)
      const ms = until === 'first' ? firstOutputMs : endMs
      measured[name] = [...(measured[name] ?? []), name === 'verify' ? folder.sizeBytes / 1_000 / ms : ms]
    }
  }
  return measured
}

async function measureReplay(
  folder: HistoryFolder,
  rounds: number,
  cleanup: Cleanup,
  profile: string | undefined,
): Promise<number[]> {
  const worker = new WorkerProcess(
    mainBeside(import.meta.url, 'history/replay-main'),
    'the replay',
    cleanup,
    profileArguments(profile, 'history-replay'),
  )
  try {
    const request: ReplayRequest = { dir: folder.nodeDir, rounds }
    const replays = await worker.ask<ReplayRound[]>(request)
    return replays.map(({ entries, ms }) => Math.round((entries * 1_000) / ms))
  } finally {
    await worker.stop()
  }
}

/** As text. */
export async function historyText({
  machine,
  data,
  shape,
  sizeBytes,
  figures,
}: HistoryReport): Promise<string> {
  const lines = figures.map(({ title, unit, target, median, isMet, rounds }) => {
    const value = rounds.length === 0 ? '-' : figureText(median, unit)
    const wanted = target === undefined ? '' : `${unit === 'ms' ? '<' : '>='} ${figureText(target, unit)}`
    return [title, value, wanted, isMet === undefined ? '' : isMet ? 'met' : 'missed', String(rounds.length)]
  })
  const right = ['measured', 'rounds']
  const table = await tableOf(['', 'measured', 'to be reached', '', 'rounds'], lines, right)
  const { entries, keys, versions } = shape
  const log = `${count(entries)} entries over ${count(keys)} keys, ${byteSize(sizeBytes)}, in ${data}`
  return `${machineLine(machine)}\n${log}; the key written most: ${count(versions)} times; medians\n\n${table}\n`
}

function figureText(value: number, unit: Figure['unit']): string {
  if (unit !== 'ms') return `${count(Math.round(value))} ${unit}`
  return `${value < 10 ? value.toFixed(2) : count(Math.round(value))} ms`
}
