/**
 * Pid files, and whether the process with that id is still the one that was meant. Ids are used again by the
 * operating system, so no process is taken for ours, let alone signalled, by its number alone.
 */

import { execFileSync } from 'node:child_process'
import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'
import { COORDINATOR, type DataFolder, SUPERVISOR } from './data-folder.js'

/** A live process of a cluster on this machine. */
export interface LocalProcess {
  readonly name: string
  readonly role: 'supervisor' | 'coordinator' | 'node'
  readonly pid: number
}

/** The id in a pid file; undefined if there is none or it makes no sense. */
export function readPid(file: string): number | undefined {
  const text = readText(file)?.trim() ?? ''
  return /^[1-9][0-9]{0,9}$/.test(text) ? Number(text) : undefined
}

/** Writes a pid file. It holds the id and nothing else, so that `kill $(cat x.pid)` does what it says. */
export function writePid(file: string, pid: number): void {
  writeFileSync(file, `${pid}\n`)
}

/**
 * Takes the supervisor's pid file for this process. False where a live supervisor holds it.
 * Two that try at the same time cannot both get it.
 */
export function claimSupervisor(folder: DataFolder): boolean {
  const file = folder.pidFile(SUPERVISOR)
  for (let attempt = 0; attempt < 3; attempt++) {
    try {
      writeFileSync(file, `${process.pid}\n`, { flag: 'wx' })
      writeFileSync(folder.startFile, `${startOf(process.pid) ?? ''}\n`)
      return true
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
    }
    if (liveProcess(folder, SUPERVISOR) !== undefined) return false
    rmSync(file, { force: true })
  }
  return false
}

/** Removes a process's pid file (and the supervisor's start time). */
export function forget(folder: DataFolder, name: string): void {
  rmSync(folder.pidFile(name), { force: true })
  if (name === SUPERVISOR) rmSync(folder.startFile, { force: true })
}

/** The live processes of this folder's cluster: supervisor, coordinator, then nodes by name. */
export function liveProcesses(folder: DataFolder): LocalProcess[] {
  const order = { supervisor: 0, coordinator: 1, node: 2 }
  return folder
    .pidNames()
    .map(name => liveProcess(folder, name))
    .filter(found => found !== undefined)
    .sort((a, b) => order[a.role] - order[b.role])
}

/** The process that a pid file of this folder names; undefined where it is gone or its id is someone else's now. */
export function liveProcess(folder: DataFolder, name: string): LocalProcess | undefined {
  const pid = readPid(folder.pidFile(name))
  if (pid === undefined || pid === process.pid) return undefined
  if (name === SUPERVISOR) {
    const started = readText(folder.startFile)?.trim()
    const isOurs = started !== undefined && started !== '' && startOf(pid) === started
    return isOurs ? { name, role: 'supervisor', pid } : undefined
  }
  const dataDir = name === COORDINATOR ? folder.coordinatorDir : folder.nodeDir(name)
  const command = commandLineOf(pid)
  if (command === undefined || !`${command} `.includes(` --data ${dataDir} `)) return undefined
  return { name, role: name === COORDINATOR ? 'coordinator' : 'node', pid }
}

/** Whether the process with that id here is the node at this address with this data folder, by its command line. */
export function isNode(pid: number, address: string, dataDir: string): boolean {
  const command = `${commandLineOf(pid) ?? ''} `
  return (
    pid !== process.pid &&
    command.includes(` --address ${address} `) &&
    command.includes(` --data ${dataDir} `)
  )
}

/** Whether a live supervisor looks after this folder, and whether it starts again what dies. */
export function supervision(folder: DataFolder): 'none' | 'restarts' | 'leaves' {
  const supervisor = liveProcess(folder, SUPERVISOR)
  if (supervisor === undefined) return 'none'
  const command = commandLineOf(supervisor.pid) ?? ''
  return ` ${command} `.includes(' --no-restart ') ? 'leaves' : 'restarts'
}

/**
 * Ends processes: SIGTERM to all, SIGKILL to those still there after `graceMs`. Each is looked at again before
 * each signal. Returns the names of those that had to be killed; resolves when all are gone.
 */
export async function endProcesses(
  folder: DataFolder,
  processes: readonly LocalProcess[],
  graceMs: number,
): Promise<string[]> {
  const stillThere = () => processes.filter(each => liveProcess(folder, each.name)?.pid === each.pid)
  for (const each of stillThere()) signal(each.pid, 'SIGTERM')
  const deadline = performance.now() + graceMs
  while (stillThere().length > 0 && performance.now() < deadline) await delay(25)
  const killed = stillThere()
  for (const each of killed) signal(each.pid, 'SIGKILL')
  while (stillThere().length > 0) await delay(25)
  for (const each of processes) {
    if (readPid(folder.pidFile(each.name)) === each.pid) forget(folder, each.name)
  }
  return killed.map(each => each.name)
}

/** Sends a signal; a process that is gone already is no error. */
export function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
  }
}

/** When a process started, as the system counts it; the same id at another time reads differently. */
export function startOf(pid: number): string | undefined {
  if (process.platform !== 'linux') return askPs(pid, 'lstart=')
  const stat = readText(`/proc/${pid}/stat`)
  if (stat === undefined) return undefined
  // The name, in brackets, may itself hold spaces and brackets. State is the first field after it, start the 20th.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return fields[0] === 'Z' ? undefined : fields[19]
}

/** A process's command line, its parts joined by spaces; undefined where there is no such process (any more). */
function commandLineOf(pid: number): string | undefined {
  if (process.platform !== 'linux') return askPs(pid, 'command=')
  const text = readText(`/proc/${pid}/cmdline`)
  return text === undefined || text === '' ? undefined : text.split('\0').join(' ').trim()
}

function askPs(pid: number, column: string): string | undefined {
  try {
    const args = ['-ww', '-o', column, '-p', String(pid)]
    const answer = execFileSync('ps', args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] })
    return answer.trim() || undefined
  } catch {
    return undefined
  }
}

function readText(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8')
  } catch {
    return undefined
  }
}
