/** `varve down`: ends what `varve up` started in a folder, whatever became of it since. */

import { type Command, Option } from 'commander'
import type { GlobalOptions } from '../connect.js'
import { DataFolder } from '../local/data-folder.js'
import type { LocalProcess } from '../local/pid-file.js'
import { printObject } from '../output.js'
import { plural } from '../text.js'
import { DEFAULT_DATA } from './up.js'

/** The supervisor gives the coordinator and the nodes 10 s each. */
const SUPERVISOR_GRACE_MS = 25_000
const PROCESS_GRACE_MS = 10_000

interface DownOptions extends GlobalOptions {
  readonly data: string
}

export function addDown(program: Command): void {
  program
    .command('down')
    .description('stop the cluster that `varve up` started in a folder')
    .addOption(
      new Option('--data <folder>', 'where the cluster lives').env('VARVE_DATA').default(DEFAULT_DATA),
    )
    .action((_options, command: Command) => down(command.optsWithGlobals<DownOptions>()))
}

async function down(options: DownOptions): Promise<void> {
  const { endProcesses, forget, liveProcesses } = await import('../local/pid-file.js')
  const folder = new DataFolder(options.data)
  const found = liveProcesses(folder)
  const killed: string[] = []
  const end = async (role: LocalProcess['role'], graceMs: number) => {
    const processes = liveProcesses(folder).filter(each => each.role === role)
    killed.push(...(await endProcesses(folder, processes, graceMs)))
  }
  // The supervisor first, or it would start again what ends; then the coordinator, which must not take the nodes'
  // going for failures.
  await end('supervisor', SUPERVISOR_GRACE_MS)
  await end('coordinator', PROCESS_GRACE_MS)
  await end('node', PROCESS_GRACE_MS)
  // What is left are files of processes that died without removing them.
  for (const name of folder.pidNames()) forget(folder, name)
  const stopped = found.map(({ name, role, pid }) => ({ name, role, pid }))
  await printObject(options.output, { data: folder.path, stopped, killed }, () =>
    downText(folder, found, killed),
  )
}

function downText(folder: DataFolder, found: readonly LocalProcess[], killed: readonly string[]): string {
  if (!folder.exists) return `nothing is running: there is no folder ${folder.given}`
  if (!folder.isCluster) return `nothing is running: ${folder.given} holds no Varve cluster`
  if (found.length === 0) return `nothing is running in ${folder.given}`
  const nodes = found.filter(each => each.role === 'node').length
  const parts = [
    ...(found.some(each => each.role === 'supervisor') ? ['the supervisor'] : []),
    ...(found.some(each => each.role === 'coordinator') ? ['the coordinator'] : []),
    ...(nodes > 0 ? [plural(nodes, 'node')] : []),
  ]
  const killedText = killed.length === 0 ? '' : `; killed, as they did not end in time: ${killed.join(', ')}`
  return `stopped ${parts.join(', ')}${killedText}; the data stays in ${folder.given}`
}
