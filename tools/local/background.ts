/**
 * `varve up --detach`: the supervisor as a process of its own. The one that starts it hears from it over an IPC
 * channel until the cluster serves, then both go their ways.
 */

import { spawn } from 'node:child_process'
import { closeSync, openSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { type ClusterConfig, serializeClusterConfig } from '../../src/node/cluster-config.js'
import { CommandError, type ExitCode, errorLine, exitCodeOf, unavailable } from '../exit-codes.js'
import { note } from '../output.js'
import { plural } from '../text.js'
import { type DataFolder, SUPERVISOR } from './data-folder.js'
import { lastMessage, logSize } from './log-file.js'
import type { ClusterEvents } from './run-cluster.js'
import type { StartProgress } from './start-progress.js'

/** What the supervisor in the background tells the command that started it. */
type Message =
  | { readonly kind: 'started'; readonly listening: number }
  | { readonly kind: 'active'; readonly active: number; readonly of: number }
  | { readonly kind: 'ready' }
  | { readonly kind: 'failed'; readonly message: string; readonly exitCode: ExitCode }

/** Starts the supervisor in the background; resolves when the cluster serves, rejects with why it does not. */
export async function startBehind(
  folder: DataFolder,
  config: ClusterConfig,
  options: { readonly restart: boolean; readonly wait: number },
  progress: StartProgress,
): Promise<void> {
  // The folder then says all there is to know about the cluster, and the flags need not be passed on.
  if (!folder.isCluster) folder.create(serializeClusterConfig(config))
  folder.makeFolders()
  const logFile = folder.logFile(SUPERVISOR)
  const logStart = logSize(logFile)
  const log = openSync(logFile, 'a')
  const self = fileURLToPath(new URL(`../varve${import.meta.url.slice(-3)}`, import.meta.url))
  const flags = [
    '--in-background',
    '--wait',
    `${options.wait}ms`,
    ...(options.restart ? [] : ['--no-restart']),
  ]
  const supervisor = spawn(
    process.execPath,
    [...process.execArgv, self, 'up', '--data', folder.path, ...flags],
    {
      detached: true,
      stdio: ['ignore', log, log, 'ipc'],
      env: { ...process.env, VARVE_OUTPUT: 'table' },
    },
  )
  closeSync(log)
  const interrupt = () => supervisor.kill('SIGTERM')
  process.on('SIGINT', interrupt).on('SIGTERM', interrupt)
  try {
    await new Promise<void>((resolve, reject) => {
      supervisor.on('message', (message: Message) => {
        if (message.kind === 'started') progress.started(message.listening)
        else if (message.kind === 'active') progress.active(message.active, message.of)
        else if (message.kind === 'ready') resolve()
        else reject(new CommandError(message.exitCode, message.message))
      })
      supervisor.once('error', reject)
      supervisor.once('exit', () => {
        const reason = lastMessage(logFile, logStart) ?? 'it did not say why'
        reject(unavailable(`the supervisor ended before the cluster served: ${reason}; see ${logFile}`))
      })
    })
  } finally {
    progress.stop()
    process.off('SIGINT', interrupt).off('SIGTERM', interrupt)
    if (supervisor.connected) supervisor.disconnect()
    supervisor.unref()
  }
}

/** The other end: runs the cluster and tells the parent, as long as it listens, how that goes. */
export async function reportToParent(run: (events: ClusterEvents) => Promise<void>): Promise<void> {
  const tell = (message: Message) => {
    if (process.connected) process.send?.(message, () => {})
  }
  const stamp = (line: string) => note(`${new Date().toISOString()} ${line}`)
  try {
    await run({
      started: listening => tell({ kind: 'started', listening }),
      active: (active, of) => tell({ kind: 'active', active, of }),
      ready: async () => {
        tell({ kind: 'ready' })
        stamp('the cluster serves')
      },
      stopping: processes => stamp(`stopping ${plural(processes, 'process', 'processes')}`),
      notice: stamp,
    })
  } catch (error) {
    tell({ kind: 'failed', message: errorLine(error), exitCode: exitCodeOf(error) })
    throw error
  }
}
